local net = require "tide.net"
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local udps = require "spec.udp_support"

require("tide.busted").configure { clock = "virtual" }

local pack, raises = support.pack, support.raises
local sleep = tide.sleep
local new, bound, connected = udps.new, udps.bound, udps.connected
local refused, poll, fails, receiver = udps.refused, udps.poll, udps.fails, udps.receiver

local HOST = udps.HOST

udps.keep(before_each, after_each)

local has_ipv6 = tide.run(function()
  local probe = net.udp()
  local ok = probe:bind("::1", 0)
  probe:close()
  return ok ~= nil
end)

--- An address of one link, with that link's name; nil: there is none here.
local function link_local()
  local file = io.open "/proc/net/if_inet6"
  for line in file and file:lines() or function() end do
    local digits, link = line:match "^(fe80%x+) %x+ %x+ 20 %x+%s+(%S+)"
    if digits then
      file:close()
      return digits:gsub("%x%x%x%x", "%0:"):sub(1, -2) .. "%" .. link
    end
  end
  return file and file:close() and nil
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

  local address = link_local()
  it("comes with the link of an address that is only good there"
    .. (address and "" or " (there is none here)"), function()
    if not address then
      return pending "no interface has an address of its link"
    end
    local a, b = new(), new()
    assert(a:bind(address, 0))
    local host, port = a:sockname()
    b:send("there", host, port)
    local data, from, from_port = a:recv()
    assert.equal("there", data)
    assert.equal(host, from)
    a:send("and back", from, from_port)
    assert.equal("and back", (b:recv()))
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
