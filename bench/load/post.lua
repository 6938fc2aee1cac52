-- Random ones of some bodies are posted to one path. Arguments: the path; a file of JSON bodies, one a line.
local requests = {}

function setup(thread)
  thread:set("seed", os.time() * 1000 + math.floor(os.clock() * 1000000) % 1000)
end

function init(args)
  math.randomseed(seed)
  for body in io.lines(args[2]) do
    requests[#requests + 1] = "POST " .. args[1] .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
      .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
  end
end

function request()
  return requests[math.random(#requests)]
end
