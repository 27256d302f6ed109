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

local function exchange(group, from, to, port)
  group:task(send, from, port)
  group:task(receive, to)
end

local function is_closed(udp)
  assert(not udp:recv())
end

local function close(group, udp)
  group:task(is_closed, udp)
  tide.sleep(0)
  udp:close()
  is_closed(udp)
end

local function refuse(udp)
  local too_long, message, code = udp:send(("x"):rep(66000), HOST, 9)
  assert(not too_long and message and code == "EMSGSIZE")
end

local function use(a, b)
  assert(a:bind(HOST, 0))
  local _, port = assert(a:sockname())
  tide.group(exchange, b, a, port)
  assert(b:connect(HOST, port))
  assert(b:peername() == HOST)
  assert(b:disconnect())
  assert(a:stats().sent == 0)
  refuse(b)
  tide.group(close, a)
end

local a, b

return {
  prepare = function()
    got = {}
    a, b = assert(net.udp { limit = 1000 }), assert(net.udp())
  end,
  main = function()
    tide.with(net.udp(), type)
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
