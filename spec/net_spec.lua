local tide = require "tide"
local net = require "tide.net"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { timeout = 60 }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local opens, fails = streams.opens, streams.fails
local listen, tcp_pair = streams.listen, streams.tcp_pair
local sleep = tide.sleep

local EOF = pack(nil, "end of stream", "EOF")

--- A port that nobody listens at.
local function free_port()
  local server, port = listen()
  server:close()
  return port
end

--- Everything that a peer that does not read can be sent, and more.
local function stuff(stream)
  local chunk = ("x"):rep(65536)
  while tide.move_on_after(0.05, stream.write, stream, chunk) do end -- luacheck: ignore 542
end

--- Connects until nobody is let in any more: twice, as once may be this test's
-- own slowness.
local function fill_backlog(host, port)
  local late = 0
  while late < 2 do
    local ok, stream = tide.move_on_after(0.1, net.connect, host, port)
    late = ok and 0 or late + 1
    if ok then opens(assert(stream)) end
  end
end

describe("TCP", function()
  streams.close_after_each(after_each)

  it("connects, and bytes go both ways", function()
    local client, conn = tcp_pair()
    assert.is_true(client:write("to the server\n"))
    assert.is_true(conn:write("to the client\n"))
    assert.equal("to the server", conn:readline())
    assert.equal("to the client", client:readline())
    assert.equal("Stream<open>", tostring(client))
  end)

  it("tells its names", function()
    local server, port = listen()
    assert.same(pack("127.0.0.1", port), pack(server:sockname()))
    local client = opens(assert(net.connect("127.0.0.1", port)))
    local conn = opens(assert(server:accept()))
    assert.same(pack("127.0.0.1", port), pack(client:peername()))
    assert.same(pack("127.0.0.1", port), pack(conn:sockname()))
    assert.same(pack(client:sockname()), pack(conn:peername()))
    assert.is_true(client:fileno() ~= conn:fileno())
    assert.is_true(client:fileno() > 2)
    client:close()
    fails("ECANCELED", client:peername())
    fails("ECANCELED", client:fileno())
    server:close()
    fails("ECANCELED", server:sockname())
  end)

  it("works outside of run", { task = false }, function()
    local client, conn = tcp_pair()
    client:write("abc\n")
    assert.equal("abc", conn:readline())
  end)

  it("carries much, both ways at once", function()
    local client, conn = tcp_pair()
    local data = ("0123456789abcdef"):rep(65536 * 2)
    local function exchange(stream)
      return function()
        tide.task(function()
          for first = 1, #data, 100000 do
            assert(stream:write(data:sub(first, first + 99999)))
          end
          assert(stream:shutdown())
        end)
        return stream:read(-1) == data
      end
    end
    assert.same(pack(true, true), pack(tide.gather(exchange(client), exchange(conn))))
    assert.equal(#data, client:stats().bytes_read)
    assert.equal(#data, client:stats().bytes_written)
  end)

  it("is closed by halves, either first", function()
    for first = 1, 2 do
      local ends = { tcp_pair() }
      local one, other = ends[first], ends[3 - first]
      one:write("question")
      assert.is_true(one:shutdown())
      assert.equal("question", other:read(-1))
      assert.same(EOF, pack(other:read()))
      fails("EPIPE", one:write("more"))
      assert.is_true(other:write("answer"))
      assert.is_true(other:shutdown())
      assert.equal("answer", one:read(-1))
      assert.same(EOF, pack(one:read()))
    end
  end)

  it("a peer that closes is the end", function()
    local client, conn = tcp_pair()
    conn:write("bye")
    conn:close()
    assert.equal("bye", client:read(-1))
    assert.same(EOF, pack(client:readline()))
  end)

  it("144: a reset wakes the reader with an error", function()
    local client, conn = tcp_pair()
    conn:write("unread")
    local reader = tide.task(function() return pack(conn:read(-1)) end)
    sleep(0.01)
    client:close() -- with something unread: that is a reset
    local result = reader:await()
    fails("ECONNRESET", result[1], result[2], result[3])
    fails("ECONNRESET", conn:read())
    fails("ECONNRESET", conn:readline())
    fails("ECONNRESET", conn:readuntil("x"))
    fails("ECONNRESET", conn:readexactly(1))
  end)

  it("lines raises on a reset", function()
    local client, conn = tcp_pair()
    conn:write("unread")
    client:write("line\n")
    local next_line = conn:lines()
    assert.equal("line", next_line())
    sleep(0.01)
    client:close()
    assert.equal("ECONNRESET", raises(tide.OSError, next_line).code)
  end)

  it("what came before a reset is told as a part", function()
    local client, conn = tcp_pair()
    conn:write("unread")
    client:write("part")
    local reader = tide.task(function() return pack(conn:readexactly(10)) end)
    while conn:stats().bytes_read < 4 do sleep(0.001) end
    client:close()
    local result = reader:await()
    assert.equal("ECONNRESET", result[3])
    assert.equal("part", result[4])
  end)

  it("146: a reset ends who waits to write and who drains, and all that come later", function()
    local client, conn = tcp_pair { high_water = 1 }
    stuff(conn)
    local tasks = {}
    for i, name in ipairs { "write", "drain", "shutdown" } do
      tasks[i] = tide.task(function() return select(3, conn[name](conn, i == 1 and "x" or nil)) end)
    end
    sleep(0)
    client:close()
    for _, task in ipairs(tasks) do
      local code = task:await()
      assert.is_true(code == "ECONNRESET" or code == "EPIPE", tostring(code))
    end
    assert.is_nil(conn:write("x"))
    assert.is_nil(conn:drain())
    assert.is_nil(conn:shutdown())
  end)

  it("a peer that never reads stops the writer, and nothing is lost when it does read", function()
    local client, conn = tcp_pair { high_water = 1000 }
    stuff(client)
    local unsent = client:stats().unsent
    assert.is_true(unsent > 1000)
    assert.is_false(tide.move_on_after(0.01, client.drain, client))
    assert.is_false(tide.move_on_after(0.01, client.shutdown, client))
    assert.equal(unsent, client:stats().unsent)
    local total = client:stats().bytes_written + unsent
    assert.equal(total, #conn:read(-1))
    assert.is_true(client:drain())
    assert.equal(total, client:stats().bytes_written)
  end)

  it("145: reading pauses over twice the limit, and so does the peer", function()
    local client, conn = tcp_pair { limit = 1000, high_water = 1000 }
    assert.equal("", conn:read(0))
    client:write("x")
    assert.equal("x", conn:read())
    stuff(client)
    local unread = conn:stats().unread
    -- one that was read last goes over it
    assert.is_true(unread > 2000 and unread <= 2000 + 262144, tostring(unread))
    local total = client:stats().bytes_written + client:stats().unsent - 1
    local got = 0
    while got < total do got = got + #assert(conn:read(70000)) end
    assert.equal(total, got)
    assert.is_true(client:drain())
  end)

  it("close drops what is unsent, and does not wait", function()
    local client, conn = tcp_pair()
    stuff(client)
    client:close()
    local data = conn:read(-1)
    assert.is_true(data == nil or #data > 0)
  end)

  it("a stream that nobody closed is closed when it is garbage", function()
    local client, conn = tcp_pair()
    conn:write("x") -- else there might be a reset
    assert.equal("x", client:read())
    local server, port = listen()
    do
      local other = assert(net.connect("127.0.0.1", port))
      other:write("x")
    end
    local accepted = opens(assert(server:accept()))
    support.collect()
    assert.equal("x", accepted:read(-1))
  end)

  it("who reads from an open connection is in no deadlock", { task = false }, function()
    tide.run(function()
      local _, conn = tcp_pair()
      assert.is_false(tide.move_on_after(0.01, conn.read, conn))
      assert.is_false(tide.move_on_after(0.01, function() tide.task(conn.read, conn):await() end))
    end)
  end)
end)

describe("net.connect", function()
  streams.close_after_each(after_each)

  it("to where nobody listens is refused", function()
    fails("ECONNREFUSED", net.connect("127.0.0.1", streams.refusing_port()))
  end)

  it("cancelled or timed out leaves nothing open", function()
    local _, port = listen { backlog = 1 }
    fill_backlog("127.0.0.1", port)
    local handles = tide.stats().handles
    assert.is_false(tide.move_on_after(0.02, net.connect, "127.0.0.1", port))
    assert.equal(handles, tide.stats().handles)
    local task = tide.task(net.connect, "127.0.0.1", port)
    sleep(0)
    assert.equal(handles + 1, tide.stats().handles)
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    task = tide.task(function()
      tide.current_task():cancel()
      net.connect("127.0.0.1", port)
    end)
    tide.wait { task }
    assert.is_true(task:cancelled())
    assert.equal(handles, tide.stats().handles)
  end)

  it("takes a port that is a number from 0 to 65535, and a host that is a string", function()
    local connect, listen_at, host = net.connect, net.listen, "127.0.0.1"
    local port = "bad argument #2 to 'tide.net.connect'"
    misuse(port .. " %(a port is 0 to 65535", function() connect(host, 70000) end)
    misuse(port .. " %(a port", function() connect(host, -1) end)
    misuse(port .. " %(a port", function() connect(host, 1.5) end)
    misuse(port, function() connect(host) end)
    misuse(port, function() connect("localhost", "http!") end)
    misuse(port .. " %(a port", function() connect("localhost", 70000) end)
    port = "bad argument #2 to 'tide.net.listen'"
    misuse(port .. " %(a port", function() listen_at(host, 70000) end)
    misuse(port, function() listen_at(host) end)
    misuse(port, function() listen_at() end)
    local name = "bad argument #1 to 'tide.net.connect' %(string expected, got "
    misuse(name .. "nil", function() connect() end)
    misuse(name .. "number", function() connect(1, 2) end)
    misuse("bad argument #1 to 'tide.net.listen'", function() listen_at({}, 0) end)
  end)

  it("takes options: nodelay, keepalive, limit, high_water", function()
    for _, options in ipairs {
      { nodelay = true, keepalive = true }, { nodelay = false, keepalive = false },
      { keepalive = 5, limit = 10, high_water = 10 },
    } do
      local client, conn = tcp_pair(options)
      client:write("12345678901\n")
      if options.limit then
        fails("EMSGSIZE", conn:readline())
      else
        assert.equal("12345678901", conn:readline())
      end
    end
  end)

  it("refuses options that it cannot use", function()
    local connect, listen_at, host, port = net.connect, net.listen, "127.0.0.1", free_port()
    local handles = tide.stats().handles
    misuse("'tide.net.connect'.*table", function() connect(host, port, 5) end)
    misuse("bad option 'keepalive'", function() connect(host, port, { keepalive = "x" }) end)
    misuse("bad option 'keepalive'", function() connect(host, port, { keepalive = 0 }) end)
    misuse("bad option 'limit'", function() connect(host, port, { limit = 0 }) end)
    misuse("bad option 'high_water'", function() connect(host, port, { high_water = "1k" }) end)
    misuse("bad option 'limit'", function() connect("unix:/x", { limit = 0 }) end)
    local bad = { "localhost", 5, {}, { host, "x" }, { 5 }, { host, 70000 }, { host, 0 / 0 },
      { host, 1.5 } }
    for _, from in ipairs(bad) do
      local options = { local_address = from }
      misuse("bad option 'local_address' to", function() connect(host, port, options) end)
    end
    misuse("'tide.net.listen'.*table", function() listen_at(host, port, 5) end)
    misuse("bad option 'backlog' to", function() listen_at(host, port, { backlog = 0 }) end)
    assert.equal(handles, tide.stats().handles)
  end)

  it("connects from local_address, a host or host and port", function()
    local server, port = listen()
    local client = opens(assert(net.connect("127.0.0.1", port, { local_address = "127.0.0.2" })))
    assert.equal("127.0.0.2", (client:sockname()))
    assert.equal("127.0.0.2", (opens(server:accept()):peername()))
    local from = free_port()
    local options = { local_address = { "127.0.0.3", from } }
    client = opens(assert(net.connect("127.0.0.1", port, options)))
    assert.same(pack("127.0.0.3", from), pack(client:sockname()))
    assert.is_nil((net.connect("127.0.0.1", port, options)))
    client = opens(assert(net.connect("127.0.0.1", port, { local_address = { "127.0.0.3" } })))
    assert.equal("127.0.0.3", (client:sockname()))
  end)

  it("reaches the IPv6 loopback", function()
    if not streams.has_ipv6() then return end
    local server = opens(assert(net.listen("::1", 0)))
    local host, port = server:sockname()
    assert.equal("::1", host)
    local client = opens(assert(net.connect("::1", port)))
    assert.same(pack("::1", port), pack(client:peername()))
    assert.equal("::1", (opens(server:accept()):peername()))
  end)

  it("cannot wait in a callback nor in a plain coroutine, and opens nothing there", function()
    local handles = tide.stats().handles
    local err
    local port = free_port()
    tide.loop():call_soon(function()
      err = select(2, pcall(function() net.connect("127.0.0.1", port) end))
    end)
    sleep(0.001)
    assert.matches("'tide.net.connect' cannot wait in a callback", err)
    local connect, host = net.connect, "127.0.0.1"
    misuse("a plain coroutine", coroutine.wrap(function() connect(host, port) end))
    support.collect()
    assert.equal(handles, tide.stats().handles)
  end)
end)

describe("net.listen", function()
  streams.close_after_each(after_each)

  it("at a port that is in use fails", function()
    local _, port = listen()
    fails("EADDRINUSE", net.listen("127.0.0.1", port))
    fails("EADDRNOTAVAIL", net.listen("192.0.2.1", 0))
  end)

  it("at no host, or *, is at all interfaces", function()
    for _, host in ipairs { "*", "", false } do
      local server = opens(assert(net.listen(host or nil, 0)))
      local _, port = server:sockname()
      opens(assert(net.connect("127.0.0.1", port)))
      opens(assert(server:accept()))
      if streams.has_ipv6() then
        opens(assert(net.connect("::1", port)))
        opens(assert(server:accept()))
      end
      server:close()
    end
  end)

  it("at all interfaces fails where IPv6's port is in use, and is not IPv4's alone", function()
    if not streams.has_ipv6() then return end
    local server = opens(assert(net.listen("::", 0, { ipv6only = true })))
    local _, port = server:sockname()
    fails("EADDRINUSE", net.listen("*", port))
    fails("EADDRINUSE", net.listen("*", port, { ipv6only = true }))
  end)

  it("reuseaddr: takes the port of connections that have just ended, unless told not to", function()
    local server, port = listen()
    local client = opens(assert(net.connect("127.0.0.1", port)))
    local conn = assert(server:accept())
    conn:close() -- who closes first keeps the port for a while
    assert.same(EOF, pack(client:read()))
    client:close()
    server:close()
    fails("EADDRINUSE", net.listen("127.0.0.1", port, { reuseaddr = false }))
    opens(assert(net.listen("127.0.0.1", port)))
  end)

  it("reuseport: several servers at one port", function()
    local server, port = listen { reuseport = true }
    fails("EADDRINUSE", net.listen("127.0.0.1", port))
    opens(assert(net.listen("127.0.0.1", port, { reuseport = true })))
    assert.is_false(server:is_closing())
  end)

  it("ipv6only: no IPv4 connections at ::", function()
    if not streams.has_ipv6() then return end
    local server = opens(assert(net.listen("::", 0, { ipv6only = true })))
    local _, port = server:sockname()
    fails("ECONNREFUSED", net.connect("127.0.0.1", port))
    opens(assert(net.connect("::1", port)))
    server = opens(assert(net.listen("::", 0)))
    _, port = server:sockname()
    opens(assert(net.connect("127.0.0.1", port)))
    assert.equal("::ffff:127.0.0.1", (opens(assert(server:accept())):peername()))
  end)

  it("backlog: so many may wait to be accepted", function()
    local server, port = listen { backlog = 1 }
    fill_backlog("127.0.0.1", port)
    local waiting = tide.task(net.connect, "127.0.0.1", port)
    opens(assert(server:accept()))
    opens(assert(server:accept()))
    opens(assert(waiting:await()))
  end)

  it("backlog: however many, it is no few", function()
    local _, port = listen { backlog = 2 ^ 32 }
    for _ = 1, 3 do
      assert.is_true((tide.move_on_after(5, streams.connect, port)))
    end
  end)

  it("its options are those of the streams that it accepts", function()
    local server, port = listen { limit = 3, high_water = 5 }
    local client = opens(assert(net.connect("127.0.0.1", port)))
    local conn = opens(assert(server:accept()))
    client:write("1234\n")
    fails("EMSGSIZE", conn:readuntil("\n"))
    conn:write("1234\n")
    assert.equal("1234\n", client:readuntil("\n"))
    stuff(conn)
    assert.is_true(conn:stats().unsent > 5)
  end)
end)
