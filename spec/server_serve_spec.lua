local tide = require "tide"
local net = require "tide.net"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { timeout = 60 }

local pack, raises = support.pack, support.raises
local opens, listen, fails = streams.opens, streams.listen, streams.fails
local connect, ask, echo, serving = streams.connect, streams.ask, streams.echo, streams.serving
local sleep = tide.sleep

describe("Server:serve", function()
  streams.close_after_each(after_each)

  it("calls the handler for each connection, and closes that after it", function()
    local server, port = listen()
    local conns = {}
    local task = serving(server, function(conn)
      conns[#conns + 1] = conn
      echo(conn)
    end)
    assert.equal("<a>", ask(port, "a"))
    assert.equal("<b>", ask(port, "b"))
    server:close()
    assert.same(pack(true), pack(task:await()))
    assert.is_true(conns[1]:is_closing() and conns[2]:is_closing())
  end)

  it("handlers run at once, each in a task of its own", function()
    local server, port = listen()
    local here, all = 0, tide.event()
    local task = serving(server, function(conn)
      here = here + 1
      if here == 5 then all:set() end
      all:wait()
      echo(conn)
    end)
    local askers = {}
    for i = 1, 5 do askers[i] = function() return ask(port, tostring(i)) end end
    assert.same({ "<1>", "<2>", "<3>", "<4>", "<5>", n = 5 }, tide.gather(askers))
    server:close()
    task:await()
  end)

  it("what a handler wrote goes out, however much and however slow the reader", function()
    local server, port = listen { high_water = 1e9 }
    local data = ("x"):rep(4e6)
    local task = serving(server, function(conn) conn:write(data) end)
    local client = connect(port)
    sleep(0.02)
    assert.is_true(client:read(-1) == data)
    server:close()
    task:await()
  end)

  it("max_connections: so many at a time, the others wait", function()
    local server, port = listen()
    local now, most, total = 0, 0, 0
    local task = serving(server, function(conn)
      now, total = now + 1, total + 1
      local mine = total
      most = math.max(most, now)
      echo(conn)
      sleep(0.001)
      now = now - 1
      if mine == 3 then error("not for long", 0) end
    end, { max_connections = 2 })
    local reports = support.reports(function()
      local askers = {}
      for i = 1, 8 do askers[i] = function() return ask(port, tostring(i)) end end
      tide.gather(askers)
      server:close()
      task:await()
    end)
    assert.same({ 8, 2, 0, 1 }, { total, most, now, #reports })
  end)

  it("151: the error of a handler is reported and hurts no other; its cancel is no news", function()
    local server, port = listen()
    local began = tide.event()
    local task = serving(server, function(conn)
      local text = conn:readline()
      if text == "fail" then
        error("handler's own")
      elseif text == "cancel" then
        tide.current_task():cancel()
        sleep(0)
      elseif text == "wait" then
        began:set()
        conn:write(conn:readline())
      end
    end)
    local reports = support.reports(function()
      local other = connect(port)
      other:write("wait\n")
      began:wait()
      assert.equal("", ask(port, "fail\n"))
      assert.equal("", ask(port, "cancel\n"))
      other:write("still here\n")
      assert.equal("still here", other:read(-1))
      assert.equal("", ask(port, "fine\n"))
      server:close()
      assert.is_true(task:await())
    end)
    assert.equal(1, #reports)
    assert.matches("handler of a connection failed", reports[1].message)
    assert.matches("server_serve_spec.lua:%d+: handler's own", tostring(reports[1].error))
  end)

  it("a connection that cannot be had is reported, and the next ones are served", function()
    local server, port = listen()
    local reports = support.reports(function()
      streams.cannot_accept(1, function()
        serving(server, echo, { max_connections = 1 })
        assert.equal("<x>", ask(port, "x"))
      end)
      server:shutdown()
    end)
    assert.equal(1, #reports)
    assert.equal("ENOMEM", reports[1].error.code)
  end)

  it("a handler may close its connection, or have its peer do so", function()
    local server, port = listen()
    local task = serving(server, function(conn)
      if conn:readline() == "close" then
        conn:close()
      else
        conn:read()
      end
    end)
    local reports = support.reports(function()
      assert.equal("", ask(port, "close\n"))
      connect(port):close()
      assert.equal("", ask(port, "x\n"))
      server:close()
      task:await()
    end)
    assert.same({}, reports)
  end)

  it("152: returns when it is closed and all it served have ended", function()
    local server, port = listen()
    local began, go = tide.event(), tide.event()
    local task = serving(server, function(conn)
      began:set()
      go:wait()
      echo(conn)
    end)
    local answer = tide.task(ask, port, "x")
    began:wait()
    server:close()
    for _ = 1, 5 do sleep(0) end
    assert.is_false(task:done())
    fails("ECONNREFUSED", net.connect("127.0.0.1", port))
    go:set()
    assert.equal("<x>", answer:await())
    assert.is_true(task:await())
    assert.is_true(server:serve(echo)) -- closed: at once
  end)

  it("cancelled ends those it serves and closes their connections, not the server", function()
    local server, port = listen()
    local began, ended = tide.event(), 0
    local task = serving(server, function(conn)
      tide.finally(function()
        began:set()
        conn:read(-1)
      end, function() ended = ended + 1 end)
    end)
    local client = connect(port)
    client:write("x")
    began:wait()
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.equal(1, ended)
    client:read(-1)
    assert.is_false(server:is_closing())
    connect(port)
    opens(assert(server:accept()))
  end)

  it("by several tasks shares the connections", function()
    local server, port = listen()
    local count = { 0, 0 }
    local tasks = {}
    for i = 1, 2 do
      tasks[i] = serving(server, function(conn) count[i] = count[i] + 1 echo(conn) end)
    end
    for _ = 1, 6 do assert.equal("<x>", ask(port, "x")) end
    assert.equal(6, count[1] + count[2])
    assert.is_true(server:shutdown())
    for i = 1, 2 do tasks[i]:await() end
  end)

  it("takes a callable table as handler", function()
    local server, port = listen()
    local task = serving(server, setmetatable({}, { __call = function(_, conn) echo(conn) end }))
    assert.equal("<x>", ask(port, "x"))
    server:close()
    task:await()
  end)
end)

describe("Server:shutdown", function()
  streams.close_after_each(after_each)

  it("152: waits for those it serves: true if they ended by themselves", function()
    local server, port = listen()
    local task = serving(server, function(conn)
      conn:write("hello\n")
      echo(conn)
    end)
    local client = connect(port)
    assert.equal("hello", client:readline())
    local ending = tide.task(function() return server:shutdown(30) end)
    sleep(0.005)
    assert.is_true(server:is_closing())
    assert.is_false(ending:done())
    client:write("x")
    client:shutdown()
    assert.equal("<x>", client:read(-1))
    assert.same(pack(true), pack(ending:await()))
    assert.is_true(task:await())
    assert.is_true(server:shutdown())
  end)

  it("152: after so many seconds those are cancelled: false", function()
    local server, port = listen()
    local cleaned = false
    local task = serving(server, function(conn)
      conn:write("hello\n")
      tide.finally(function() conn:read(-1) end, function()
        sleep(0.002)
        cleaned = true
      end)
    end)
    local client = connect(port)
    assert.equal("hello", client:readline())
    assert.same(pack(false), pack(server:shutdown(0.01)))
    assert.is_true(cleaned)
    assert.equal("", client:read(-1))
    assert.is_true(task:await())
  end)

  it("of 0 seconds, without anybody served, and again", function()
    local server, port = listen()
    local task = serving(server, function(conn) conn:read(-1) end)
    local client = connect(port)
    sleep(0.005)
    assert.is_false(server:shutdown(0))
    client:read(-1)
    task:await()
    assert.is_true(listen():shutdown())
    assert.is_true(server:shutdown(1))
  end)

  it("waits also for one that was just accepted, and has no task yet", function()
    local server, port = listen()
    local ended = false
    local task = serving(server, function()
      sleep(0.002)
      ended = true
    end)
    local from, to = streams.tcp_pair()
    local ending = tide.task(function()
      to:read(1)
      return server:shutdown(), ended
    end)
    sleep(0.002)
    from:write("x") -- it is to be woken before who accepts is, in the same turn
    connect(port)
    assert.same(pack(true, true), pack(ending:await()))
    assert.is_true(task:await())
  end)

  it("asked for by two whom it serves waits for neither", function()
    local server, port = listen()
    local task = serving(server, function(conn)
      conn:read()
      conn:write(tostring(server:shutdown()))
    end)
    local clients = { connect(port), connect(port) }
    sleep(0.005)
    for _, client in ipairs(clients) do client:write("x") end
    for _, client in ipairs(clients) do
      assert.equal("true", tide.timeout(10, client.read, client, -1))
    end
    assert.is_true(task:await())
  end)

  it("does not wait for one that has died of a mistake", function()
    local server, port = listen()
    local task = serving(server, function() coroutine.yield() end)
    connect(port)
    assert.error_matches(function() task:await() end, "yielded outside of an await")
    assert.is_true(tide.timeout(10, server.shutdown, server))
    assert.is_true(tide.timeout(10, server.shutdown, server, 0))
  end)

  it("cancelled leaves it closed, and those it serves alone", function()
    local server, port = listen()
    local task = serving(server, function(conn)
      conn:write("hello\n")
      echo(conn)
    end)
    local client = connect(port)
    assert.equal("hello", client:readline())
    assert.is_false(tide.move_on_after(0.005, server.shutdown, server))
    assert.is_true(server:is_closing())
    client:write("x")
    client:shutdown()
    assert.equal("<x>", client:read(-1))
    assert.is_true(task:await())
  end)
end)
