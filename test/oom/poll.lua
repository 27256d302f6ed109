-- A descriptor that is ready is told of, and nothing stays watched.
local tide = require "tide"
local net = require "tide.net"

local a, b, server

local function poll(group)
  group:task(function() assert(tide.poll(a, "r") == "r") end)
  group:task(function() assert(tide.poll(a, "w") == "w") end)
  group:task(function() assert(tide.poll(b, "w") == "w") end)
  tide.sleep(0)
  b:write "x"
end

local function forget(group)
  group:task(function()
    local _, _, code = tide.poll(b, "r")
    assert(code == "ECANCELED")
  end)
  tide.sleep(0)
  tide.poll_forget(b)
end

return {
  prepare = function()
    tide.run(function()
      server = assert(net.listen("127.0.0.1", 0))
      a = assert(net.connect("127.0.0.1", select(2, server:sockname())))
      b = assert(server:accept())
    end)
  end,
  main = function()
    tide.group(poll)
    local _, _, code = tide.poll(2 ^ 20, "rw")
    assert(code == "EBADF")
    assert(tide.poll({ getfd = function() return b:fileno() end }, "rw") == "w")
    tide.group(forget)
  end,
  before = function()
    for _, it in ipairs { a, b, server } do
      it:close()
    end
  end,
}
