local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local turns = support.turns

local makers = {
  queue = tide.queue, lifo_queue = tide.lifo_queue, priority_queue = tide.priority_queue,
}

--- The test for each kind of queue.
local function each_it(title, fn)
  for name, make in pairs(makers) do
    it(title .. " (" .. name .. ")", function() fn(make) end)
  end
end

local function filled(make, maxsize, n)
  local q = make(maxsize)
  for i = 1, n do q:put(i, i) end
  return q
end

local function drained(q)
  local n = 0
  while q:get_nowait() ~= nil do n = n + 1 end
  return n
end

describe("a queue that is shut down", function()
  each_it("78: refuses who waits in get, and join returns", function(make)
    local q, results = make(), {}
    for i = 1, 2 do
      tide.task(function() results[i] = pack(q:get()) end)
    end
    turns(1)
    assert.same(pack(), pack(q:shutdown()))
    assert.same({}, results) -- never inside shutdown
    turns(1)
    assert.same({ pack(nil, "shutdown"), pack(nil, "shutdown") }, results)
    q:join()
    assert.same(pack(nil, "shutdown"), pack(q:get()))
    assert.same(pack(nil, "shutdown"), pack(q:get_nowait()))
  end)

  each_it("79: raises in put, also for who waits there", function(make)
    local q = filled(make, 1, 1)
    local a, b = tide.task(q.put, q, 2, 2), tide.task(q.put, q, 3, 3)
    turns(1)
    q:shutdown()
    raises(tide.QueueShutDown, a.await, a)
    raises(tide.QueueShutDown, b.await, b)
    raises(tide.QueueShutDown, q.put, q, 4, 4)
    assert.same(pack(nil, "shutdown"), pack(q:put_nowait(5, 5)))
    assert.equal(1, q:qsize())
  end)

  each_it("79: still gives what it holds, and join waits for it", function(make)
    local q, joined = filled(make, nil, 3), false
    tide.task(function() q:join() joined = true end)
    q:shutdown()
    q:shutdown()
    for _ = 1, 2 do
      assert.is_number(q:get())
      q:task_done()
    end
    assert.is_number(q:get_nowait())
    assert.same(pack(nil, "shutdown"), pack(q:get()))
    turns(1)
    assert.is_false(joined)
    q:task_done()
    turns(1)
    assert.is_true(joined)
    misuse("called more often", function() q:task_done() end)
  end)

  each_it("80: immediately drops what it holds and wakes join", function(make)
    local q, joined = filled(make, 3, 3), false
    tide.task(function() q:join() joined = true end)
    local putter = tide.task(q.put, q, 4, 4)
    turns(1)
    q:shutdown(true)
    assert.equal(0, q:qsize())
    raises(tide.QueueShutDown, putter.await, putter)
    assert.is_true(joined)
    assert.same(pack(nil, "shutdown"), pack(q:get()))
    misuse("called more often", function() q:task_done() end)
    q:shutdown(true)
  end)

  each_it("81: immediately, with items in hand: join waits for them", function(make)
    local q, joined = filled(make, nil, 3), false
    q:get()
    tide.task(function() q:join() joined = true end)
    q:shutdown(true)
    turns(2)
    assert.is_false(joined)
    q:task_done()
    turns(1)
    assert.is_true(joined)
  end)

  each_it("80: immediately after plainly", function(make)
    local q = filled(make, nil, 3)
    q:shutdown()
    assert.equal(3, q:qsize())
    q:shutdown(true)
    assert.equal(0, drained(q))
    q:join()
  end)

  each_it("drops nothing that a woken getter was handed", function(make)
    for _, cancel in ipairs { false, true } do
      local q, got = make(), {}
      local tasks = {}
      for i = 1, 2 do
        tasks[i] = tide.task(function()
          local item = q:get()
          got[#got + 1] = item
        end)
      end
      turns(1)
      for i = 1, 4 do q:put(i, i) end
      q:shutdown(true)
      if cancel then
        tasks[1]:cancel()
      end
      turns(1)
      table.sort(got)
      assert.same({ 1, 2 }, got)
      assert.same(pack(nil, "shutdown"), pack(q:get()))
      q:task_done()
      q:task_done()
      q:join()
    end
  end)

  each_it("and a get in one turn: whoever was served before stays so", function(make)
    local q, log = make(), {}
    for i = 1, 2 do
      tide.task(function()
        local item, message = q:get()
        log[i] = item or message
      end)
    end
    turns(1)
    q:put("item", 1)
    q:shutdown()
    turns(1)
    assert.same({ "item", "shutdown" }, log)
  end)

  each_it("refuses a cancelled task with its cancel", function(make)
    for first = 1, 2 do
      local q = make(1)
      local getter = tide.task(q.get, q)
      turns(1)
      if first == 1 then getter:cancel() end
      q:shutdown()
      if first == 2 then getter:cancel() end
      raises(tide.CancelledError, getter.await, getter)
      q = filled(make, 1, 1)
      local putter = tide.task(q.put, q, 2, 2)
      turns(1)
      if first == 1 then putter:cancel() end
      q:shutdown()
      if first == 2 then putter:cancel() end
      raises(tide.CancelledError, putter.await, putter)
      assert.equal(1, q:qsize())
    end
  end)

  each_it("ends a loop over its items in every consumer", function(make)
    local q, sum, ended = make(2), 0, 0
    for _ = 1, 3 do
      tide.task(function()
        local item = q:get()
        while item do
          sum = sum + item
          q:task_done()
          item = q:get()
        end
        ended = ended + 1
      end)
    end
    for i = 1, 10 do q:put(i, i) end
    q:shutdown()
    q:join()
    turns(2)
    assert.same({ 55, 3 }, { sum, ended })
  end)

  it("a putter that was admitted has put, unless it had to sort its item in yet", function()
    for name, make in pairs(makers) do
      local q = filled(make, 1, 1)
      local task = tide.task(q.put, q, 2, 2)
      turns(1)
      assert.equal(1, q:get())
      q:shutdown()
      if name == "priority_queue" then
        raises(tide.QueueShutDown, task.await, task)
        assert.same(pack(nil, "shutdown"), pack(q:get()))
      else
        task:await()
        assert.equal(2, q:get())
      end
      assert.is_false(name == "priority_queue" and q:full())
    end
  end)
end)
