local net = require "tide.net"
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local pcall, sleep = tide.pcall, tide.sleep

local HOST = "127.0.0.1"
local has_ipv6 = tide.run(function()
  local probe = net.udp()
  local ok = probe:bind("::1", 0)
  probe:close()
  return ok ~= nil
end)

--- What a spec opens, closed when it ends.
local open

before_each(function() open = {} end)
after_each(function()
  for _, udp in ipairs(open) do udp:close() end
  sleep(0)
end)

local function new(options)
  local udp = assert(net.udp(options))
  open[#open + 1] = udp
  return udp
end

--- One that is bound, and its port.
local function bound(options, host)
  local udp = new(options)
  assert(udp:bind(host or HOST, 0))
  return udp, select(2, udp:sockname())
end

--- Two that are connected with each other.
local function connected()
  local a, a_port = bound()
  local b, b_port = bound()
  assert(a:connect(HOST, b_port))
  assert(b:connect(HOST, a_port))
  return a, b
end

--- Connected with a port that nobody has, which the first send finds out.
local function refused()
  local gone, port = bound()
  gone:close()
  local udp = bound()
  assert(udp:connect(HOST, port))
  return udp
end

--- The loop has looked at all sockets.
local function poll()
  local udp, port = bound()
  assert(udp:send("poll", HOST, port))
  assert.equal("poll", (udp:recv()))
  udp:close()
end

local function fails(code, value, message, ...)
  assert.is_nil(value)
  assert.is_string(message)
  assert.same({ code, n = 1 }, pack(...))
end

local function receiver(udp)
  local task = tide.task(udp.recv, udp)
  sleep(0)
  return task
end

describe("a datagram", function()
  it("comes whole, with host and port of who sent it", function()
    local a, a_port = bound()
    local b, b_port = bound()
    assert.same(pack(true), pack(a:send("hello", HOST, b_port)))
    assert.same(pack("hello", HOST, a_port), pack(b:recv()))
    assert.same(pack(true), pack(b:send(42, HOST, a_port)))
    assert.same(pack("42", HOST, b_port), pack(a:recv()))
  end)

  it("wakes who waits for it", function()
    local a, port = bound()
    local task = receiver(a)
    assert.is_false(task:done())
    new():send("x", HOST, port)
    assert.equal("x", (task:await()))
  end)

  it("may be empty, have zeros, and as many bytes as there can be", function()
    local a, port = bound()
    local b = new()
    for _, data in ipairs { "", "a\0b", ("x"):rep(65507), "" } do
      assert.is_true(b:send(data, HOST, port))
      assert.equal(data, (a:recv()))
    end
  end)

  it("is one for each send, in order", function()
    local a, port = bound()
    local b = new()
    for i = 1, 200 do b:send(("%d"):format(i), HOST, port) end
    for i = 1, 200 do
      assert.equal(("%d"):format(i), (a:recv()))
    end
  end)

  it("that is too long is not sent", function()
    local a, port = bound()
    local b = new()
    for _, size in ipairs { 65508, 65536, 65537, 200000 } do
      fails("EMSGSIZE", b:send(("x"):rep(size), HOST, port))
    end
    local _, message = b:send(("x"):rep(65508), HOST, port)
    assert.equal("message too long", message)
    b:send("after", HOST, port)
    assert.equal("after", (a:recv()))
    assert.equal(1, b:stats().sent)
  end)

  if has_ipv6 then
    it("goes over IPv6, and to a socket of both from IPv4", function()
      local a, port = bound({ family = "inet6", ipv6only = true }, "::1")
      local b, b_port = bound({ family = "inet6" }, "::1")
      assert.is_true(b:send("six", "::1", port))
      assert.same(pack("six", "::1", b_port), pack(a:recv()))
      local both, both_port = bound(nil, "::")
      new():send("four", HOST, both_port)
      local data, host = both:recv()
      assert.same({ "four", "::ffff:127.0.0.1" }, { data, host })
      local only, only_port = bound({ ipv6only = true }, "::")
      local four = new()
      assert.is_true(four:connect(HOST, only_port))
      four:send("x")
      fails("ECONNREFUSED", four:recv())
      only:close()
    end)
  end

  it("can be received by a socket that has only sent", function()
    local a, port = bound()
    local b = new()
    b:send("ping", HOST, port)
    local _, host, from = a:recv()
    a:send("pong", host, from)
    assert.equal("pong", (b:recv()))
  end)
end)

describe("a connected socket", function()
  it("sends to its peer, and receives from nobody else", function()
    local a, b = connected()
    local _, port = a:sockname()
    new():send("stranger", HOST, port)
    assert.is_true(b:send("friend"))
    assert.equal("friend", (a:recv()))
    assert.same(pack(b:sockname()), pack(a:peername()))
  end)

  it("cannot send to another, nor be connected twice", function()
    local a = connected()
    fails("EISCONN", a:send("x", HOST, 9))
    fails("EISCONN", a:connect(HOST, 9))
  end)

  it("is told once that nobody is there: by recv", function()
    local udp = refused()
    assert.is_true(udp:send("x"))
    fails("ECONNREFUSED", udp:recv())
    assert.is_true(udp:send("x"))
    fails("ECONNREFUSED", udp:recv())
    local task = receiver(udp)
    poll()
    assert.is_false(task:done())
    task:cancel()
  end)

  it("... by send, which sends nothing then", function()
    local udp = refused()
    assert.is_true(udp:send("x"))
    fails("ECONNREFUSED", udp:send("y"))
    assert.equal(1, udp:stats().sent)
    assert.is_true(udp:send("x"))
  end)

  it("... by either of them, when it came while nobody waited", function()
    for _, how in ipairs { "recv", "send" } do
      local udp = refused()
      local task = receiver(udp)
      task:cancel()
      sleep(0)
      udp:send("x")
      poll()
      fails("ECONNREFUSED", udp[how](udp, "y"))
      assert.is_true(udp:send("x"))
    end
  end)

  it("does not lose what came before the error, nor after it", function()
    local a, port = bound()
    local b, b_port = bound()
    a:connect(HOST, b_port)
    b:connect(HOST, port)
    b:send("one")
    b:send("two")
    b:close()
    assert.equal("one", (a:recv()))
    assert.is_true(a:send("x"))
    poll()
    fails("ECONNREFUSED", a:recv())
    assert.equal("two", (a:recv()))
    local again = new()
    assert(again:bind(HOST, b_port))
    again:send("three", HOST, port)
    assert.equal("three", (a:recv()))
  end)

  it("that is disconnected keeps its port and receives from all", function()
    for _, host in ipairs { HOST, "0.0.0.0" } do
      local a, port = bound(nil, host)
      local _, peer_port = bound()
      assert.is_true(a:connect(HOST, peer_port))
      assert.same(pack(true), pack(a:disconnect()))
      fails("ENOTCONN", a:peername())
      fails("ENOTCONN", a:disconnect())
      fails("EDESTADDRREQ", a:send("x"))
      assert.same(pack(host, port), pack(a:sockname()))
      new():send("anybody", HOST, port)
      assert.equal("anybody", (a:recv()))
    end
  end)

  it("that was never bound keeps its port, too", function()
    local peer, peer_port = bound()
    local a = new()
    assert(a:connect(HOST, peer_port))
    local _, port = a:sockname()
    assert(a:disconnect())
    assert.equal(port, select(2, a:sockname()))
    peer:send("x", HOST, port)
    assert.equal("x", (a:recv()))
  end)
end)

describe("a socket for datagrams", function()
  it("tells its name, and whether it is open", function()
    local udp, port = bound()
    assert.same(pack(HOST, port), pack(udp:sockname()))
    assert.is_true(port > 0)
    assert.is_false(udp:is_closing())
    assert.equal("Udp<open>", tostring(udp))
    assert.is_number(udp:fileno())
    assert.same(pack(), pack(udp:close()))
    assert.same(pack(), pack(udp:close()))
    assert.is_true(udp:is_closing())
    assert.equal("Udp<closed>", tostring(udp))
  end)

  it("counts", function()
    local a, port = bound()
    local b = new()
    assert.same({ received = 0, bytes_received = 0, sent = 0, bytes_sent = 0,
      unread = 0, unsent = 0, dropped = 0 }, a:stats())
    for _ = 1, 3 do b:send("12345", HOST, port) end
    a:recv()
    poll()
    local sent, received = b:stats(), a:stats()
    assert.same({ 3, 15, 0 }, { sent.sent, sent.bytes_sent, sent.unsent })
    assert.same({ 3, 15, 10 }, { received.received, received.bytes_received, received.unread })
  end)

  it("that has no socket yet says so", function()
    local udp = new()
    fails("EBADF", udp:sockname())
    fails("EBADF", udp:fileno())
    fails("EBADF", udp:set_ttl(1))
    fails("EBADF", udp:set_broadcast(true))
    fails("EDESTADDRREQ", udp:send("x"))
    assert.is_number(new({ family = "inet" }):fileno())
    assert.is_true(new({ family = "inet" }):set_broadcast(true))
    assert.is_true(new({ family = "inet6" }):set_ttl(1))
  end)

  it("cannot be bound where it cannot be", function()
    local udp, port = bound()
    fails("EINVAL", udp:bind(HOST, 0))
    fails("EADDRINUSE", new():bind(HOST, port))
    fails("EADDRNOTAVAIL", new():bind("192.0.2.1", 0))
    fails("EINVAL", new({ family = "inet" }):bind("::1", 0))
    local other = new({ family = "inet" })
    fails("EAFNOSUPPORT", other:send("x", "::1", port))
    assert.is_number(select(2, other:sockname()))
  end)

  it("shares a port when both want to", function()
    local _, port = bound { reuseaddr = true }
    assert.is_true(new({ reuseaddr = true }):bind(HOST, port))
    fails("EADDRINUSE", new():bind(HOST, port))
  end)

  it("can be set", function()
    local udp = bound()
    assert.same(pack(true), pack(udp:set_broadcast(true)))
    assert.same(pack(true), pack(udp:set_broadcast(false)))
    assert.same(pack(true), pack(udp:set_ttl(255)))
  end)

  it("must not broadcast unless it is set", function()
    local udp = bound({ family = "inet" }, "0.0.0.0")
    fails("EACCES", udp:send("x", "255.255.255.255", 9))
    assert.equal(0, udp:stats().sent)
  end)

  it("receives what is sent to a group that it has joined", function()
    local group = "239.255.7.9"
    local a, port = bound({ reuseaddr = true }, "0.0.0.0")
    assert.same(pack(true), pack(a:join(group, HOST)))
    fails("EADDRINUSE", a:join(group, HOST))
    local b = bound()
    if b:send("to all", group, port) then -- there may be no route to groups
      assert.equal("to all", (a:recv()))
    end
    assert.same(pack(true), pack(a:leave(group, HOST)))
    fails("EADDRNOTAVAIL", a:leave(group, HOST))
    fails("EINVAL", a:join(HOST))
    fails("EINVAL", a:join(group, "::1"))
  end)

  it("keeps so many unread, and leaves the rest to the kernel", function()
    local a, port = bound { limit = 1000 }
    local b = new()
    b:send("first", HOST, port)
    a:recv()
    for i = 1, 50 do b:send(("%02d"):format(i) .. ("x"):rep(98), HOST, port) end
    poll()
    poll()
    local unread = a:stats().unread
    assert.is_true(unread >= 600 and unread <= 1100, unread)
    for i = 1, 50 do
      assert.equal(("%02d"):format(i), a:recv():sub(1, 2))
    end
    assert.equal(51, a:stats().received)
  end)

  it("... also of empty ones", function()
    local a, port = bound { limit = 1000 }
    local b = new()
    b:send("first", HOST, port)
    a:recv()
    for _ = 1, 50 do b:send("", HOST, port) end
    poll()
    assert.is_true(a:stats().received < 30)
    for _ = 1, 50 do assert.equal("", (a:recv())) end
  end)

  it("... and one at least, however long", function()
    local a, port = bound { limit = 1 }
    local b = new()
    for i = 1, 5 do
      b:send(("x"):rep(i * 1000), HOST, port)
      poll()
    end
    for i = 1, 5 do assert.equal(i * 1000, #a:recv()) end
  end)

  it("that nobody waits for keeps no program alive", { task = false }, function()
    local udp
    raises(tide.DeadlockError, testing.run, function()
      local port
      udp, port = bound()
      udp:send("x", HOST, port)
      udp:recv()
      tide.event():wait()
    end)
  end)

  it("... and does not hold virtual time", function()
    local udp, port = bound()
    udp:send("x", HOST, port)
    udp:recv()
    assert.equal(3600, support.elapsed(sleep, 3600))
  end)

  it("is used by the main program", { task = false }, function()
    local udp, port = bound()
    assert.is_true(udp:send("x", HOST, port))
    assert.same(pack("x", HOST, port), pack(udp:recv()))
    fails("EMSGSIZE", udp:send(("x"):rep(70000), HOST, port))
    udp:close()
    fails("ECANCELED", udp:recv())
    sleep(0)
  end)

  it("is used in a tide.coroutine, and closed by <close> and `with`", function()
    local udp, port = bound()
    tide.coroutine.wrap(function()
      udp:send("x", HOST, port)
      assert.equal("x", (udp:recv()))
    end)()
    getmetatable(udp).__close(udp)
    assert.is_true(udp:is_closing())
    local other
    tide.with(new(), function(it) other = it end)
    assert.is_true(other:is_closing())
  end)
end)

describe("close", function()
  it("wakes who receives", function()
    local udp = bound()
    local task = receiver(udp)
    udp:close()
    local value, message, code = task:await()
    assert.same({ nil, "it is closed", "ECANCELED" }, { value, message, code })
  end)

  it("leaves a datagram to who was woken for it", function()
    local udp, port = bound()
    local task = receiver(udp)
    tide.task(function() -- runs in the turn in which the receiver is woken
      new():send("mine", HOST, port)
      poll()
    end)
    local seen
    repeat
      sleep(0)
      seen = udp:stats().received
    until seen > 0 or task:done()
    udp:close()
    assert.equal("mine", (task:await()))
  end)

  it("drops what is unread, and every call says that it is closed", function()
    local udp, port = bound()
    udp:send("x", HOST, port)
    udp:send("y", HOST, port)
    udp:recv()
    poll()
    udp:close()
    assert.equal(0, udp:stats().unread)
    fails("ECANCELED", udp:recv())
    fails("ECANCELED", udp:send("x", HOST, port))
    fails("ECANCELED", udp:send(("x"):rep(70000)))
    fails("ECANCELED", udp:bind(HOST, 0))
    fails("ECANCELED", udp:connect(HOST, 9))
    fails("ECANCELED", udp:disconnect())
    fails("ECANCELED", udp:sockname())
    fails("ECANCELED", udp:peername())
    fails("ECANCELED", udp:fileno())
    fails("ECANCELED", udp:set_ttl(1))
    fails("ECANCELED", udp:set_broadcast(true))
    fails("ECANCELED", udp:join("239.255.7.9"))
    fails("ECANCELED", udp:leave("239.255.7.9"))
  end)
end)

describe("a cancel", function()
  it("leaves recv at once, and the datagram to the next", function()
    local udp, port = bound()
    local task = receiver(udp)
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    udp:send("x", HOST, port)
    assert.equal("x", (udp:recv()))
  end)

  it("5: of a recv that was woken comes too late: it returns", function()
    local udp, port = bound()
    local got
    local task = tide.task(function()
      got = udp:recv()
      sleep(0)
    end)
    sleep(0)
    udp:send("mine", HOST, port)
    repeat sleep(0) until udp:stats().received > 0
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    assert.equal("mine", got)
  end)

  it("62: is seen by recv and send that need not wait, which do nothing", function()
    local udp, port = bound()
    udp:send("kept", HOST, port)
    for _, call in ipairs { function() udp:recv() end, function() udp:send("x", HOST, port) end } do
      local task = tide.task(function()
        tide.current_task():cancel()
        call()
      end)
      raises(tide.CancelledError, task.await, task)
    end
    assert.equal("kept", (udp:recv()))
    assert.equal(1, udp:stats().sent)
  end)
end)

describe("a finaliser", function()
  it("may receive or close at any place: nothing comes twice", function()
    for i = 1, 100 do
      local udp, port = bound()
      local over, got = false, {}
      local function receive()
        local data = udp:recv()
        got[#got + 1] = data and data:sub(1, 1)
      end
      for n = 1, 2 do udp:send(("%d"):format(n):rep(200 + i), HOST, port) end
      support.when_collected(function()
        if not over then
          pcall(receive)
          if i % 2 == 0 then udp:close() end
        end
      end)
      for _ = 1, i % 50 do
        local _ = {}
      end
      receive()
      if not udp:is_closing() and #got < 2 then receive() end
      over = true
      assert.is_true(#got == 2 or udp:is_closing())
      assert.is_true(got[1] ~= got[2] or #got == 0)
      udp:close()
      open = {}
    end
  end)
end)

describe("awaiting", function()
  it("gives up a turn now and then, sending, receiving and failing", function()
    for _, what in ipairs { "send", "fail", "recv" } do
      local udp, port = bound()
      local others, rounds, going = 0, 0, true
      local other = tide.task(function()
        while going do
          others = others + 1
          sleep(0)
        end
      end)
      for _ = 1, 300 do
        rounds = rounds + 1
        if what == "fail" then
          fails("EMSGSIZE", udp:send(("x"):rep(70000), HOST, port))
        else
          assert.is_true(udp:send("x", HOST, port))
          if what == "recv" then udp:recv() end
        end
      end
      going = false
      other:await()
      assert.is_true(others >= 2, what)
      udp:close()
    end
  end)
end)

describe("a Udp that is garbage", function()
  it("is closed, unless a task waits for it", function()
    local port, task
    do
      local udp
      udp, port = bound()
      open[#open] = nil
      task = receiver(udp)
    end
    support.collect()
    sleep(0)
    local sender = new()
    sender:send("x", HOST, port)
    assert.equal("x", (task:await()))
    task = nil -- luacheck: ignore 311
    support.collect()
    sleep(0)
    support.collect()
    assert.is_true(sender:bind(HOST, 0) ~= false)
    local again = new()
    assert.is_true(again:bind(HOST, port))
  end)

  it("has no datagrams left to free, read or not", function()
    for _ = 1, 3 do
      local udp, port = bound()
      open[#open] = nil
      for _ = 1, 5 do udp:send("x", HOST, port) end
      udp:recv()
      poll()
    end
    support.collect()
    sleep(0)
  end)
end)

describe("a Udp is misused at the caller's line:", function()
  it("a method on something else", function()
    local methods = getmetatable(new()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse("'Udp:" .. name .. "'.*Udp expected", function() method(other) end)
      end
      misuse("Udp:" .. name, function() method() end)
    end
  end)

  it("options", function()
    misuse("#1 to 'tide.net.udp' %(table expected, got string%)", function() net.udp("x") end)
    misuse("'limit' to 'tide.net.udp'", function() net.udp { limit = 0 } end)
    misuse("'limit' to 'tide.net.udp'", function() net.udp { limit = "much" } end)
    misuse("'family' to 'tide.net.udp' %('inet' or", function() net.udp { family = "x" } end)
    misuse("'family' to 'tide.net.udp'", function() net.udp { family = 4 } end)
  end)

  it("hosts and ports", function()
    local udp = bound()
    for _, name in ipairs { "bind", "connect" } do
      local method = udp[name]
      local to = " to 'Udp:" .. name .. "' %("
      misuse("#1" .. to .. "a host in numbers", function() method(udp, "localhost", 1) end)
      misuse("#1" .. to .. "a host in numbers", function() method(udp, "127.0.0.1\0", 1) end)
      misuse("#1" .. to .. "host expected", function() method(udp, {}, 1) end)
      misuse("#2" .. to .. "port expected", function() method(udp, HOST) end)
      misuse("#2" .. to .. "a port is", function() method(udp, HOST, 65536) end)
    end
    misuse("#1 to 'Udp:send' %(string expected, got nil%)", function() udp:send(nil) end)
    misuse("#2 to 'Udp:send' %(a host in numbers", function() udp:send("x", "localhost", 1) end)
    misuse("#3 to 'Udp:send' %(port expected", function() udp:send("x", HOST) end)
    misuse("#2 to 'Udp:send' %(host expected", function() udp:send("x", nil, 1) end)
  end)

  it("settings", function()
    local udp = bound()
    misuse("#1 to 'Udp:set_broadcast' %(boolean", function() udp:set_broadcast() end)
    misuse("#1 to 'Udp:set_ttl' %(number", function() udp:set_ttl("x") end)
    misuse("#1 to 'Udp:set_ttl' %(whole number from 1", function() udp:set_ttl(0) end)
    misuse("#1 to 'Udp:set_ttl' %(1 to 255", function() udp:set_ttl(256) end)
    misuse("#1 to 'Udp:join' %(group expected", function() udp:join() end)
    misuse("#1 to 'Udp:join' %(an address in numbers", function() udp:join("all") end)
    misuse("#2 to 'Udp:leave' %(interface expected", function() udp:leave("239.1.1.1", 5) end)
    misuse("#2 to 'Udp:leave' %(an address in numbers", function() udp:leave("239.1.1.1", "lo") end)
  end)

  it("recv where nothing can come, and by two at once", function()
    local udp = new()
    misuse("'Udp:recv' before bind, connect or send", function() udp:recv() end)
    udp:bind(HOST, 0)
    local task = receiver(udp)
    misuse("'Udp:recv': another task receives", function() udp:recv() end)
    task:cancel()
    sleep(0)
    local again = receiver(udp)
    assert.is_false(again:done())
    again:cancel()
  end)

  it("in a callback and in a plain coroutine", function()
    local udp, port = bound()
    local err
    tide.loop():call_soon(function()
      err = select(2, pcall(function() udp:send("x", HOST, port) end))
    end)
    sleep(1)
    assert.matches("udp_spec.lua:%d+: 'Udp:send' cannot wait in a callback", err)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() udp:recv() end))
    assert.equal(0, udp:stats().sent)
  end)

  it("recv where it cannot wait leaves no trace", function()
    local udp, port = bound()
    local ok, err = pcall(function()
      table.sort({ 1, 2, 3 }, function() udp:recv() end)
    end)
    assert.is_false(ok)
    assert.matches("Udp:recv", err)
    udp:send("x", HOST, port)
    assert.equal("x", (udp:recv()))
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = bound()
    open = {}
    tide.loop():close()
    local function each()
      for name, method in pairs(getmetatable(old).__index) do
        if name ~= "close" and name ~= "is_closing" then
          misuse("the loop is closed", function() method(old) end)
        end
      end
    end
    each()
    tide.run(each)
    assert.is_true(old:is_closing())
    old:close()
  end)

  it("88: closed while a task waits, one was woken and some is unread", { task = false }, function()
    local log = {}
    local a = bound()
    local b, port = bound()
    tide.task(function() log[#log + 1] = a:recv() end)
    tide.task(function() log[#log + 1] = b:recv() end)
    tide.task(function()
      a:send("x", HOST, port)
      a:send("y", HOST, port)
      tide.loop():call_soon(function() end)
    end)
    while b:stats().received < 2 do tide.loop():step(0) end
    tide.loop():close()
    open, a = {}, setmetatable({ a, b }, { __mode = "v" })
    b = nil -- luacheck: ignore 311
    support.collect()
    assert.is_nil(a[1])
    assert.is_nil(a[2])
    assert.same({}, log)
  end)
end)
