local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall, run = tide.pcall, testing.run

local function near(seconds, since)
  local passed = tide.loop():time() - since
  assert(math.abs(passed - seconds) < 1e-6, ("%g passed, not %g"):format(passed, seconds))
end

--- Whether the call raises a cancellation.
local function is_raised(f, ...)
  local ok, e = pcall(f, ...)
  return not ok and tide.is_cancelled(e)
end

describe("sleep", function()
  it("33: sleep(0) gives exactly one turn, and returns its result", function()
    run(function()
      local order = {}
      tide.loop():call_soon(function() order[#order + 1] = "callback" end)
      local task = tide.task(function()
        order[#order + 1] = "task"
        tide.sleep(0)
        order[#order + 1] = "task again"
      end)
      assert.equal("result", tide.sleep(0, "result"))
      order[#order + 1] = "main"
      task:await()
      assert.same({ "callback", "task", "main", "task again" }, order)
    end)
  end)

  it("33: returns its result, whatever it is: one value, nil without", function()
    run(function()
      local object = {}
      for _, seconds in ipairs { 0, -1, 1 } do
        assert.equal(object, tide.sleep(seconds, object))
        assert.is_false(tide.sleep(seconds, false))
        assert.equal(1, select("#", tide.sleep(seconds, 1, 2, 3)))
        assert.is_nil((tide.sleep(seconds)))
      end
    end)
    assert.equal("main program", tide.sleep(0, "main program"))
  end)

  it("lasts as long as it says and never less", function()
    run(function()
      for _, seconds in ipairs { 1e-9, 1e-4, 0.1, 0.3, 1, 1.0005, 86400, 1e6 } do
        local start = tide.loop():time()
        tide.sleep(seconds)
        near(seconds, start)
      end
    end)
    run(function()
      local start = tide.loop():time()
      for _ = 1, 5 do
        tide.sleep(0.0011)
      end
      assert.is_true(tide.loop():time() - start >= 0.0055 - 1e-9)
    end, { clock = "real" })
  end)

  it("ends in order of time, and of the calls when due together", function()
    run(function()
      local order = {}
      for i, seconds in ipairs { 3, 1, 2, 1, 0.5, 3, 1 } do
        tide.task(function()
          tide.sleep(seconds)
          order[#order + 1] = i
        end)
      end
      tide.sleep(10)
      assert.same({ 5, 2, 4, 7, 3, 1, 6 }, order)
    end)
  end)

  it("negative, and minus infinity, are 0: one turn, no time", function()
    run(function()
      for _, seconds in ipairs { -1, -1e300, -math.huge, -0.0 } do
        local start, turns = tide.loop():time(), tide.stats().turns
        tide.sleep(seconds)
        assert.equal(start, tide.loop():time())
        assert.equal(turns + 1, tide.stats().turns)
      end
    end)
  end)

  for _, seconds in ipairs { math.huge, 1e300, 1e18 } do
    it(("for %g seconds ends by a cancel only"):format(seconds), function()
      run(function()
        local task = tide.task(tide.sleep, seconds)
        tide.sleep(1e6)
        assert.is_false(task:done())
        task:cancel()
        assert.is_true(is_raised(task.await, task))
      end)
    end)
  end

  it("math.huge is no deadlock: a timer, a callback can still come", function()
    run(function()
      local main = tide.current_task()
      tide.loop():call_later(5, function() main:cancel() end)
      assert.is_true(is_raised(tide.sleep, math.huge))
      main:uncancel()
    end)
  end)

  it("34: of NaN is an error, and nothing has changed", function()
    run(function()
      local turns = tide.stats().turns
      local ok, e = pcall(function() tide.sleep(0 / 0) end)
      assert.is_false(ok)
      assert.matches("'tide.sleep'.*NaN", e)
      assert.equal(turns, tide.stats().turns)
      assert.equal(0, tide.stats().timers)
    end)
  end)
end)

describe("a cancelled sleep", function()
  it("4: cancels its timer and takes no time", function()
    run(function()
      local start = tide.loop():time()
      local tasks = {}
      for i = 1, 100 do
        tasks[i] = tide.task(tide.sleep, 60 + i)
      end
      tide.sleep(1)
      assert.equal(100, tide.stats().timers)
      for i = 100, 1, -1 do
        tasks[i]:cancel()
      end
      assert.equal(0, tide.stats().timers)
      for i = 1, 100 do
        assert.is_true(is_raised(tasks[i].await, tasks[i]))
      end
      near(1, start)
    end)
  end)

  it("5: raises though its task was ready to go on already", function()
    run(function()
      local task = tide.task(function() return is_raised(tide.sleep, 0) end)
      tide.sleep(0)
      assert.equal(1, tide.stats().ready)
      task:cancel()
      assert.is_true(task:await())
      assert.is_false(task:cancelled())
    end)
  end)

  it("5: in the turn in which its timer fired raises", function()
    run(function()
      local log, task = {}, nil
      tide.task(function()
        tide.sleep(1)
        log[1] = "first"
        task:cancel() -- due at the same time, woken in the same poll
      end)
      task = tide.task(function()
        log[2] = is_raised(tide.sleep, 1)
      end)
      task:await()
      assert.same({ "first", true }, log)
    end)
  end)

  it("9, T1: each of the next raises too, and gives up its turn", function()
    run(function()
      local raised, other = {}, 0
      local task = tide.task(function()
        for i, seconds in ipairs { 60, 0, -1, 60, math.huge } do
          raised[i] = is_raised(tide.sleep, seconds)
        end
        raised[6] = is_raised(tide.next_tick)
      end)
      tide.sleep(0)
      tide.task(function()
        while not task:done() do
          other = other + 1
          tide.sleep(0)
        end
      end)
      task:cancel()
      task:await()
      assert.same({ true, true, true, true, true, true }, raised)
      assert.is_true(other >= 5)
    end)
  end)

  it("survives a coroutine of tide.coroutine and a tide.pcall around it", function()
    run(function()
      local task = tide.task(function()
        local co = tide.coroutine.create(function() tide.sleep(60) end)
        local ok, e = tide.coroutine.resume(co)
        local first = not ok and tide.is_cancelled(e)
        return first, is_raised(tide.sleep, 60), is_raised(tide.sleep, 60)
      end)
      tide.sleep(1)
      task:cancel()
      assert.same({ true, true, true }, { task:await() })
    end)
  end)

  it("10: of a task that cancels itself is its next, inside a coroutine too", function()
    run(function()
      local function cancel_self()
        assert(tide.current_task():cancel("own"))
      end
      local task = tide.task(function()
        cancel_self()
        return is_raised(tide.sleep, 0)
      end)
      local nested = tide.task(function()
        tide.coroutine.wrap(cancel_self)()
        return is_raised(tide.sleep, 0), is_raised(tide.sleep, 0)
      end)
      assert.is_true(task:await())
      assert.same({ true, true }, { nested:await() })
    end)
  end)

  it("T6: in a shield is not raised; after it it is", function()
    run(function()
      local start = tide.loop():time()
      local task = tide.task(function()
        local slept = tide.shield(tide.sleep, 5, "slept")
        return slept, tide.loop():time(), is_raised(tide.sleep, 60)
      end)
      tide.sleep(1)
      task:cancel()
      local slept, at, raised = task:await()
      assert.equal("slept", slept)
      assert.is_true(math.abs(at - start - 5) < 1e-6)
      assert.is_true(raised)
    end)
  end)
end)

describe("Task:cancel", function()
  it("1: is true for a pending task, which ends cancelled; false for a done one", function()
    run(function()
      local task = tide.task(tide.sleep, 60)
      assert.is_true(task:cancel())
      assert.is_true(is_raised(task.await, task))
      assert.is_true(task:done() and task:cancelled())
      assert.is_false(task:cancel())
      local done = tide.task(function() return "value" end)
      done:await()
      assert.is_false(done:cancel("late"))
      assert.is_false(done:cancelled())
      assert.equal("value", done:result())
      assert.is_true(is_raised(task.result, task))
      assert.is_true(is_raised(task.exception, task))
    end)
  end)

  it("2: cancelling() counts, uncancel() lowers, at 0 the cancel is lifted", function()
    run(function()
      local task = tide.task(function()
        local me = tide.current_task()
        local first = is_raised(tide.sleep, 60)
        local rest = { me:uncancel(), is_raised(tide.sleep, 1), me:uncancel(), me:uncancel() }
        return first, rest, tide.sleep(1, "slept"), me:cancelling()
      end)
      assert.equal(0, task:cancelling())
      tide.sleep(0)
      assert.is_true(task:cancel())
      assert.is_true(task:cancel())
      assert.equal(2, task:cancelling())
      local first, rest, slept, count = task:await()
      assert.is_true(first)
      assert.same({ 1, true, 0, 0 }, rest)
      assert.equal("slept", slept)
      assert.equal(0, count)
      assert.equal(0, task:cancelling())
    end)
  end)

  it("2, 16: no scope decides by the count", function()
    run(function()
      local task = tide.task(function()
        local me = tide.current_task()
        me:cancel()
        local held = tide.pcall(tide.move_on_after, 0, tide.sleep, 60)
        me:uncancel()
        return held, tide.move_on_after(1, tide.sleep, 60), me:cancelling()
      end)
      assert.same({ false, false, 0 }, { task:await() })
    end)
  end)

  it("3, T5: before its first step lets it run to its first await", function()
    run(function()
      local log = {}
      local task = tide.task(function(...)
        log[#log + 1] = ...
        tide.current_task()
        tide.sleep(0)
        log[#log + 1] = "went on"
      end, "started")
      task:cancel("early")
      local ok, e = pcall(task.await, task)
      assert.is_false(ok)
      assert.equal("early", e.reason)
      assert.same({ "started" }, log)
    end)
  end)

  it("11, T3: from outside, never delivered, dies with the task", function()
    run(function()
      local task = tide.task(function() return "value" end)
      local failed = tide.task(error, "boom", 0)
      task:cancel()
      failed:cancel()
      assert.equal("value", task:await())
      assert.is_false(task:cancelled())
      assert.equal("boom", failed:exception())
    end)
  end)

  it("8: caught, and a value returned, is a success; another error a failure", function()
    run(function()
      local task = tide.task(function()
        pcall(tide.sleep, 60)
        return "value"
      end)
      local failed = tide.task(function()
        pcall(tide.sleep, 60)
        error("boom", 0)
      end)
      tide.sleep(1)
      task:cancel()
      failed:cancel()
      assert.equal("value", task:await())
      assert.is_false(task:cancelled())
      assert.equal("boom", select(2, pcall(failed.await, failed)))
      assert.is_false(failed:cancelled())
    end)
  end)

  it("13: its reason, of any kind, comes with the error wherever it goes", function()
    run(function()
      for _, reason in ipairs { "why", { 1 }, 42, false, print } do
        local task = tide.task(tide.sleep, 60)
        tide.sleep(0)
        task:cancel(reason)
        local errors = {}
        for _, f in ipairs { task.await, task.result, task.exception } do
          local _, e = pcall(f, task)
          errors[#errors + 1] = e
          assert.equal(reason, e.reason)
        end
        assert.equal(errors[1], errors[2])
        assert.equal(errors[1], errors[3])
      end
      local task = tide.task(tide.sleep, 60)
      task:cancel("why")
      local _, e = pcall(task.await, task)
      assert.equal("CancelledError: cancelled: why", tostring(e))
    end)
  end)

  it("13: the reason is the last one's, and a lifted cancel takes it along", function()
    run(function()
      local function reason_of(f)
        local task = tide.task(function()
          local ok, e = pcall(tide.sleep, 60)
          assert(not ok)
          return e.reason
        end)
        f(task)
        return (task:await())
      end
      assert.equal("two", reason_of(function(task) task:cancel("one") task:cancel("two") end))
      assert.is_nil(reason_of(function(task)
        task:cancel("old")
        task:uncancel()
        task:cancel()
      end))
    end)
  end)

  it("11: of itself in its last step ends it cancelled, its reason kept", function()
    run(function()
      for _, inside in ipairs { false, true } do
        local function last() tide.current_task():cancel("last") end
        local task = tide.task(function()
          if inside then
            tide.coroutine.wrap(last)()
          else
            last()
          end
          return "value"
        end)
        local ok, e = pcall(task.await, task)
        assert.is_false(ok)
        assert.is_true(tide.is_cancelled(e) and task:cancelled())
        assert.equal("last", e.reason)
        assert.is_true(is_raised(task.result, task))
      end
    end)
  end)

  it("11: of itself, lifted, caught or overtaken by an error, does not", function()
    run(function()
      local lifted = tide.task(function()
        local me = tide.current_task()
        me:cancel()
        me:uncancel()
        return "lifted"
      end)
      local caught = tide.task(function()
        tide.current_task():cancel()
        pcall(tide.sleep, 0)
        return "caught"
      end)
      local failed = tide.task(function()
        tide.current_task():cancel()
        error("boom", 0)
      end)
      assert.equal("lifted", lifted:await())
      assert.equal("caught", caught:await())
      assert.equal("boom", select(2, pcall(failed.await, failed)))
      assert.is_false(lifted:cancelled() or caught:cancelled() or failed:cancelled())
    end)
  end)

  it("from a callback, the main program and a coroutine works as from a task", function()
    local sleeper = tide.task(tide.sleep, 60)
    sleeper:cancel("main program")
    assert.is_true(is_raised(sleeper.await, sleeper))
    run(function()
      local tasks = {}
      for i = 1, 2 do
        tasks[i] = tide.task(tide.sleep, 60)
      end
      tide.loop():call_soon(tasks[1].cancel, tasks[1], "callback")
      coroutine.wrap(function() tasks[2]:cancel("coroutine") end)()
      assert.equal("callback", select(2, pcall(tasks[1].await, tasks[1])).reason)
      assert.equal("coroutine", select(2, pcall(tasks[2].await, tasks[2])).reason)
    end)
  end)
end)

describe("next_tick", function()
  it("waits until the next turn of run", function()
    run(function()
      for _ = 1, 3 do
        local turns, time = tide.stats().turns, tide.loop():time()
        assert.equal(0, select("#", tide.next_tick()))
        assert.equal(turns + 1, tide.stats().turns)
        assert.equal(time, tide.loop():time())
      end
    end)
  end)

  it("waits until the host's next step, however many turns that one takes", function()
    local loop = tide.loop()
    local frames, turns = 0, 0
    local game = tide.task(function()
      for _ = 1, 3 do
        tide.next_tick()
        frames = frames + 1
      end
    end)
    local busy = tide.task(function()
      while true do
        for _ = 1, 20 do
          tide.sleep(0)
          turns = turns + 1
        end
        tide.next_tick()
      end
    end)
    for i = 0, 3 do
      loop:step(10)
      assert.equal(i, frames)
      assert.equal(20 * (i + 1), turns)
    end
    assert.is_true(game:done())
    busy:cancel()
    loop:step()
    loop:close()
  end)

  it("5: raises when cancelled, also in the turn of its wake", function()
    run(function()
      local task = tide.task(function() return is_raised(tide.next_tick) end)
      tide.sleep(0)
      task:cancel()
      assert.is_true(task:await())
    end)
  end)
end)
