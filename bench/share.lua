-- wrk: random users share random videos on two platforms. Tokens come from a file, one a line.
local tokens = {}
local thread_count = 0

function setup(thread)
  thread_count = thread_count + 1
  thread:set("seed", os.time() + thread_count * 7919)
end

function init(args)
  math.randomseed(seed)
  for line in io.lines(args[1]) do tokens[#tokens + 1] = line end
  wrk.method = "POST"
  wrk.body = '{"platforms":["twitter","whatsapp"]}'
end

function request()
  local headers = {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. tokens[math.random(#tokens)],
  }
  return wrk.format(nil, "/videos/v" .. math.random(100000) .. "/share", headers)
end
