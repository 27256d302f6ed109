-- What came is received once, in order, or recv says that there was no memory.
local tide = require "tide"
local net = require "tide.net"

local HOST, COUNT = "127.0.0.1", 4
local got

local function receive(udp)
  repeat
    local data, host, code = udp:recv()
    if data then
      got[#got + 1] = tonumber(data)
      assert(host == HOST)
    else
      assert(code == "ENOMEM", code)
    end
  until #got + udp:stats().dropped == COUNT
end

local function send(udp, port)
  for i = 1, COUNT do
    assert(udp:send(tostring(i), HOST, port))
    tide.sleep(0)
  end
end

local function exchange(a, b, port)
  tide.group(function(group)
    group:task(send, b, port)
    group:task(receive, a)
  end)
end

local function refuse(a, b)
  local too_long, message, code = b:send(("x"):rep(66000), HOST, 9)
  assert(not too_long and message and code == "EMSGSIZE")
  tide.group(function(group)
    group:task(function()
      assert(not a:recv())
    end)
    tide.sleep(0)
    a:close()
    assert(not a:recv())
  end)
end

local function use(a, b)
  assert(a:bind(HOST, 0))
  local _, port = assert(a:sockname())
  exchange(a, b, port)
  assert(b:connect(HOST, port))
  assert(b:peername() == HOST)
  assert(b:disconnect())
  assert(a:stats().sent == 0)
  refuse(a, b)
end

local a, b

return {
  prepare = function()
    got = {}
    a, b = assert(net.udp { limit = 1000 }), assert(net.udp())
  end,
  main = function()
    tide.with(net.udp(), function() end)
    return use(a, b)
  end,
  before = function()
    a:close()
    b:close()
  end,
  after = function()
    for i = 2, #got do
      assert(got[i] > got[i - 1], "received twice, or out of order")
    end
  end,
}
