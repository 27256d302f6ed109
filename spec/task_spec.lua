local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local pcall, run = tide.pcall, testing.run
local methods = run(function() return getmetatable(tide.current_task()).__index end)

--- A task that sleeps and then returns the values.
local function sleeper(seconds, ...)
  local results = pack(...)
  return tide.task(function()
    tide.sleep(seconds)
    return (unpack or table.unpack)(results, 1, results.n) -- luacheck: ignore 113 143
  end)
end

--- A task that awaits `task`; what it got is appended to `log`.
local function awaiter(log, name, task)
  return tide.task(function()
    local ok, got = pcall(methods.await, task)
    log[#log + 1] = name .. ": " .. (ok and tostring(got) or tide.is_cancelled(got) and "cancelled"
      or tostring(got))
    if not ok then
      error(got, 0)
    end
    return got
  end)
end

describe("Task:await", function()
  local many = { n = 200 }
  for i = 1, 200 do
    many[i] = i
  end
  local same = {}
  local results = {
    ["no result"] = { n = 0 }, ["nil"] = { n = 1, nil }, ["false"] = { n = 1, false },
    ["true"] = { n = 1, true }, ["a float"] = { n = 1, 1.5 }, ["an integer"] = { n = 1, 7 },
    ["a string"] = { n = 1, "text" }, ["a table"] = { n = 1, same }, ["200 results"] = many,
    ["nil between others"] = { n = 4, nil, false, same, nil },
  }
  for title, expected in pairs(results) do
    it("gives " .. title .. " again and again, at once and late", function()
      run(function()
        local task = sleeper(1, (unpack or table.unpack)(expected, 1, expected.n)) -- luacheck: ignore
        local other = tide.task(function() return task:await() end)
        for _ = 1, 2 do
          assert.same(expected, pack(task:await()))
          assert.same(expected, pack(task:result()))
        end
        assert.same(expected, pack(other:await()))
        assert.is_nil(task:exception())
        if expected[1] == same then
          assert.equal(same, (task:await()))
        end
      end)
    end)
  end

  if math.type then -- 5.3 and later know integers
    it("keeps integers integers, and floats floats", function()
      run(function()
        assert.equal("integer", math.type(tide.task(function() return 7 end):await()))
        assert.equal("float", math.type(tide.task(function() return 7.0 end):await()))
        local big = tide.task(function() return math.maxinteger end):await()
        assert.equal(math.maxinteger, big)
      end)
    end)
  end

  for title, e in pairs { string = "text", number = 42, ["false"] = false, table = { "an error" },
      ["function"] = print, userdata = io.stdout, ["error of ours"] = tide.OSError "gone" } do
    it("raises the error object unchanged, each time: " .. title, function()
      run(function()
        local task = tide.task(error, e, 0)
        local other = tide.task(function() return pack(pcall(methods.await, task)) end)
        for _, f in ipairs { methods.await, methods.await, methods.result } do
          local ok, got = pcall(f, task)
          assert.is_false(ok)
          assert.is_true(rawequal(e, got))
        end
        assert.is_true(rawequal(e, other:await()[2]))
        assert.is_true(rawequal(e, task:exception()))
        assert.is_false(task:cancelled())
      end)
    end)
  end

  it("63: raises `<no error object>` for a nil error", function()
    run(function()
      local task = tide.task(error)
      assert.same({ false, "<no error object>", n = 2 }, pack(pcall(methods.await, task)))
      assert.equal("<no error object>", task:exception())
    end)
  end)

  it("wakes all who wait in the order they came", function()
    run(function()
      local log, task = {}, sleeper(1, "x")
      local waiters = {}
      for i = 1, 5 do
        waiters[i] = awaiter(log, i, task)
      end
      waiters[5]:await()
      assert.same({ "1: x", "2: x", "3: x", "4: x", "5: x" }, log)
    end)
  end)

  it("62: of a done task does not suspend, but for every 128th time in a row", function()
    run(function()
      local task = sleeper(0, 1)
      task:await()
      local turns = tide.stats().turns
      for _ = 1, 127 do
        task:await()
      end
      assert.equal(turns, tide.stats().turns)
      for _ = 1, 9 * 128 + 1 do
        task:await()
      end
      assert.equal(turns + 10, tide.stats().turns)
    end)
  end)

  it("62: counts those that do not suspend for each task anew", function()
    run(function()
      local done, order = sleeper(0, 1), {}
      done:await()
      for i = 1, 3 do
        tide.task(function()
          for _ = 1, 100 do done:await() end
          order[i] = tide.stats().turns
        end)
      end
      tide.sleep(0)
      assert.equal(order[1], order[2])
      assert.equal(order[1], order[3])
    end)
  end)

  it("32: goes through a chain of 10,000 tasks", function()
    run(function()
      local last = sleeper(1, "deep")
      for _ = 1, 10000 do
        local task = last
        last = tide.task(function() return task:await() end)
      end
      assert.equal("deep", last:await())
    end)
  end)

  it("waits in the main program too", function()
    local task = tide.task(function() return tide.sleep(0, "done") end)
    assert.equal("done", task:await())
    assert.equal("done", task:await())
  end)

  it("fails the task whose body yields to nobody", function()
    run(function()
      for _, f in ipairs { coroutine.yield, function() coroutine.yield(1) end } do
        local ok, e = pcall(methods.await, tide.task(f))
        assert.is_false(ok)
        assert.matches("yielded outside of an await.* tide.sleep%(0%) gives others a turn", e)
      end
    end)
  end)

  it("23: tasks whose handles are gone run on", function()
    run(function()
      local sum = 0
      for i = 1, 100 do
        tide.task(function() tide.sleep(i / 100) sum = sum + 1 end)
      end
      for _ = 1, 12 do
        collectgarbage()
        tide.sleep(0.1)
      end
      assert.equal(100, sum)
    end)
  end)
end)

describe("a cancelled awaiter", function()
  it("that was the last cancels the task, waits for its end and raises", function()
    run(function()
      local log = {}
      local task = tide.task(function()
        local ok, e = pcall(tide.sleep, 60)
        log[#log + 1] = tide.is_cancelled(e) and "task cancelled" or ok
        tide.shield(tide.sleep, 5)
        log[#log + 1] = "task cleaned up"
        error(e, 0)
      end)
      local waiter = awaiter(log, "waiter", task)
      tide.sleep(1)
      local at = tide.loop():time()
      assert.is_true(waiter:cancel())
      pcall(methods.await, waiter)
      assert.is_true(math.abs(tide.loop():time() - at - 5) < 1e-6)
      assert.same({ "task cancelled", "task cleaned up", "waiter: cancelled" }, log)
      assert.is_true(task:cancelled() and waiter:cancelled())
    end)
  end)

  it("that was not the last leaves at once, the task goes on", function()
    run(function()
      local log, task = {}, sleeper(10, "value")
      local first = awaiter(log, "first", task)
      local second = awaiter(log, "second", task)
      tide.sleep(1)
      first:cancel()
      tide.sleep(0) tide.sleep(0)
      assert.same({ "first: cancelled" }, log)
      assert.equal(0, task:cancelling())
      assert.equal("value", second:await())
    end)
  end)

  it("leaves what the task ended with instead in the Task: a value, an error", function()
    run(function()
      for _, ending in ipairs { select, error } do
        local task = tide.task(function()
          pcall(tide.sleep, 60)
          return ending("#", 0) -- "#" is the error; 1 the value
        end)
        local log = {}
        local waiter = awaiter(log, "waiter", task)
        tide.sleep(1)
        waiter:cancel()
        pcall(methods.await, waiter)
        assert.same({ "waiter: cancelled" }, log)
        assert.equal(ending == error and "#" or nil, task:exception())
        assert.is_true(ending == error or task:result() == 1)
        assert.is_false(task:cancelled())
      end
    end)
  end)

  it("that enters the await cancelled raises without touching the task", function()
    run(function()
      local task, log = sleeper(5, "value"), {}
      local done = sleeper(0, "ready")
      done:await()
      local waiter = tide.task(function()
        log[1] = select(2, pcall(methods.await, task))
        log[2] = select(2, pcall(methods.await, done))
      end)
      waiter:cancel()
      waiter:await()
      assert.is_true(tide.is_cancelled(log[1]) and tide.is_cancelled(log[2]))
      assert.equal(0, task:cancelling())
      assert.equal("value", task:await())
    end)
  end)

  it("of several in one turn only the last cancels the task", function()
    run(function()
      local log, task = {}, sleeper(60)
      local waiters = {}
      for i = 1, 3 do
        waiters[i] = awaiter(log, i, task)
      end
      tide.sleep(1)
      waiters[3]:cancel() waiters[1]:cancel()
      assert.equal(0, task:cancelling())
      waiters[2]:cancel()
      assert.equal(1, task:cancelling())
      pcall(methods.await, waiters[2])
      assert.same({ "3: cancelled", "1: cancelled", "2: cancelled" }, log)
    end)
  end)

  it("counts though a shielded one is there", function()
    run(function()
      local log, task = {}, sleeper(60)
      local shielded = tide.task(function() return tide.shield(task) end)
      local waiter = awaiter(log, "waiter", task)
      tide.sleep(1)
      shielded:cancel()
      tide.sleep(0)
      assert.equal(0, task:cancelling())
      waiter:cancel()
      assert.equal(1, task:cancelling())
      pcall(methods.await, waiter)
      assert.is_true(task:cancelled())
    end)
  end)

  it("that is joined by another while it waits for the end still raises", function()
    run(function()
      local log = {}
      local task = tide.task(function()
        pcall(tide.sleep, 60)
        tide.shield(tide.sleep, 5)
        return "late"
      end)
      local first = awaiter(log, "first", task)
      tide.sleep(1)
      first:cancel()
      tide.sleep(1)
      local second = awaiter(log, "second", task)
      assert.equal("late", second:await())
      assert.same({ "first: cancelled", "second: late" }, log)
    end)
  end)

  it("5: woken and then cancelled gets the result; its next await raises", function()
    run(function()
      local task, log = sleeper(1, "granted"), {}
      local waiter = tide.task(function()
        log[1] = task:await()
        log[2] = tide.is_cancelled(select(2, pcall(tide.sleep, 0)))
      end)
      task:add_done_callback(function() waiter:cancel() end)
      waiter:await()
      assert.same({ "granted", true }, log)
    end)
  end)

  it("6: who awaits a task that is cancelled gets its CancelledError, and ends so", function()
    run(function()
      local task = sleeper(60)
      local waiter = tide.task(function() return task:await() end)
      tide.sleep(1)
      task:cancel("why")
      local _, e = pcall(methods.await, waiter)
      assert.equal(e, select(2, pcall(methods.await, task)))
      assert.equal("why", e.reason)
      assert.is_true(waiter:cancelled())
    end)
  end)

  for _, n in ipairs { 100, 100000 } do
    it(("cancels a chain of %d awaits to its end"):format(n), function()
      run(function()
        local first = sleeper(60)
        local last = first
        for _ = 1, n do
          local task = last
          last = tide.task(function() return task:await() end)
        end
        tide.sleep(1)
        last:cancel()
        assert.is_false((pcall(methods.await, last)))
        assert.is_true(first:cancelled() and last:cancelled())
      end)
    end)
  end

  it("gives two tasks that await each other an end", function()
    run(function()
      local a, b
      a = tide.task(function() return b:await() end)
      b = tide.task(function() return a:await() end)
      tide.sleep(1)
      a:cancel()
      tide.sleep(1)
      assert.is_true(a:cancelled() and b:cancelled())
    end)
  end)
end)

describe("Task", function()
  it("20, 54: its result and exception are read once it ended, and never set", function()
    assert.is_nil(methods.set_result or methods.set_exception)
    run(function()
      local task = sleeper(1)
      for _, f in ipairs { methods.result, methods.exception } do
        local ok, e = pcall(f, task)
        assert.is_false(ok)
        assert.is_true(tide.is(e, tide.InvalidStateError))
      end
      assert.is_false(task:done() or task:cancelled())
      task:await()
      assert.is_true(task:done())
      assert.is_false(task:cancelled())
    end)
  end)

  it("26: current_task is right across interleaving, nil outside", function()
    assert.is_nil(tide.current_task())
    run(function()
      local main, inside, tasks = tide.current_task(), {}, {}
      for i = 1, 3 do
        tasks[i] = tide.task(function()
          for n = 1, 3 do
            tide.sleep(n % i)
            inside[#inside + 1] = tide.current_task() == tasks[i]
            coroutine.wrap(function() inside[#inside + 1] = tide.current_task() == tasks[i] end)()
          end
        end)
      end
      local callback = "not called"
      tide.loop():call_soon(function() callback = tide.current_task() end)
      tide.sleep(10)
      assert.is_nil(callback)
      assert.equal(main, tide.current_task())
      assert.equal(18, #inside)
      for i = 1, 18 do
        assert.is_true(inside[i])
      end
    end)
    assert.is_nil(tide.current_task())
  end)

  it("27: all_tasks holds the unfinished ones, each once", function()
    assert.same({}, tide.all_tasks())
    run(function()
      local set, fresh, done = {}, sleeper(1), tide.task(function() end)
      done:await()
      for _, task in ipairs(tide.all_tasks()) do
        set[task] = (set[task] or 0) + 1
      end
      assert.same({ [tide.current_task()] = 1, [fresh] = 1 }, set)
    end)
    assert.same({}, tide.all_tasks())
  end)

  it("28: automatic names increase; set_name returns the task", function()
    run(function()
      local a, b = sleeper(1, "x"), sleeper(1)
      local n = tonumber(a:get_name():match "^task%-(%d+)$")
      assert.equal(("task-%d"):format(n + 1), b:get_name())
      assert.equal(a, a:set_name("alpha"))
      assert.equal("alpha", a:get_name())
      collectgarbage()
      assert.equal("x", a:await())
      assert.equal("x", a:set_name("beta"):await())
      assert.equal("beta", a:get_name())
    end)
  end)

  it("28: tostring shows the name, the state and what it waits for", function()
    run(function()
      local task = sleeper(60):set_name("t")
      local waiter = tide.task(function() return tide.shield(methods.await, task) end):set_name("w")
      local failed = tide.task(error, "x", 0):set_name("f")
      assert.equal("Task<t pending>", tostring(task))
      tide.sleep(1)
      assert.equal("Task<t pending in sleep>", tostring(task))
      assert.equal("Task<w pending in await of t>", tostring(waiter))
      task:cancel()
      assert.matches("^Task<t cancelling", tostring(task))
      pcall(methods.await, waiter)
      assert.equal("Task<t cancelled>", tostring(task))
      assert.equal("x", failed:exception())
      assert.equal("Task<f failed>", tostring(failed))
      assert.equal("Task<m pending>", tostring(tide.current_task():set_name("m")))
      local done = sleeper(0):set_name("d")
      done:await()
      assert.equal("Task<d finished>", tostring(done))
    end)
  end)
end)
