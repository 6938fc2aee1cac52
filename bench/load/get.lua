-- Random ones of some paths are read. Argument: a file of paths, one a line.
local requests = {}

function setup(thread)
  thread:set("seed", os.time() * 1000 + math.floor(os.clock() * 1000000) % 1000)
end

function init(args)
  math.randomseed(seed)
  for path in io.lines(args[1]) do
    requests[#requests + 1] = "GET " .. path .. " HTTP/1.1\r\nHost: bench\r\n\r\n"
  end
end

function request()
  return requests[math.random(#requests)]
end
