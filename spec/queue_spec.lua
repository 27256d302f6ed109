local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local queues = require "spec.queue_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep
local on_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local turns, getter, putter = support.turns, queues.getter, queues.putter
local waiters, drained = queues.waiters, queues.drained

local makers = { tide.queue, tide.lifo_queue, tide.priority_queue }

describe("a queue", function()
  it("66: gives items in the order in which they were put", function()
    local q = tide.queue()
    for i = 1, 100 do q:put(i) end
    for i = 1, 100 do assert.equal(i, q:get()) end
    assert.is_true(q:empty())
  end)

  it("66: a LIFO queue gives the last one first", function()
    local q = tide.lifo_queue()
    for i = 1, 5 do q:put(i) end
    assert.equal(5, q:get())
    q:put(6)
    assert.equal("6 4 3 2 1", drained(q))
    assert.same(pack(nil, "empty"), pack(q:get_nowait()))
  end)

  it("keeps the order while its ring turns and grows", function()
    local q, put, got = tide.queue(), 0, 0
    local seed = 7
    for _ = 1, 3000 do
      seed = (seed * 1103515245 + 12345) % 2 ^ 31
      if seed % 7 < 4 then
        put = put + 1
        q:put(put)
      elseif got < put then
        got = got + 1
        assert.equal(got, q:get())
      end
      assert.equal(put - got, q:qsize())
    end
    while got < put do
      got = got + 1
      assert.equal(got, q:get())
    end
    for i = 1, 5000 do q:put(i) end
    for i = 1, 5000 do assert.equal(i, q:get()) end
    for i = 1, 20 do q:put(i) end -- into a new, small ring
    for i = 1, 20 do assert.equal(i, q:get()) end
  end)

  it("67: tells its size; put and task_done return nothing", function()
    for _, make in ipairs(makers) do
      local q = make(2)
      assert.same({ 2, 0, true, false }, { q:maxsize(), q:qsize(), q:empty(), q:full() })
      assert.same(pack(), pack(q:put("a", 1)))
      assert.same({ 1, false, false }, { q:qsize(), q:empty(), q:full() })
      assert.same(pack(true), pack(q:put_nowait("b", 2)))
      assert.same({ 2, false, true }, { q:qsize(), q:empty(), q:full() })
      assert.same(pack(nil, "full"), pack(q:put_nowait("c", 3)))
      assert.equal(1, select("#", q:get()))
      assert.same(pack(), pack(q:task_done()))
      assert.equal(1, q:qsize())
    end
  end)

  it("67: without a maxsize, with nil or 0 it is unbounded", function()
    for _, make in ipairs(makers) do
      for _, q in ipairs { make(), make(nil), make(0) } do
        assert.equal(0, q:maxsize())
        for i = 1, 50 do assert.is_true(q:put_nowait(i, i)) end
        assert.is_false(q:full())
      end
      assert.equal(2 ^ 53, make(2 ^ 53):maxsize())
    end
  end)

  it("T34: false is an item, nil is none", function()
    for _, make in ipairs(makers) do
      local q = make()
      q:put(false, 1)
      q:put(0, 1)
      assert.equal(2, q:qsize())
      misuse("bad argument #1 to '%a+:put' %(item expected, got nil", function() q:put(nil, 1) end)
      misuse("bad argument #1 to '%a+:put_nowait' %(item", function() q:put_nowait(nil, 1) end)
      misuse("bad argument #1 to '%a+:put' %(item expected, got n", function() q.put(q) end)
      assert.equal(2, q:qsize())
    end
    local q = tide.queue()
    local t = tide.task(q.get, q)
    turns(1)
    q:put(false)
    assert.same(pack(false), pack(t:await()))
  end)

  it("68: get_nowait of none is nil, 'empty'", function()
    for _, make in ipairs(makers) do
      assert.same(pack(nil, "empty"), pack(make():get_nowait()))
    end
  end)

  it("works outside of run, filled by a callback", { task = false }, function()
    local q = tide.queue(1)
    tide.loop():call_later(0.001, function() q:put_nowait("from a callback") end)
    assert.equal("from a callback", q:get())
    q:put(1)
    tide.loop():call_later(0.001, function() q:get_nowait() q:task_done() end)
    q:put(2)
    assert.equal(2, q:get())
    q:task_done()
    q:task_done()
    q:join()
  end)

  it("what does not wait works in a callback", function()
    local q, got = tide.queue(1), nil
    tide.loop():call_soon(function()
      got = { q:put_nowait(1), q:qsize(), q:full(), q:get_nowait(), q:empty() }
      q:task_done()
      q:shutdown()
    end)
    sleep(1)
    assert.same({ true, 1, true, 1, true }, got)
  end)

  it("T33: tells in its name what it holds and who waits, also when some leave", function()
    local q, log = tide.queue(1), {}
    assert.equal("Queue<0 items, maxsize 1, 0 getters, 0 putters>", tostring(q))
    local getters = waiters(getter, q, log, "a b")
    assert.equal("Queue<0 items, maxsize 1, 2 getters, 0 putters>", tostring(q))
    getters[2]:cancel()
    assert.equal("Queue<0 items, maxsize 1, 1 getter, 0 putters>", tostring(q))
    q:put(1)
    assert.equal("Queue<0 items, maxsize 1, 0 getters, 0 putters>", tostring(q))
    q:put(2)
    local putters = waiters(putter, q, log, "p q")
    assert.equal("Queue<1 item, maxsize 1, 0 getters, 2 putters>", tostring(q))
    for _, task in ipairs(putters) do task:cancel() end
    q:shutdown()
    assert.equal("Queue<1 item, maxsize 1, 0 getters, 0 putters, shut down>", tostring(q))
    assert.equal("LifoQueue<0 items, maxsize 0, 0 getters, 0 putters>", tostring(tide.lifo_queue()))
    assert.matches("^PriorityQueue<0 items", tostring(tide.priority_queue()))
  end)

  it("62, T19: put and get are cancel points that keep their turn", function()
    local q, order = tide.queue(), {}
    tide.task(function() order[#order + 1] = "other" end)
    q:put(1)
    q:get()
    order[#order + 1] = "main"
    turns(1)
    assert.same({ "main", "other" }, order)
  end)

  it("T32: in a cancelled scope put, get and join do nothing", function()
    for _, make in ipairs(makers) do
      local q = make()
      q:put(1, 1)
      local task = tide.task(function()
        tide.current_task():cancel()
        raises(tide.CancelledError, q.put, q, 2, 2)
        raises(tide.CancelledError, q.get, q)
        q:join()
      end)
      raises(tide.CancelledError, task.await, task)
      assert.equal(1, q:qsize())
    end
  end)

  it("lets others run although nobody has to wait", function()
    for _, make in ipairs(makers) do
      local q, ran = make(), false
      tide.task(function() ran = true end)
      for _ = 1, 128 do q:put(1, 1) end
      assert.is_true(ran)
      ran = false
      tide.task(function() ran = true end)
      for _ = 1, 128 do assert.equal(1, q:get()) end
      assert.is_true(ran)
      q:shutdown()
      ran = false
      tide.task(function() ran = true end)
      for _ = 1, 128 do assert.same(pack(nil, "shutdown"), pack(q:get())) end
      assert.is_true(ran)
    end
  end)

  it("keeps no item alive that was taken, dropped or not put", function()
    for _, make in ipairs(makers) do
      local q, weak = make(1), setmetatable({}, { __mode = "k" })
      local function item() local t = {} weak[t] = true return t end
      q:put(item(), 1)
      local task = tide.task(function() q:put(item(), 1) end)
      turns(1)
      task:cancel()
      turns(2)
      local other = tide.task(function() q:put(item(), 1) end)
      turns(1)
      q:get()
      turns(1)
      q:get()
      assert.is_true(other:done())
      q:put(item(), 1)
      q:shutdown(true)
      task, other = nil, nil -- luacheck: ignore
      turns(2)
      tide.task(function() end):await() -- the stacks of those that ended
      support.collect()
      assert.is_nil(next(weak))
    end
  end)

  it("lives as long as a task waits in it", function()
    local got
    do
      local q = tide.queue()
      local weak = setmetatable({ q }, { __mode = "v" })
      tide.task(function() got = weak[1]:get() end)
      turns(1)
      tide.loop():call_later(1, function() weak[1]:put_nowait("item") end)
    end
    support.collect()
    sleep(2)
    assert.equal("item", got)
  end)

  it("from which nobody can get any more is a deadlock", { task = false }, function()
    raises(tide.DeadlockError, run, function() tide.queue():get() end)
    raises(tide.DeadlockError, run, function()
      local q = tide.queue(1)
      q:put(1)
      q:put(2)
    end)
  end)
end)

describe("many producers and consumers", function()
  it("75, T30: each item is got once, and nobody is left asleep", function()
    for _, make in ipairs(makers) do
      for maxsize = 0, 3 do
        local q, seen, tasks, served = make(maxsize), {}, {}, {}
        for p = 1, 5 do
          tasks[p] = tide.task(function()
            for i = 1, 20 do q:put(p * 100 + i, i) end
          end)
        end
        for c = 1, 4 do
          tasks[#tasks + 1] = tide.task(function()
            for _ = 1, 25 do
              local item = q:get()
              assert.is_nil(seen[item])
              seen[item] = true
              served[c] = (served[c] or 0) + 1
              if item % 3 == 0 then sleep(0) end
              q:task_done()
            end
          end)
        end
        q:join()
        for _, task in ipairs(tasks) do task:await() end
        assert.same({ 25, 25, 25, 25 }, served)
        assert.matches("<0 items, maxsize %d, 0 getters, 0 putters>", tostring(q))
      end
    end
  end)
end)

describe("Queue:join", function()
  it("76: returns at once when nothing is unfinished, again and again", function()
    local q = tide.queue()
    assert.same(pack(), pack(q:join()))
    assert.same(pack(), pack(q:join()))
    misuse("'Queue:task_done': called more often", function() q:task_done() end)
    q:put(1)
    q:task_done()
    misuse("'Queue:task_done': called more often", function() q:task_done() end)
  end)

  it("77: waits for every task_done", function()
    for _, make in ipairs(makers) do
      local q, log = make(), {}
      for i = 1, 3 do q:put(i, i) end
      tide.task(function() q:join() log[#log + 1] = "joined" end)
      for i = 1, 3 do
        q:get()
        turns(1)
        assert.same({}, log)
        q:task_done()
        assert.same({}, log, i)
      end
      turns(1)
      assert.same({ "joined" }, log)
    end
  end)

  it("is over although more was put since, and raises if it was cancelled since", function()
    local q = tide.queue()
    q:put(1)
    local a, b = tide.task(q.join, q), tide.task(q.join, q)
    turns(1)
    q:task_done()
    q:put(2)
    b:cancel()
    a:await()
    raises(tide.CancelledError, b.await, b)
  end)
end)

describe("Queue:iter", function()
  it("gives items until the queue was shut down and drained", function()
    for _, make in ipairs(makers) do
      local q, items = make(2), {}
      tide.task(function()
        for i = 1, 5 do q:put(i % 2 == 0 and i or false, i) end
        q:shutdown()
      end)
      if on_51 then
        local next_item = q:iter()
        local item = next_item()
        while item ~= nil do
          items[#items + 1] = item
          item = next_item()
        end
      else
        for item in q:iter() do items[#items + 1] = item end
      end
      assert.equal(5, #items)
    end
  end)

  if on_51 then
    it("says what to do where a `for` cannot await", function()
      local q = tide.queue()
      local function sum()
        local n = 0
        for item in q:iter() do n = n + item end
        return n
      end
      local ok, err = pcall(sum)
      assert.is_false(ok)
      assert.matches("'Queue:get' cannot wait here: .* use 'while'", err)
      assert.matches("0 getters", tostring(q))
      for i = 1, 3 do q:put(i) end
      q:shutdown()
      assert.equal(6, sum()) -- what is there comes without waiting
    end)
  end
end)

describe("a queue is misused at the caller's line:", function()
  it("67: with a maxsize that is none", function()
    for _, bad in ipairs { -1, 1.5, "x", "1", {}, true, 0 / 0, 1 / 0, -1 / 0, 2 ^ 60 } do
      misuse("bad argument #1 to 'tide.queue'", function() tide.queue(bad) end)
      misuse("bad argument #1 to 'tide.lifo_queue'", function() tide.lifo_queue(bad) end)
      misuse("bad argument #1 to 'tide.priority_queue'", function() tide.priority_queue(bad) end)
    end
    misuse("whole number from 0 up expected", function() tide.queue(-1) end)
  end)

  it("60: with a self that is none", function()
    local q = tide.queue()
    local names = { "put", "get", "put_nowait", "get_nowait", "task_done", "join", "qsize", "empty",
      "full", "maxsize", "shutdown", "iter" }
    for _, bad in ipairs { 1, "x", {}, tide.semaphore(1), io.stdout } do
      for _, name in ipairs(names) do
        misuse("bad self %(Queue expected", function() q[name](bad, 1, 1) end)
      end
      misuse("on bad self", function() getmetatable(q).__tostring(bad) end)
    end
    local p = tide.priority_queue()
    misuse("bad self %(Queue expected, got tide.PriorityQueue", function() q.put(p, 1) end)
    misuse("bad self %(Queue expected, got tide.Prior", function() q.put_nowait(p, 1) end)
    misuse("bad self %(PriorityQueue expected, got tide.Queue", function() p.put(q, 1, 1) end)
    misuse("bad self %(PriorityQueue expected", function() p.put_nowait(q, 1, 1) end)
    misuse("bad self", function() p.put(1, 1, 1) end)
    assert.equal(0, p:qsize() + q:qsize())
  end)

  it("put, get and join in a callback and in a plain coroutine", function()
    for _, make in ipairs(makers) do
      local q, errors = make(), {}
      for _, name in ipairs { "put", "get", "join" } do
        tide.loop():call_soon(function()
          errors[name] = select(2, pcall(function() q[name](q, 1, 1) end))
        end)
        local wrapped = coroutine.wrap(function() q[name](q, 1, 1) end)
        assert.matches("queue_spec.lua:%d+: '%a+:" .. name .. "' cannot wait in a plain coroutine",
          select(2, pcall(wrapped)))
      end
      sleep(1)
      for name, err in pairs(errors) do
        assert.matches("queue_spec.lua:%d+: '%a+:" .. name .. "' cannot wait in a callback", err)
      end
      assert.equal(0, q:qsize())
    end
  end)

  it("put and get where they would have to wait and cannot", function()
    local q, err = tide.queue(1), nil
    q:put(1)
    table.sort({ 1, 2 }, function()
      err = err or select(2, pcall(q.put, q, 2))
      return false
    end)
    assert.matches("'Queue:put' cannot wait", err)
    q:get()
    err = nil
    table.sort({ 1, 2 }, function()
      err = err or select(2, pcall(q.get, q))
      return false
    end)
    assert.matches("'Queue:get' cannot wait", err)
    assert.equal("Queue<0 items, maxsize 1, 0 getters, 0 putters>", tostring(q))
  end)

  it("but where they need not wait they never fail, nor lose anything", function()
    for _, make in ipairs(makers) do
      local q = make()
      local list, n = {}, 0
      for i = 1, 100 do list[i] = i end
      table.sort(list, function(a, b)
        q:put(a, 1)
        n = n + 1
        assert.is_truthy(q:get())
        return a < b
      end)
      assert.is_true(n > 128)
      assert.equal(0, q:qsize())
    end
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = {}
    for i, make in ipairs(makers) do old[i] = make(1) end
    tide.loop():close()
    local function each()
      for _, q in ipairs(old) do
        for _, name in ipairs { "put", "get", "put_nowait", "get_nowait", "task_done", "join",
          "qsize", "empty", "full", "maxsize", "shutdown", "iter" } do
          misuse("the loop is closed", function() q[name](q, 1, 1) end)
        end
      end
    end
    each()
    run(each)
  end)

  it("88: closed while tasks wait and were granted, it is let go", { task = false }, function()
    for _, make in ipairs(makers) do
      local log, q = {}, make(1)
      local weak = setmetatable({ q, {} }, { __mode = "v" })
      for i = 1, 3 do
        tide.task(function() q:get() log[#log + 1] = i end)
        tide.task(function() for _ = 1, 9 do q:put(weak[2] or {}, 1) end end)
      end
      tide.loop():step(0)
      tide.loop():close()
      q = nil -- luacheck: ignore
      support.collect()
      assert.is_nil(weak[1])
      assert.equal(0, tide.stats().tasks)
    end
  end)
end)
