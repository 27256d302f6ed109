local tide = require "tide"
local luasocket_support = require "spec.luasocket_support"
local support = require "spec.support"

require("tide.busted").configure { timeout = 10 }

if not luasocket_support.there("socket", "tide.luasocket", describe, pending) then
  return
end

local socket = require "tide.luasocket"

local HOST, listen = luasocket_support.HOST, luasocket_support.listen
local opens, pair = luasocket_support.opens, luasocket_support.pair
local pack, pcall, sleep = support.pack, tide.pcall, tide.sleep

luasocket_support.keep(after_each)

--- A task that has begun.
local function begin(fn, ...)
  local task = tide.task(fn, ...)
  sleep(0)
  return task
end

--- The results of a method, in a task that has begun.
local function calling(object, method, ...)
  local args = pack(...)
  return begin(function()
    return pack(object[method](object, (table.unpack or unpack)(args, 1, args.n)))
  end)
end

--- Sends one after the other, each when all others are blocked by the last.
local function dribble(sock, ...)
  for i = 1, select("#", ...) do
    assert(sock:send((select(i, ...))))
    sleep(0.002)
  end
end

describe("a client and a server of tide.luasocket", function()
  it("wait for each other in two tasks", function()
    local server, port = listen()
    local accepting = begin(server.accept, server)
    assert.is_false(accepting:done())
    local client = opens(socket.connect("localhost", port))
    local conn = opens(accepting:await())
    assert.matches("^tcp{client}", tostring(conn))
    assert.matches("^tcp{server}", tostring(server))
    local reading = begin(conn.receive, conn)
    assert.equal(6, client:send "hello\n")
    assert.equal("hello", reading:await())
    assert.equal(select(2, client:getsockname()), tostring(select(2, conn:getpeername())))
  end)

  it("a connection that nobody takes is refused", function()
    local server, port = listen()
    server:close()
    assert.same(pack(nil, "connection refused"), pack(socket.connect(HOST, port)))
    local sock = opens(socket.tcp())
    assert.same(pack(nil, "connection refused"), pack(sock:connect(HOST, port)))
  end)

  it("a host that is not there is said to be", function()
    local message = "host or service not provided, or not known"
    assert.same(pack(nil, message), pack(socket.connect("no such host", 1)))
    assert.same(pack(nil, message), pack(opens(socket.tcp4()):bind("no such host", 1)))
  end)

  it("close wakes who waits for it", function()
    local a = pair()
    local server = listen()
    local reading, accepting = calling(a, "receive", "*a"), calling(server, "accept")
    a:close()
    server:close()
    assert.same(pack(nil, "closed", ""), reading:await())
    assert.same(pack(nil, "closed"), accepting:await())
    assert.same(pack(nil, "closed", ""), pack(a:receive()))
  end)

  it("send waits until the peer takes what it sends", function()
    local a, b = pair()
    local text = ("x"):rep(2 ^ 23)
    local sending = calling(a, "send", text)
    sleep(0.002)
    assert.is_false(sending:done())
    assert.equal(text, b:receive(#text))
    assert.same(pack(#text), sending:await())
    assert.equal(4, a:send("12345", 2, 4))
    assert.equal("234", b:receive(3))
    local more = calling(a, "send", text, 5)
    b:close()
    local results = more:await()
    assert.is_nil(results[1])
    assert.equal("closed", results[2])
    assert.is_true(results[3] >= 4 and results[3] < #text)
  end)

  it("options and names are the object's own", function()
    local a = pair()
    assert.is_true(a:getoption "tcp-nodelay")
    assert.equal(1, a:setoption("keepalive", true))
    assert.is_true(a:getoption "keepalive")
    assert.equal("number", type(a:getfd()))
    assert.equal("number", type((a:getstats())))
    assert.is_function(getmetatable(a).__index.getpeername)
    assert.equal(1, a:shutdown "send")
    assert.same({ false, "bad argument" }, { pcall(a.receive, a, {}) and true,
      (select(2, pcall(a.receive, a, {}))):match "bad argument" })
  end)
end)

describe("receive of tide.luasocket", function()
  it("takes lines, numbers and all, in pieces as they come", function()
    local a, b = pair()
    local task = begin(function()
      return { a:receive(), a:receive "*l", a:receive(5), a:receive(2), a:receive "*a" }
    end)
    dribble(b, "he", "llo\r", "\nline", "\n1", "23", "45a", "bc", "de")
    b:shutdown "send"
    assert.same({ "hello", "line", "12345", "ab", "cde" }, task:await())
    assert.same(pack(nil, "closed", ""), pack(a:receive "*a"))
    assert.same(pack(nil, "closed", ""), pack(a:receive()))
  end)

  it("puts the prefix before it, and counts it", function()
    local a, b = pair()
    local task = begin(function()
      return { a:receive(5, "12"), a:receive("*l", "a"), a:receive("*a", "<") }
    end)
    dribble(b, "3", "45b", "\nc", ">")
    b:close()
    assert.same({ "12345", "ab", "<c>" }, task:await())
    assert.same(pack(nil, "closed", "<"), pack(a:receive("*a", "<")))
    assert.same(pack(nil, "closed", "<"), pack(a:receive(9, "<")))
  end)

  it("cut short it tells what there was", function()
    for _, pattern in ipairs { 9, "*l" } do
      local a, b = pair()
      local task = calling(a, "receive", pattern, "<")
      dribble(b, "12", "34")
      b:close()
      assert.same(pack(nil, "closed", "<1234"), task:await())
    end
  end)

  it("what one had got that is cancelled is the next one's", function()
    for _, case in ipairs {
      { 9, "*l", "12345678" }, { "*l", 3, "123" }, { 9, 8, "12345678" }, { "*a", "*a", "12345678" },
    } do
      local a, b = pair()
      local reading = begin(a.receive, a, case[1])
      dribble(b, "12", "34")
      reading:cancel()
      pcall(reading.await, reading)
      assert.is_true(reading:cancelled())
      assert.is_truthy(a:dirty())
      local again = begin(a.receive, a, case[2])
      dribble(b, "5678", case[2] == "*l" and "\n" or "")
      b:close()
      assert.equal(case[3], again:await())
    end
    local a, b = pair()
    local reading = begin(a.receive, a, 9)
    dribble(b, "1\r\n2\n3")
    reading:cancel()
    pcall(reading.await, reading)
    assert.same({ "1", "2" }, { a:receive(), a:receive() })
    assert.equal("3", a:receive(1))
    assert.is_falsy(a:dirty())
  end)

  it("a second one at a time is an error", function()
    local a, b = pair()
    local reading = begin(a.receive, a)
    local ok, err = pcall(a.receive, a)
    assert.is_false(ok)
    assert.matches("another task waits for that descriptor", err)
    b:send "x\n"
    assert.equal("x", reading:await())
  end)

  it("one that is always served lets others run", function()
    local a, b = pair()
    b:send(("x\n"):rep(1000))
    sleep(0.002)
    local turns = 0
    local other = begin(function()
      while true do
        turns = turns + 1
        sleep(0)
      end
    end)
    for _ = 1, 1000 do assert.equal("x", a:receive()) end
    assert.is_true(turns > 5)
    other:cancel()
  end)
end)

describe("timeouts of tide.luasocket", function()
  it("end a call that would wait longer, with what there was", function()
    local a, b = pair()
    assert.same(pack(-1, -1), pack(a:gettimeout()))
    assert.equal(1, a:settimeout(0.02))
    assert.same({ 0.02, -1 }, { a:gettimeout() })
    b:send "12"
    assert.same(pack(nil, "timeout", "12"), pack(a:receive(3)))
    b:send "3"
    assert.equal("3", a:receive(1))
    local server = listen()
    server:settimeout(0.01)
    assert.same(pack(nil, "timeout"), pack(server:accept()))
  end)

  it("of 0 nothing waits", function()
    local a, b = pair()
    a:settimeout(0)
    local turn = tide.stats().turns
    assert.same(pack(nil, "timeout", ""), pack(a:receive()))
    assert.equal(turn, tide.stats().turns)
    local _, message, upto = a:send(("x"):rep(2 ^ 23))
    assert.equal("timeout", message)
    assert.is_true(upto > 0 and upto < 2 ^ 23)
    a:settimeout(0, "t")
    a:settimeout(nil)
    assert.same(pack(nil, "timeout", ""), pack(a:receive()))
    b:close()
  end)

  it("in all, and none again", function()
    local a, b = pair()
    a:settimeout(0.01, "t")
    local reading = calling(a, "receive", 100)
    for _ = 1, 12 do dribble(b, "x") end
    local results = reading:await()
    assert.equal("timeout", results[2])
    a:settimeout()
    a:settimeout(-1, "t")
    assert.same({ -1, -1 }, { a:gettimeout() })
    local again = calling(a, "receive", "*l")
    sleep(0.02)
    b:send "\n"
    assert.matches("^x+$", again:await()[1])
    assert.is_false((pcall(a.settimeout, a, 1, "x")))
  end)

  it("are of tide's clock", function()
    local task = begin(socket.sleep, 0)
    task:await()
    local ok = tide.move_on_after(0.001, socket.sleep, 100)
    assert.is_false(ok)
  end)
end)

describe("datagrams of tide.luasocket", function()
  it("are waited for", function()
    local a, b = opens(socket.udp()), opens(socket.udp())
    assert.equal(1, a:setsockname("localhost", 0))
    local _, port = a:getsockname()
    local receiving = calling(a, "receivefrom")
    assert.is_false(receiving:done())
    assert.equal(1, b:setsockname(HOST, 0))
    assert.is_truthy(b:sendto("one", HOST, port))
    local results = receiving:await()
    assert.same({ "one", HOST }, { results[1], results[2] })
    assert.equal(select(2, b:getsockname()), tostring(results[3]))
    assert.equal(1, b:setpeername("localhost", port))
    local again = calling(a, "receive", 2)
    assert.is_truthy(b:send "two")
    assert.equal("tw", again:await()[1])
    a:settimeout(0.01)
    assert.same(pack(nil, "timeout"), pack(a:receive()))
  end)

  it("close wakes who waits", function()
    local a = opens(socket.udp4())
    a:setsockname(HOST, 0)
    local receiving = calling(a, "receive")
    a:close()
    assert.same(pack(nil, "closed"), receiving:await())
  end)
end)

describe("socket.select of tide.luasocket", function()
  it("waits until one of them is ready", function()
    local a, b = pair()
    local c, d = pair()
    local selecting = begin(function() return pack(socket.select({ a, c }, nil, 5)) end)
    d:send "x"
    local results = selecting:await()
    assert.same({ 1, c, nil }, { #results[1], results[1][1], results[3] })
    assert.is_truthy(results[1][c])
    local readable, writable, message = socket.select({ a }, { a, b }, 0)
    assert.same({ 0, 2, nil }, { #readable, #writable, message })
  end)

  it("times out, and leaves nothing", function()
    local a = pair()
    local before = tide.stats().handles
    for _, seconds in ipairs { 0.005, 0 } do
      local readable, writable, message = socket.select({ a }, {}, seconds)
      assert.same({ 0, 0, "timeout" }, { #readable, #writable, message })
    end
    local _, _, message = socket.select(nil, nil, 0.001)
    assert.equal("timeout", message)
    assert.equal(before, tide.stats().handles)
    local ok = tide.move_on_after(0.002, socket.select, { a })
    assert.is_false(ok)
    assert.equal(before, tide.stats().handles)
  end)
end)

describe("socket.protect of tide.luasocket", function()
  it("turns what try raises into results, whatever was awaited", function()
    local closed = 0
    local try = socket.newtry(function() closed = closed + 1 end)
    local work = socket.protect(function(fail)
      sleep(0)
      return "a", try(not fail, "it failed"), "c"
    end)
    assert.same(pack("a", true, "c"), pack(work(false)))
    assert.same(pack(nil, "it failed"), pack(work(true)))
    assert.equal(1, closed)
    assert.same(pack(1, 2), pack(socket.try(1, 2)))
    local nested = socket.protect(function() return work(true) end)
    assert.same(pack(nil, "it failed"), pack(nested()))
    assert.same(pack(nil, nil), pack(socket.protect(function() socket.try(nil) end)()))
  end)

  it("passes other errors, and cancels, after the finalizers", function()
    local log = {}
    local work = socket.protect(function(fn)
      local try = socket.newtry(function() log[#log + 1] = "closed" end)
      try(true)
      fn()
    end)
    local ok, err = pcall(work, function() error({ "mine" }) end)
    assert.is_false(ok)
    assert.same({ "mine" }, err)
    local task = begin(work, function() sleep(100) end)
    task:cancel()
    pcall(task.await, task)
    assert.is_true(task:cancelled())
    assert.same({ "closed", "closed" }, log)
  end)

  it("an error of try that nobody protects is its message", function()
    local ok, err = pcall(socket.try, nil, "it failed")
    assert.is_false(ok)
    assert.equal("it failed", tostring(err))
  end)
end)

describe("socket.dns of tide.luasocket", function()
  it("knows addresses and names", function()
    local ip, more = socket.dns.toip(HOST)
    assert.equal(HOST, ip)
    assert.same({ HOST }, more.ip)
    assert.equal(HOST, (socket.dns.toip "localhost"))
    assert.equal("string", type((socket.dns.tohostname(HOST))))
    assert.same({ addr = HOST, family = "inet" }, socket.dns.getaddrinfo(HOST)[1])
    assert.equal("string", type(socket.dns.getnameinfo(HOST)[1]))
    assert.equal("string", type(socket.dns.gethostname()))
    for _, name in ipairs { "toip", "tohostname", "getaddrinfo", "getnameinfo" } do
      local nothing, message = socket.dns[name] "no such host"
      assert.is_nil(nothing)
      assert.equal("host or service not provided, or not known", message)
    end
  end)
end)

describe("socket.http of tide.luasocket", function()
  it("two requests in two tasks are under way at once", function()
    local server, port = listen()
    local answering = luasocket_support.answer_together(function() return server:accept() end, 2)
    local url = ("http://%s:%d/"):format(HOST, port)
    local bodies = tide.gather {
      function() return assert(socket.http.request(url .. "one")) end,
      function() return assert(socket.http.request(url .. "two")) end,
    }
    answering:await()
    assert.same({ "you asked for /one", "you asked for /two", n = 2 }, bodies)
  end)

  it("one that is cancelled leaves nothing open", function()
    local server, port = listen()
    local asking = begin(socket.http.request, ("http://%s:%d/"):format(HOST, port))
    local conn = opens(server:accept())
    assert.is_truthy(conn:receive())
    asking:cancel()
    pcall(asking.await, asking)
    assert.is_true(asking:cancelled())
    local _, message = conn:receive "*a"
    assert.is_truthy(message == nil or message == "closed")
  end)

  it("one that fails says so", function()
    local server, port = listen()
    server:close()
    assert.same(pack(nil, "connection refused"),
      pack(socket.http.request(("http://%s:%d/"):format(HOST, port))))
  end)

  it("sinks and sources work on it", function()
    local a, b = pair()
    local parts = {}
    local pumping = begin(function()
      local ltn12 = require "ltn12"
      return ltn12.pump.all(socket.source("until-closed", a), (ltn12.sink.table(parts)))
    end)
    dribble(b, "one", "two")
    b:close()
    assert.equal(1, pumping:await())
    assert.equal("onetwo", table.concat(parts))
  end)
end)

describe("tide.luasocket for others", function()
  after_each(function() socket.uninstall() end)

  it("is what they require after install, and not after uninstall", function()
    local before, http = require "socket", require "socket.http"
    for _ = 1, 2 do
      socket.install()
      assert.equal(socket, require "socket")
      assert.equal(socket.http, require "socket.http")
      assert.equal(socket.url, require "socket.url")
    end
    for _ = 1, 2 do
      socket.uninstall()
      assert.equal(before, require "socket")
      assert.equal(http, require "socket.http")
    end
    assert.is_not.equal(socket, before)
    assert.is_not.equal(socket.tcp, before.tcp)
  end)

  it("is one, also when it is loaded again", function()
    socket.install()
    local saved = {}
    for name in pairs(package.loaded) do
      if name:match "^tide%.luasocket" then
        saved[name], package.loaded[name] = package.loaded[name], nil
      end
    end
    local again = require "tide.luasocket"
    for name, module in pairs(saved) do package.loaded[name] = module end
    assert.equal(socket, again)
    assert.is_true(getmetatable(opens(again.tcp4())) == getmetatable(opens(socket.tcp4())))
    assert.equal("userdata", type(opens(again.tcp4()).raw))
  end)

  it("what LuaSocket itself made is not changed", function()
    local raw = require "socket"
    local sock = opens(raw.tcp())
    assert.equal("userdata", type(sock))
    assert.equal(socket, tide.luasocket)
  end)

  it("outside of tasks it works as well", { task = false }, function()
    local server = assert(socket.bind(HOST, 0))
    local client = assert(socket.connect(HOST, (select(2, server:getsockname()))))
    local conn = assert(server:accept())
    client:send "x\n"
    assert.equal("x", conn:receive())
    conn:settimeout(0.001)
    assert.equal("timeout", (select(2, conn:receive())))
    for _, it in ipairs { server, client, conn } do it:close() end
  end)

  it("in a plain coroutine what would wait is an error, and what would not is fine", function()
    local a, b = pair()
    local ok, err = coroutine.resume(coroutine.create(function() a:receive() end))
    assert.is_false(ok)
    assert.matches("cannot wait in a plain coroutine", err)
    b:send "x\n"
    a:settimeout(0)
    sleep(0.002)
    ok, err = coroutine.resume(coroutine.create(function() return a:receive() end))
    assert.same({ true, "x" }, { ok, err })
    local look = coroutine.wrap(function() return socket.select({ a }, { a }, 0) end)
    local readable, writable, message = look()
    assert.same({ 0, 1 }, { #readable, #writable, message })
    look = coroutine.wrap(function() return socket.select({ a }, nil, 0) end)
    assert.equal("timeout", (select(3, look())))
    err = select(2, pcall(coroutine.wrap(function() socket.select({ a }, nil, 1) end)))
    assert.matches("'select' cannot wait in a plain coroutine", err)
  end)
end)
