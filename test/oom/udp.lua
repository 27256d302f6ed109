-- What came is received once, in order, or recv says that there was no memory
-- for it; a recv that raised has not taken it.
local tide = require "tide"
local net = require "tide.net"

local HOST = "127.0.0.1"
local WORDS = { "1", "2", "3", "4" } -- on LuaJIT `tostring` does not survive it
local a, b, waiting
local got, first

local function receive(udp)
  repeat
    local data, host, code = udp:recv()
    if data then
      got[#got + 1] = data
      assert(host == HOST)
    else
      assert(code == "ENOMEM", code)
    end
  until #got + udp:stats().dropped == #WORDS
end

local function send(udp, port)
  for _, word in ipairs(WORDS) do
    assert(udp:send(word, HOST, port))
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

local function open(udp)
  assert(udp:bind(HOST, 0))
  return select(2, assert(udp:sockname()))
end

--- A string that is nowhere but in the kernel.
local function post(udp, port)
  udp:send(("first"):rep(20), HOST, port)
  collectgarbage()
end

return {
  prepare = function()
    got = {}
    a, b, waiting = assert(net.udp { limit = 1000 }), assert(net.udp()), assert(net.udp())
    post(b, open(waiting))
  end,
  main = function()
    tide.with(net.udp(), type)
    first = waiting:recv()
    local port = open(a)
    tide.group(exchange, b, a, port)
    assert(b:connect(HOST, port))
    assert(b:peername() == HOST)
    assert(b:disconnect())
    assert(a:stats().sent == 0)
    refuse(b)
    tide.group(close, a)
  end,
  before = function()
    if not first and waiting:stats().dropped == 0 then
      tide.run(function()
        first = waiting:recv() or waiting:recv() -- it may still say that there was none
      end)
      assert(first == ("first"):rep(20))
    end
    for _, udp in ipairs { a, b, waiting } do
      udp:close()
    end
  end,
  after = function()
    for i = 2, #got do
      assert(got[i] > got[i - 1], "received twice, or out of order")
    end
  end,
}
