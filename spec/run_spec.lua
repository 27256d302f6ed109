local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local pcall, run = tide.pcall, testing.run

local function await(task)
  return task:await()
end

--- testing.run(fn) with an exception handler that collects. Returns the
-- messages, the seconds that it took (virtual, and the little that real ones
-- add after it), and what run returned.
local function watched(fn)
  local reports, loop = {}, tide.loop()
  loop:set_exception_handler(function(report)
    reports[#reports + 1] = report.error ~= nil and tostring(report.error) or report.message
  end)
  local start
  local outcome = pack(pcall(run, function()
    start = loop:time()
    return fn(reports)
  end))
  loop:set_exception_handler(nil)
  return reports, loop:time() - start, outcome
end

describe("run", function()
  it("160: returns all results, none too", function()
    assert.same({ n = 0 }, pack(tide.run(function() end)))
    assert.same({ n = 4, nil, 1, false, nil }, pack(tide.run(function()
      tide.sleep(0)
      return nil, 1, false, nil
    end)))
    local function pass(...) return ... end
    assert.same({ n = 3, nil, "b", nil }, pack(tide.run(pass, nil, "b", nil)))
  end)

  it("160: raises the error object unchanged, and reports it nowhere else", function()
    for _, e in ipairs { "text", { 1 }, 42, false, print, tide.OSError "gone" } do
      local reports, _, outcome = watched(function()
        tide.sleep(0)
        error(e, 0)
      end)
      assert.is_false(outcome[1])
      assert.is_true(rawequal(e, outcome[2]))
      assert.same({}, reports)
    end
    assert.same({ false, "<no error object>", n = 2 }, pack(pcall(tide.run, error)))
  end)

  it("160: is refused inside run, in a task and in a callback, and nothing happened", function()
    local refused = {}
    tide.run(function()
      local function try()
        local ok, e = pcall(function() tide.run(function() refused.ran = true end) end)
        refused[#refused + 1] = not ok and e
      end
      try()
      tide.task(try):await()
      coroutine.wrap(try)()
      tide.loop():call_soon(try)
      tide.sleep(0)
      assert.equal(1, tide.stats().tasks)
    end)
    assert.equal(4, #refused)
    for i = 1, 4 do
      assert.matches("^spec/run_spec.lua:%d+: 'tide.run' cannot be called while", refused[i])
    end
    assert.is_nil(refused.ran)
  end)

  it("works in a plain coroutine", function()
    local co = coroutine.wrap(function()
      coroutine.yield(tide.run(function() return tide.sleep(0, "first") end))
      return tide.run(function() return tide.task(tide.sleep, 0, "second"):await() end)
    end)
    assert.same({ "first", "second" }, { co(), co() })
  end)

  it("raises CancelledError when its main task was cancelled", function()
    local reports, _, outcome = watched(function()
      tide.current_task():cancel("stop")
      tide.sleep(60)
    end)
    assert.is_true(tide.is_cancelled(outcome[2]))
    assert.equal("stop", outcome[2].reason)
    assert.same({}, reports)
  end)

  it("can be called again, and after loop():close(); then old objects raise", function()
    local old = tide.loop()
    tide.run(function() end)
    assert.equal(old, tide.loop())
    local pending = tide.task(tide.sleep, 60)
    local done = tide.task(function() return "kept" end)
    done:await()
    old:close()
    assert.equal("new", tide.run(function()
      assert(tide.loop() ~= old)
      for _, f in ipairs { await, pending.result, pending.exception } do
        local ok, e = pcall(f, pending)
        assert.is_false(ok)
        assert.is_true(tide.is(e, tide.InvalidStateError) or e:match "loop.*closed")
      end
      assert.is_false(pending:cancel())
      assert.equal("kept", done:await())
      return "new"
    end))
    assert.is_true(old:is_closed())
    assert.is_false(tide.loop():is_closed())
    old:close()
  end)
end)

describe("what run leaves", function()
  it("161: is cancelled and awaited, its cleanup too", function()
    local log = {}
    local reports, passed, outcome = watched(function()
      for i = 1, 3 do
        tide.task(function()
          local ok, e = pcall(tide.sleep, 60)
          log[#log + 1] = not ok and tide.is_cancelled(e) and "cancelled " .. i
          tide.shield(tide.sleep, i)
          log[#log + 1] = "cleaned up " .. i
          error(e, 0)
        end)
      end
      tide.sleep(0)
      return "result"
    end)
    assert.same({ true, "result", n = 2 }, outcome)
    local cancelled = { log[1], log[2], log[3] }
    table.sort(cancelled) -- in which order is not promised
    assert.same({ "cancelled 1", "cancelled 2", "cancelled 3" }, cancelled)
    assert.same({ "cleaned up 1", "cleaned up 2", "cleaned up 3", n = 3 },
      { log[4], log[5], log[6], n = #log - 3 })
    assert.is_true(passed >= 3 and passed < 3.4)
    assert.same({}, reports)
    assert.equal(0, tide.stats().tasks)
  end)

  it("161: reports its errors, whether or not its handle is held", function()
    local held
    local function failing(e)
      return function()
        pcall(tide.sleep, 60)
        error(e, 0)
      end
    end
    local reports = watched(function()
      held = tide.task(failing "held")
      tide.task(failing "dropped")
      tide.sleep(0)
      error("main failed", 0)
    end)
    table.sort(reports)
    assert.same({ "dropped", "held" }, reports)
    assert.equal("held", held:exception())
  end)

  it("an error that a cleanup handles is not reported", function()
    local handled
    local reports = watched(function()
      tide.task(function()
        pcall(tide.sleep, 60)
        tide.shield(function()
          local task = tide.task(error, "handled", 0)
          handled = select(2, pcall(await, task))
        end)
      end)
      tide.sleep(0)
    end)
    assert.equal("handled", handled)
    assert.same({}, reports)
  end)

  it("that has not run yet runs to its first await", function()
    local log = {}
    watched(function()
      tide.task(function()
        log[1] = "started"
        tide.sleep(0)
        log[2] = "went on"
      end)
    end)
    assert.same({ "started" }, log)
  end)

  it("is what was started since: an older task goes on", function()
    local older = tide.task(function() return tide.sleep(0.1, "older") end)
    tide.run(function() tide.sleep(0) end)
    assert.is_false(older:done())
    assert.equal("older", older:await())
  end)

  it("that a cleanup starts is cancelled too", function()
    local started
    local reports, passed = watched(function()
      tide.task(function()
        pcall(tide.sleep, 60)
        started = tide.task(tide.sleep, 60)
      end)
      tide.sleep(0)
    end)
    assert.is_true(started:cancelled())
    assert.is_true(passed < 1)
    assert.same({}, reports)
  end)

  it("is abandoned after the grace: set_grace", function()
    local loop, log = tide.loop(), {}
    local task
    loop:set_grace(2)
    local reports, passed, outcome = watched(function()
      task = tide.task(tide.shield, tide.sleep, 60)
      local waiter = tide.task(function()
        log[1] = select(2, pcall(await, task))
      end)
      tide.sleep(0)
      waiter:cancel()
      tide.sleep(0)
      assert(log[1] == nil)
      return "result"
    end)
    loop:set_grace(5)
    assert.is_true(tide.is_cancelled(log[1]))
    assert.same({ true, "result", n = 2 }, outcome)
    assert.is_true(passed >= 2 and passed < 2.4)
    assert.equal(1, #reports)
    assert.matches("^AbandonedError", reports[1])
    assert.is_true(tide.is(task:exception(), tide.AbandonedError))
    assert.is_false(task:cancelled())
  end)

  it("is abandoned though it waits for ever", function()
    local loop = tide.loop()
    loop:set_grace(0.005)
    for _, options in ipairs { { clock = "real" }, {} } do
      local task
      loop:set_exception_handler(function() end)
      run(function()
        task = tide.task(tide.shield, tide.sleep, math.huge)
        tide.sleep(0)
      end, options)
      loop:set_exception_handler(nil)
      assert.is_true(tide.is(task:exception(), tide.AbandonedError))
      assert.equal(0, tide.stats().wakers)
    end
    loop:set_grace(5)
  end)
end)

describe("a deadlock", function()
  it("raises DeadlockError at the await of main, with the task tree", function()
    local a, b
    local reports, passed, outcome = watched(function()
      a = tide.task(function() return b:await() end):set_name "alpha"
      b = tide.task(function() return a:await() end):set_name "beta"
      local ok, e = pcall(await, a)
      assert(not ok and tide.is(e, tide.DeadlockError))
      error(e)
    end)
    local e = outcome[2]
    assert.is_true(tide.is(e, tide.DeadlockError))
    assert.matches("  alpha: in await of beta", e.message, 1, true)
    assert.matches("    beta: in await of alpha", e.message, 1, true)
    assert.is_true(passed < 0.4)
    assert.is_true(a:done() and b:done())
    assert.same({}, reports)
  end)

  it("is told the main program at its await, which can go on", function()
    local a, b
    a = tide.task(function() return b:await() end)
    b = tide.task(function() return a:await() end)
    local ok, e = pcall(await, a)
    assert.is_false(ok)
    assert.is_true(tide.is(e, tide.DeadlockError))
    assert.equal("on", tide.sleep(0, "on"))
    tide.loop():close()
  end)

  -- Minutes, if the tree were copied for each line of it.
  it("of very many tasks is told as that of few", function()
    local event, n = tide.event(), 0
    for _ = 1, 150000 do tide.task(event.wait, event) end
    local ok, e = pcall(event.wait, event)
    assert.is_false(ok)
    for line in e.message:gmatch("[^\n]+") do
      n = n + (line:match("^  task%-%d+: in event$") and 1 or 0)
      n = n + (tonumber(line:match("^  %.%.%. and (%d+) more: %d+ in event$")) or 0)
    end
    assert.equal(150000, n)
    tide.loop():close()
  end)

  it("is none while a timer can still end it", function()
    run(function()
      local main, child = tide.current_task(), nil
      tide.loop():call_later(5, function() child:cancel() end)
      child = tide.task(function() return tide.shield(main) end)
      local ok, e = pcall(await, child)
      assert.is_false(ok)
      assert.is_true(tide.is_cancelled(e))
    end)
  end)
end)

describe("a task that catches its cancellation", function()
  --- A task that starts again whatever happens; counts.
  local function stubborn(count)
    return tide.task(function()
      while true do
        pcall(tide.sleep, 60)
        count.raised = count.raised + 1
      end
    end)
  end

  it("T20: does not freeze others and is abandoned after 1,000 times and a second", function()
    local count, others = { raised = 0 }, 0
    local reports, passed, outcome = watched(function(reports)
      local task = stubborn(count):set_name "stubborn"
      local log = {}
      for i = 1, 2 do
        tide.task(function() log[i] = select(2, pcall(await, task)) end)
      end
      tide.task(function()
        while not task:done() do
          tide.sleep(0.01)
          others = others + 1
        end
      end)
      tide.sleep(0)
      task:cancel()
      while #reports == 0 do
        assert(count.raised < 200)
        tide.sleep(0)
      end
      assert(count.raised >= 100, count.raised)
      local ok, e = pcall(await, task)
      assert(not ok and tide.is(e, tide.AbandonedError))
      tide.sleep(0)
      assert(log[1] == e and log[2] == e and task:exception() == e)
      assert(not task:cancelled())
      return "result"
    end)
    assert.same({ true, "result", n = 2 }, outcome)
    assert.is_true(count.raised >= 1000 and count.raised < 1200)
    assert.is_true(passed >= 1 and passed < 1.5)
    assert.is_true(others >= 99)
    assert.equal(1, #reports)
    assert.matches("stubborn catches its cancellation", reports[1])
  end)

  it("is one of several, is reported once, in the order in which they began", function()
    local reports = watched(function()
      local function catch(late)
        tide.scope(function(scope)
          scope:cancel()
          if late then tide.shield(tide.sleep, 1) end
          for _ = 1, 120 do pcall(tide.sleep, 0) end
        end)
      end
      for i = 1, 20 do tide.task(catch, i % 2 == 1):set_name("number " .. i) end
      tide.sleep(10)
    end)
    assert.equal(20, #reports)
    for i = 1, 10 do
      assert.matches(("^number %d catches"):format(2 * i), reports[i])
      assert.matches(("^number %d catches"):format(2 * i - 1), reports[10 + i])
    end
  end)

  it("a hundred times is not reported; and may return its value", function()
    local reports, passed, outcome = watched(function()
      local task = tide.task(function()
        for _ = 1, 100 do
          pcall(tide.sleep, 60)
        end
        return "value"
      end)
      tide.sleep(0)
      task:cancel()
      return task:await()
    end)
    assert.same({ true, "value", n = 2 }, outcome)
    assert.is_true(passed < 0.4)
    assert.same({}, reports)
  end)

  it("holds up who cancelled it by a deadline no longer than that", function()
    local reports = watched(function()
      local task = stubborn { raised = 0 }
      local start = tide.loop():time()
      assert.is_false(tide.move_on_after(1, await, task))
      local seconds = tide.loop():time() - start
      assert(seconds >= 2 and seconds < 2.5, seconds)
      assert.is_true(tide.is(task:exception(), tide.AbandonedError))
    end)
    assert.equal(1, #reports)
  end)

  it("starts to count again when the cancel is lifted", function()
    local reports = watched(function()
      local function catch(n)
        for _ = 1, n do
          pcall(tide.sleep, 60)
        end
      end
      local task = tide.task(function()
        for _ = 1, 3 do
          catch(90)
          assert(tide.current_task():uncancel() == 0)
          tide.sleep(1)
          tide.current_task():cancel()
        end
        tide.current_task():uncancel()
        return "end"
      end)
      task:cancel()
      assert.equal("end", task:await())
    end)
    assert.same({}, reports)
  end)

  it("at the end of run is abandoned at the end of the grace at the latest", function()
    local count = { raised = 0 }
    tide.loop():set_grace(0.5)
    local reports, passed, outcome = watched(function()
      stubborn(count)
      tide.sleep(0)
      return "result"
    end)
    tide.loop():set_grace(5)
    assert.same({ true, "result", n = 2 }, outcome)
    assert.is_true(passed >= 0.5 and passed < 0.9)
    assert.equal(2, #reports)
    assert.matches("catches its cancellation", reports[1])
    assert.matches("AbandonedError", reports[2])
  end)

  if _VERSION == "Lua 5.4" then -- to-be-closed variables, closed with a coroutine
    it("has its variables closed when it is abandoned", function()
      local closed = {}
      local body = assert(load [[
        local pcall, sleep, closed = ...
        local x <close> = setmetatable({}, { __close = function() closed[1] = true end })
        while true do pcall(sleep, 60) end]])
      watched(function()
        local task = tide.task(body, pcall, tide.sleep, closed)
        tide.sleep(0)
        task:cancel()
        pcall(await, task)
        assert.is_true(closed[1])
      end)
      assert.is_true(closed[1])
    end)
  end
end)

-- Minutes, if each looked at all records of tasks that there ever were.
it("many runs that leave a task, after one of many tasks, end it", function()
  local ended = 0
  local function left()
    pcall(tide.sleep, 100)
    ended = ended + 1
  end
  tide.run(function()
    for _ = 1, 100000 do tide.task(tide.sleep, 0) end
    tide.sleep(0)
  end)
  for _ = 1, 50000 do
    tide.run(function()
      tide.task(left)
      tide.sleep(0)
    end)
  end
  assert.equal(50000, ended)
end)
