-- Where programs would notice that tide.luasocket is not LuaSocket: misuse is told at
-- their lines in its words, and calls give as many results as its own.
local luasocket_support = require "spec.luasocket_support"
local support = require "spec.support"

require("tide.busted").configure { timeout = 10 }

if not luasocket_support.there("socket", "tide.luasocket", describe, pending) then
  return
end

local socket = require "tide.luasocket"

local misuse = support.misuse
local opens, pair = luasocket_support.opens, luasocket_support.pair

luasocket_support.keep(after_each)

describe("misuse of tide.luasocket", function()
  it("arguments that are none", function()
    local conn = pair()
    misuse("bad argument #1 to 'send' %(string expected", function() conn:send() end)
    misuse("bad argument #1 to 'send' %(string expected", function() conn:send {} end)
    misuse("bad argument #1 to 'receive' %(invalid", function() conn:receive "*q" end)
    misuse("bad argument #2 to 'settimeout' %(invalid", function() conn:settimeout(1, "q") end)
    misuse("bad argument #1 to 'settimeout' %(number", function() conn:settimeout "x" end)
    misuse("bad argument #1 to 'setoption' %(unsupported", function() conn:setoption("x", 1) end)
  end)

  it("a dot in the place of a colon", function()
    local conn = pair()
    for _, name in ipairs { "send", "receive", "close", "settimeout", "getpeername" } do
      local start = "calling '" .. name .. "' on bad self %(socket expected, got "
      misuse(start .. "n", function() conn[name]() end)
      misuse(start .. "string%)", function() conn[name] "x" end)
    end
    misuse("calling 'connect' on bad self", function() conn.connect("localhost", 80) end)
    local udp = opens(socket.udp())
    misuse("calling 'receivefrom' on bad self", function() udp.receivefrom() end)
    misuse("calling 'setsockname' on bad self", function() udp.setsockname("*", 0) end)
  end)

  it("hosts that are none", function()
    misuse("bad argument #1 to 'connect' %(string expected", function() socket.connect() end)
    misuse("bad argument #1 to 'connect' %(string", function() socket.connect(nil, 80) end)
    misuse("bad argument #1 to 'bind' %(string", function() opens(socket.tcp()):bind({}, 0) end)
    misuse("#1 to 'setpeername' %(str", function() opens(socket.udp()):setpeername({}, 1) end)
  end)

  it("select with no lists, or no number", function()
    misuse("#1 to 'select' %(table expected, got number%)", function() socket.select(5) end)
    misuse("#2 to 'select' %(table expected", function() socket.select({}, "x") end)
    misuse("#3 to 'select' %(number expected", function() socket.select({}, {}, "x") end)
    assert.equal("timeout", (select(3, socket.select({}, {}, "0.001"))))
  end)
end)

describe("what a receive had got that was cancelled", function()
  local tide = require "tide"

  local function cancelled(sock, pattern)
    assert.is_false((tide.move_on_after(0.01, sock.receive, sock, pattern)))
  end

  it("is all there is, when the other side closes then", function()
    local here, there = pair()
    there:send "hello"
    cancelled(here, "*a")
    there:close()
    assert.equal("hello", here:receive "*a")
    assert.equal("closed", (select(2, here:receive "*a")))
  end)

  it("is not given twice to who has it as a prefix, too", function()
    local here, there = pair()
    there:send "hello"
    cancelled(here, 10)
    there:close()
    assert.same({ nil, "closed", "xhello" }, { here:receive(10, "x") })
  end)

  it("is nothing to be ready for, if it is nothing", function()
    local here, there = pair()
    cancelled(here)
    assert.is_false(here:dirty())
    assert.equal("timeout", (select(3, socket.select({ here }, nil, 0))))
    assert.is_false((tide.move_on_after(0.01, tide.poll, here, "r")))
    there:send "x\n"
    assert.equal("x", here:receive())
  end)

  it("has no carriage returns in a line", function()
    local here, there = pair()
    there:send "ab\r"
    cancelled(here, 10)
    there:send "\ncd"
    assert.equal("ab", here:receive())
    assert.equal("cd", here:receive(2))
  end)
end)

it("calls give no more results than LuaSocket's", function()
  local server, port = luasocket_support.listen()
  local list = {}
  local there = opens(socket.connect("127.0.0.1", port))
  table.insert(list, opens(server:accept())) -- more than one are an error
  table.insert(list, there:send "x")
  assert.same({ list[1], 1 }, list)

  local a, b = opens(socket.udp()), opens(socket.udp())
  a:setsockname("127.0.0.1", 0)
  local host, to = a:getsockname()
  local given = {
    support.pack(b:sendto("one", host, to)), support.pack(a:receive()),
    support.pack(b:setpeername(host, to)), support.pack(b:send "two"),
  }
  assert.same({ { n = 1, 3 }, { n = 1, "one" }, { n = 1, 1 }, { n = 1, 3 } }, given)
  assert.equal(3, support.pack(a:receivefrom()).n)
end)

it("socket.unix is a function still, and a table", function()
  local ok, unix = pcall(function() return socket.unix end)
  if not ok or type(unix) == "function" then
    return
  end
  for _, sock in ipairs { opens(unix()), opens(unix.stream()), opens(unix.dgram()) } do
    assert.equal("table", type(sock))
  end
end)
