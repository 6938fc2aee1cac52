-- Random users create share links to random videos. Arguments: a file of tokens, one a line; how many videos.
local heads = {}
local videos

function setup(thread)
  thread:set("seed", os.time() * 1000 + math.floor(os.clock() * 1000000) % 1000)
end

function init(args)
  math.randomseed(seed)
  videos = tonumber(args[2])
  for token in io.lines(args[1]) do
    heads[#heads + 1] = "POST /share-links HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
      .. "Authorization: Bearer " .. token .. "\r\nContent-Length: "
  end
end

function request()
  local body = '{"contentType":"video","contentId":"v' .. math.random(videos)
    .. '","url":"https://www.youtube.com/watch?v=dQw4w9WgXcQ","channelId":"newsletter","campaignId":"spring"}'
  return heads[math.random(#heads)] .. #body .. "\r\n\r\n" .. body
end
