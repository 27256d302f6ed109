local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now, misuse = support.now, support.misuse

local run, pcall = testing.run, tide.pcall

--- The order in which `count` tasks get their turns, as a string.
local function order_of(options, count, turns)
  local order = {}
  run(function()
    local tasks = {}
    for i = 1, count or 6 do
      tasks[i] = tide.task(function()
        for _ = 1, turns or 1 do
          order[#order + 1] = i
          tide.sleep(0)
        end
      end)
    end
    for _, task in ipairs(tasks) do
      task:await()
    end
  end, options)
  return table.concat(order, " ")
end

local function real_time_passes()
  local before, start = now(), os.clock()
  while now() == before and os.clock() - start < 1 do end -- luacheck: ignore 542
  return now() > before
end

describe("the modules that are loaded when asked for", function()
  it("are fields of tide", function()
    local text, status = support.child [[
      local tide = require "tide"
      for _, name in ipairs {
        "debug", "dns", "fs", "net", "process", "signal", "stdio", "testing",
      } do
        assert(not package.loaded["tide." .. name], name)
        assert(tide[name] == require("tide." .. name), name)
      end
      assert(tide.testings == nil)]]
    assert.same({ "", 0 }, { text, status })
  end)
end)

describe("testing.run", function()
  it("runs fn in a task and returns its results, or raises its error unchanged", function()
    local task
    assert.same({ 1, nil, 3 }, { run(function()
      task = tide.current_task()
      return 1, nil, tide.sleep(1, 3)
    end) })
    assert.is_not_nil(task)
    local err = {}
    assert.equal(err, select(2, pcall(run, function() error(err, 0) end)))
    assert.equal("<no error object>", select(2, pcall(run, function() error() end)))
  end)

  it("has a virtual clock unless told otherwise, also with a seed", function()
    for _, options in ipairs { "none", {}, { clock = "virtual" }, { seed = 3 } } do
      local start, clock = now(), os.clock()
      run(function() tide.sleep(3600) end, options ~= "none" and options or nil)
      assert.near(3600, now() - start, 1)
      assert.is_true(os.clock() - clock < 5)
    end
  end)

  it("T23: time stands still while a task can run, and jumps to the next deadline", function()
    run(function()
      local start = now()
      for _ = 1, 1000 do
        tide.sleep(0)
        tide.next_tick()
      end
      assert.equal(start, now())
      local times = {}
      local tasks = {}
      for i, seconds in ipairs { 3, 1, 2, 1 } do
        tasks[i] = tide.task(function()
          tide.sleep(seconds)
          times[#times + 1] = ("%d:%.6f"):format(i, now() - start)
          for _ = 1, 10 do
            tide.sleep(0) -- time waits for it
          end
        end)
      end
      tide.loop():call_later(1.5, function()
        times[#times + 1] = ("call:%.6f"):format(now() - start)
      end)
      for _, task in ipairs(tasks) do
        task:await()
      end
      assert.same({ "2:1.000000", "4:1.000000", "call:1.500000", "3:2.000000", "1:3.000000" },
        times)
    end)
  end)

  it("T23: time does not jump while a deadline is not reached that was cancelled", function()
    run(function()
      local start = now()
      assert.equal("value", tide.timeout(50, tide.sleep, 1, "value"))
      local handle = tide.loop():call_later(20, error)
      handle:cancel()
      tide.sleep(1)
      assert.near(2, now() - start, 1e-6)
    end)
  end)

  it("a deadlock is told at once", function()
    local err = select(2, pcall(run, function()
      local other
      local task = tide.task(function() other:await() end)
      other = tide.task(function() task:await() end)
      task:await()
    end))
    assert.is_true(tide.is(err, tide.DeadlockError))
    assert.is_true(real_time_passes())
  end)

  it("after it the real clock goes on from there, never back", function()
    local before = now()
    run(function() tide.sleep(100) end)
    local after = now()
    assert.is_true(after >= before + 100)
    assert.is_true(after < before + 101)
    assert.is_true(real_time_passes())
    run(function()
      assert.is_true(now() >= after)
      local start = now()
      tide.sleep(0.001)
      assert.is_true(now() >= start + 0.001)
    end, { clock = "real" })
  end)

  it("the real clock and FIFO order are back after an error or a cancel", function()
    for _, fails in ipairs {
      function() error("failed") end,
      function()
        tide.current_task():cancel()
        tide.sleep(1)
      end,
    } do
      assert.is_false((pcall(run, fails, { seed = 5 })))
      assert.is_true(real_time_passes())
      local order = {}
      tide.run(function()
        local last
        for i = 1, 9 do
          last = tide.task(function() order[i] = #order + 1 end)
        end
        last:await()
      end)
      assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, order)
    end
  end)

  it("T24: a seed shuffles the ready order, the same each time", function()
    local plain, different = order_of(nil, 6, 2), {}
    assert.equal("1 2 3 4 5 6 1 2 3 4 5 6", plain)
    assert.equal(plain, order_of({ seed = 0 }, 6, 2))
    local kinds = 0
    for seed = 1, 20 do
      local order = order_of({ seed = seed }, 6, 2)
      assert.equal(order, order_of({ seed = seed }, 6, 2))
      kinds = kinds + (different[order] and 0 or 1)
      different[order] = true
    end
    assert.is_true(kinds >= 15, "only " .. kinds .. " orders")
    assert.equal(plain, order_of(nil, 6, 2))
  end)

  it("T24: a seed keeps all tasks and each task's own order", function()
    for seed = 1, 20 do
      local counts, seen = {}, {}
      for i in order_of({ seed = seed }, 50, 3):gmatch("%d+") do
        counts[i] = (counts[i] or 0) + 1
        seen[#seen + 1] = i
      end
      assert.equal(150, #seen)
      for i = 1, 50 do
        assert.equal(3, counts[tostring(i)])
      end
    end
  end)

  it("a seed does not reorder callbacks, or timers of different times", function()
    for seed = 1, 20 do
      run(function()
        local order = {}
        for i = 1, 5 do
          tide.loop():call_soon(function() order[#order + 1] = i end)
        end
        local tasks = {}
        for i = 1, 5 do
          tasks[i] = tide.task(function()
            tide.sleep(i)
            order[#order + 1] = 5 + i
          end)
        end
        tasks[5]:await()
        assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
      end, { seed = seed })
    end
  end)

  it("cancels and awaits what is left, as run", function()
    local cleaned
    run(function()
      tide.task(tide.finally, function() tide.sleep(100) end, function()
        tide.sleep(1)
        cleaned = true
      end)
      tide.sleep(1)
    end)
    assert.is_true(cleaned)
    assert.equal(0, tide.stats().tasks)
  end)

  it("is misused", function()
    misuse("#1 to 'testing.run' %(function", function() run(5) end)
    misuse("#2 to 'testing.run' %(table", function() run(print, 5) end)
    misuse("#2 to 'testing.run' .*clock", function() run(print, { clock = "slow" }) end)
    misuse("#2 to 'testing.run' .*seed", function() run(function() end, { seed = "x" }) end)
    run(function()
      misuse("cannot be called while the loop runs", function() run(print) end)
      local start = now()
      tide.sleep(50) -- the clock is still virtual
      assert.near(50, now() - start, 1e-6)
    end)
  end)
end)

describe("wait_all_tasks_blocked", function()
  it("T23: returns when every other task is blocked, before time jumps", function()
    run(function()
      local log, start = {}, now()
      local task = tide.task(function()
        for i = 1, 5 do
          tide.sleep(0)
          log[#log + 1] = i
        end
        tide.sleep(10)
        log[#log + 1] = "slept"
      end)
      tide.loop():call_later(5, function() log[#log + 1] = "called" end)
      testing.wait_all_tasks_blocked()
      assert.same({ 1, 2, 3, 4, 5 }, log)
      assert.equal(start, now())
      task:await()
      assert.same({ 1, 2, 3, 4, 5, "called", "slept" }, log)
    end)
  end)

  it("several of them return together, alone it returns at once", function()
    run(function()
      testing.wait_all_tasks_blocked()
      testing.wait_all_tasks_blocked()
      local log = {}
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = tide.task(function()
          for _ = 1, i do
            tide.sleep(0)
          end
          testing.wait_all_tasks_blocked()
          log[#log + 1] = i
        end)
      end
      for _, task in ipairs(tasks) do
        task:await()
      end
      assert.same({ 1, 2, 3 }, log)
    end)
  end)

  it("waits for callbacks of the loop and what they wake", function()
    run(function()
      local log = {}
      tide.loop():call_soon(function()
        log[1] = "callback"
        tide.loop():call_soon(function()
          log[2] = "its callback"
          tide.task(function()
            tide.sleep(0)
            log[3] = "its task"
          end)
        end)
      end)
      testing.wait_all_tasks_blocked()
      assert.same({ "callback", "its callback", "its task" }, log)
    end)
  end)

  it("a task in park, await or sleep for ever is blocked", function()
    run(function()
      local wake
      local parked = tide.task(function() return tide.park(function(w) wake = w end) end)
      local waiting = tide.task(function() return parked:await() end)
      local forever = tide.task(tide.sleep, math.huge)
      testing.wait_all_tasks_blocked()
      wake("woken")
      testing.wait_all_tasks_blocked()
      assert.same({ "woken", "woken", false },
        { parked:result(), waiting:result(), forever:done() })
      forever:cancel()
    end)
  end)

  it("can be cancelled and timed out; on the real clock and in the main program too", function()
    run(function()
      local busy = true
      local task = tide.task(function()
        while busy do
          tide.next_tick()
        end
      end)
      local waiter = tide.task(testing.wait_all_tasks_blocked)
      for _ = 1, 5 do
        tide.sleep(0)
      end
      assert.is_false(waiter:done())
      waiter:cancel()
      tide.sleep(0)
      assert.is_true(waiter:cancelled())
      busy = false
      task:await()
    end)
    run(function()
      local task = tide.task(tide.sleep, 60)
      testing.wait_all_tasks_blocked()
      assert.is_false(task:done())
      task:cancel()
    end, { clock = "real" })
    local ran = false
    local task = tide.task(function() ran = true end)
    testing.wait_all_tasks_blocked()
    assert.same({ true, true }, { ran, task:done() })
  end)
end)
