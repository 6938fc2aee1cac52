-- Random users share random videos on two platforms. Arguments: a file of tokens, one a line; how many videos.
local tails = {}
local videos

function setup(thread)
  thread:set("seed", os.time() * 1000 + math.floor(os.clock() * 1000000) % 1000)
end

function init(args)
  math.randomseed(seed)
  videos = tonumber(args[2])
  local body = '{"platforms":["twitter","whatsapp"]}'
  for token in io.lines(args[1]) do
    tails[#tails + 1] = "/share HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: "
      .. #body .. "\r\nAuthorization: Bearer " .. token .. "\r\n\r\n" .. body
  end
end

function request()
  return "POST /videos/v" .. math.random(videos) .. tails[math.random(#tails)]
end
