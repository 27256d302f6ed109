local tide = require "tide"
local net = require "tide.net"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { timeout = 60 }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local opens, listen, fails = streams.opens, streams.listen, streams.fails
local connect, ask, echo, serving = streams.connect, streams.ask, streams.echo, streams.serving
local sleep, pcall = tide.sleep, tide.pcall

local CLOSED = pack(nil, "it is closed", "ECANCELED")

--- Until the peer has closed it: true if by a reset.
local function is_cut(client)
  local data, _, code = client:read(-1)
  return data == nil and code == "ECONNRESET"
end

describe("Server:accept", function()
  streams.close_after_each(after_each)

  it("waits for a connection, and has those that came before in their order", function()
    local server, port = listen()
    local task = tide.task(server.accept, server)
    sleep(0)
    local client = connect(port)
    assert.same(pack(client:sockname()), pack(opens(task:await()):peername()))
    local clients = { connect(port), connect(port), connect(port) }
    for i = 1, 3 do
      assert.same(pack(clients[i]:sockname()), pack(opens(server:accept()):peername()))
    end
  end)

  it("by several gives each one connection, in the order of their coming", function()
    local server, port = listen()
    local log, tasks = {}, {}
    for i = 1, 3 do
      tasks[i] = tide.task(function()
        opens(assert(server:accept()))
        log[#log + 1] = i
      end)
    end
    sleep(0)
    for i = 1, 3 do
      connect(port)
      tasks[i]:await()
    end
    assert.same({ 1, 2, 3 }, log)
  end)

  it("by one that comes later waits, though a connection is there by now", function()
    local server, port = listen()
    local first = tide.task(server.accept, server)
    sleep(0)
    local connecting = tide.task(net.connect, "127.0.0.1", port) -- the system is quick
    local second = tide.task(server.accept, server)
    opens(connecting:await())
    opens(tide.wait_for(first, 5))
    assert.is_false(second:done())
    second:cancel()
  end)

  it("cancelled while it waits takes nothing", function()
    local server, port = listen()
    assert.is_false(tide.move_on_after(0.005, server.accept, server))
    local task = tide.task(server.accept, server)
    sleep(0)
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    local client = connect(port)
    assert.same(pack(client:sockname()), pack(opens(server:accept()):peername()))
  end)

  it("woken and then cancelled has its connection; the next await raises", function()
    local server, port = listen()
    local conn
    local task = tide.task(function()
      conn = opens(server:accept())
      sleep(0)
    end)
    sleep(0)
    local client = connect(port)
    tide.loop():call_soon(function() end)
    while not conn and not task:done() do
      task:cancel()
      sleep(0)
    end
    tide.wait { task }
    if not conn then -- the cancel was there first
      conn = opens(assert(server:accept()))
    end
    assert.same(pack(client:sockname()), pack(conn:peername()))
  end)

  it("waiting when it is closed returns ECANCELED, all who wait, and later ones", function()
    local server = listen()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = tide.task(function() return pack(server:accept()) end)
    end
    sleep(0)
    assert.equal("Server<open>", tostring(server))
    server:close()
    for i = 1, 3 do assert.same(CLOSED, tasks[i]:await()) end
    assert.same(CLOSED, pack(server:accept()))
    assert.is_true(server:is_closing())
    assert.equal("Server<closed>", tostring(server))
    server:close()
  end)

  it("is a cancel point, also where one is there", function()
    local server, port = listen()
    connect(port)
    local task = tide.task(function()
      tide.current_task():cancel()
      server:accept()
    end)
    tide.wait { task }
    assert.is_true(task:cancelled())
    opens(assert(server:accept()))
  end)

  it("many connections at once are all accepted", function()
    local server, port = listen()
    local clients = {}
    for i = 1, 200 do clients[i] = tide.task(net.connect, "127.0.0.1", port) end
    local seen = {}
    for _ = 1, 200 do
      local conn = opens(assert(server:accept()))
      seen[select(2, conn:peername())] = true
    end
    for i = 1, 200 do
      local _, from = opens(assert(clients[i]:await())):sockname()
      assert.is_true(seen[from])
    end
  end)

  it("works outside of run, and in a tide.coroutine", { task = false }, function()
    local server, port = listen()
    connect(port)
    connect(port)
    opens(assert(server:accept()))
    opens(assert(tide.coroutine.wrap(function() return server:accept() end)()))
  end)
end)

describe("Server:iter", function()
  streams.close_after_each(after_each)

  it("gives connections until it is closed", function()
    local server, port = listen()
    local task = tide.task(function()
      local count, next_conn = 0, server:iter() -- 5.1 cannot wait in a `for`
      local conn = next_conn()
      while conn do
        count = count + 1
        conn:close()
        conn = next_conn()
      end
      return count
    end)
    for _ = 1, 3 do assert.equal("", ask(port, "")) end
    server:close()
    assert.equal(3, task:await())
  end)

  it("raises where one cannot be had, and goes on after that", function()
    local server = listen()
    local next_conn = server:iter()
    streams.cannot_accept(1, function()
      assert.equal("ENOMEM", raises(tide.OSError, next_conn).code)
    end)
    server:close()
    assert.is_nil(next_conn())
  end)
end)

describe("a server", function()
  streams.close_after_each(after_each)

  it("that is closed cuts those that were not accepted", function()
    local server, port = listen()
    local client = connect(port)
    server:close()
    assert.is_true(is_cut(client))
    fails("ECONNREFUSED", net.connect("127.0.0.1", port))
  end)

  it("is closed by <close> and by tide.with", function()
    local server = listen()
    tide.with(server, function() end)
    assert.is_true(server:is_closing())
    server = listen()
    getmetatable(server).__close(server)
    assert.is_true(server:is_closing())
  end)

  it("that nobody closed is closed when it is garbage", function()
    local port
    do
      local server = assert(net.listen("127.0.0.1", 0))
      port = select(2, server:sockname())
    end
    support.collect()
    fails("ECONNREFUSED", net.connect("127.0.0.1", port))
  end)

  it("150: that nobody closed is let go with its loop", { task = false }, function()
    local server, port
    tide.run(function()
      server, port = assert(net.listen("127.0.0.1", 0)), nil
      port = select(2, server:sockname())
      tide.task(server.accept, server)
      sleep(0)
    end)
    tide.loop():close()
    assert.is_true(server:is_closing())
    tide.run(function()
      fails("ECONNREFUSED", net.connect("127.0.0.1", port))
      misuse("'Server:accept': the loop is closed", function() server:accept() end)
      misuse("'Server:sockname': the loop is closed", function() server:sockname() end)
    end)
    server:close()
  end)

  it("keeps no program alive when nobody accepts", { task = false }, function()
    local server = assert(net.listen("127.0.0.1", 0))
    raises(tide.DeadlockError, tide.run, function() tide.event():wait() end)
    server:close()
  end)

  it("that runs out of descriptors says so, and loses no connection", { task = false }, function()
    local text = support.child([[
      local tide, net = require "tide", require "tide.net"
      local reports = 0
      tide.loop():set_exception_handler(function(report)
        reports = reports + 1
        print(report.error or report.message)
      end)
      tide.run(function()
        local server = assert(net.listen("127.0.0.1", 0))
        local port = select(2, server:sockname())
        local clients, files = {}, {}
        for i = 1, 5 do clients[i] = assert(net.connect("127.0.0.1", port)) end
        repeat
          local file = io.open("/dev/null")
          files[#files + 1] = file
        until not file
        local acceptor = tide.task(function()
          for _ = 1, 5 do assert(server:accept()):write("hello\n") end
        end)
        tide.sleep(0.15)
        print(acceptor:done(), reports > 0)
        for _, file in ipairs(files) do file:close() end
        for i = 1, 5 do print(clients[i]:readline()) end
        acceptor:await()
      end)
    ]], "ulimit -n 60")
    assert.matches("accepting connections pauses: too many open files", text)
    assert.matches("false\ttrue\nhello\nhello\nhello\nhello\nhello\n$", text)
  end)
end)

describe("the file of a Unix server", function()
  local path
  before_each(function() path = streams.unused_path() end)
  streams.close_after_each(after_each)
  after_each(function() os.remove(path) end)

  local function listen_there()
    return opens(assert(net.listen("unix:" .. path)))
  end

  it("152: is removed when it is closed", function()
    local server = listen_there()
    assert.is_true(streams.exists(path))
    server:close()
    assert.is_false(streams.exists(path))
    server:close()
  end)

  it("152: is left if it is another server's by now", function()
    local server = listen_there()
    os.remove(path)
    local other = listen_there()
    server:close()
    assert.is_true(streams.exists(path))
    opens(assert(net.connect("unix:" .. path)))
    opens(assert(other:accept()))
    other:close()
    assert.is_false(streams.exists(path))
  end)

  it("152: is left if it is no socket by now, or gone", function()
    local server = listen_there()
    os.remove(path)
    io.open(path, "w"):close()
    server:close()
    assert.is_true(streams.exists(path))
    os.remove(path)
    server = listen_there()
    os.remove(path)
    server:close()
  end)

  it("152: is removed with the loop, and when the server is garbage", { task = false }, function()
    tide.run(function() opens((listen_there())) end)
    tide.loop():close()
    assert.is_false(streams.exists(path))
    tide.run(function() assert(net.listen("unix:" .. path)) end)
    support.collect()
    assert.is_false(streams.exists(path))
  end)

  it("is served as TCP is", function()
    local server = listen_there()
    local task = serving(server, echo)
    local client = opens(assert(net.connect("unix:" .. path)))
    client:write("x")
    client:shutdown()
    assert.equal("<x>", client:read(-1))
    assert.is_true(server:shutdown())
    task:await()
  end)
end)

describe("a server is misused at the caller's line:", function()
  streams.close_after_each(after_each)

  it("a method on something else", function()
    local server = listen()
    local methods = getmetatable(server).__index
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event() } do
        misuse("'Server:" .. name .. "'.*Server expected", function() method(other) end)
      end
      misuse("Server:" .. name, function() method() end)
    end
  end)

  it("what serve and shutdown are given", function()
    local server = listen()
    misuse("'Server:serve'.*function expected", function() server:serve() end)
    misuse("'Server:serve'.*function expected", function() server:serve({}) end)
    misuse("#2 to 'Server:serve' %(table expected, got n", function() server:serve(echo, 5) end)
    for _, most in ipairs { 0, -1, "2", 1.5, 0 / 0, false } do
      local options = { max_connections = most }
      misuse("bad option 'max_connections' to", function() server:serve(echo, options) end)
    end
    misuse("bad argument #1 to 'Server:shutdown'", function() server:shutdown("1") end)
    misuse("bad argument #1 to 'Server:shutdown'", function() server:shutdown(0 / 0) end)
    assert.is_false(server:is_closing())
  end)

  it("accept in a callback and in a plain coroutine", function()
    local server, port = listen()
    for i = 1, 2 do
      local err
      tide.loop():call_soon(function() err = select(2, pcall(function() server:accept() end)) end)
      sleep(0.001)
      assert.matches("server_spec.lua:%d+: 'Server:accept' cannot wait in a callback", err)
      misuse("cannot wait in a plain coroutine", coroutine.wrap(function() server:accept() end))
      if i == 1 then connect(port) end
    end
    opens(assert(server:accept()))
  end)
end)
