-- Scopes and deadlines: what Trio's and anyio's own tests hold.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, now, raises = support.elapsed, support.now, support.raises

local run, pcall = testing.run, tide.pcall

--- How many turns and resumes fn(...) takes.
local function work_of(fn, ...)
  local before = tide.stats()
  fn(...)
  local after = tide.stats()
  return after.turns - before.turns + after.switches - before.switches
end

describe("every await", function()
  --- Those that need not wait, by name.
  local function ready_made(sem)
    local event, done = tide.event(), tide.task(function() return 1 end)
    local queue, lock, condition = tide.queue(), tide.lock(), tide.condition()
    local function nothing() end
    event:set()
    done:await()
    queue:put_nowait(1)
    queue:task_done()
    return {
      gather = function() tide.gather(done, done) end,
      gather_nothing = function() tide.gather() end,
      race = function() tide.race(done) end,
      wait = function() tide.wait { done } end,
      as_completed = function() tide.as_completed { done }() end,
      future = function()
        local future = tide.future()
        future:set_result()
        future:await()
      end,
      get = function() queue:get() end,
      put = function() queue:put(1) end,
      join = function() queue:join() end,
      lock = function() lock:with(error, "called") end,
      condition = function() condition:with(error, "called") end,
      barrier = function() tide.barrier(1):wait() end,
      generator = function() tide.generator(function(yield) tide.sleep(0) yield(1) end)() end,
      from_callback = function() tide.from_callback(nothing)() end,
      acquire = function() sem:acquire() end,
      with = function() sem:with(error, "called") end,
      event = function() event:wait() end,
      await = function() done:await() end,
      shield = function() tide.shield(done) end,
      wait_for = function() tide.wait_for(done, 1) end,
      wait_for_done = function() tide.wait_for(done, 0) end,
      wait_for_never = function() tide.wait_for(error, 0) end,
      park = function() tide.park(function(wake) wake(error "called") end) end,
      sleep = function() tide.sleep(0) end,
      negative_sleep = function() tide.sleep(-1) end,
      next_tick = tide.next_tick,
      wait_all_tasks_blocked = testing.wait_all_tasks_blocked,
    }
  end

  local ways = {
    scope = function(s) s:cancel() end,
    deadline = function(s) s.deadline = 0 end,
    task = function() tide.current_task():cancel() end,
  }

  it("T19: is a cancel point though it need not wait, and takes nothing then", function()
    local sem = tide.semaphore(9)
    for name, call in pairs(ready_made(sem)) do
      for way, cancel in pairs(ways) do
        local err
        local task = tide.task(tide.scope, function(s)
          cancel(s)
          err = raises(tide.CancelledError, call)
          error(err, 0)
        end)
        pcall(task.await, task)
        assert.is_not_nil(err, name .. ", " .. way)
        assert.equal(way == "task", task:cancelled(), name .. ", " .. way)
      end
    end
    assert.equal(9, sem:value())
  end)

  it("T1: of a coroutine that is cancelled raises, as its resumer's do after it", function()
    assert.same({ false, "why" }, { tide.scope(function(s)
      local step = tide.coroutine.wrap(function()
        for _ = 1, 3 do
          raises(tide.CancelledError, tide.sleep, 1)
        end
        return "swallowed"
      end)
      s:cancel("why")
      assert.equal("swallowed", step())
      tide.sleep(0)
    end) })
  end)
end)

describe("a scope", function()
  it("T2: is cancelled once, however often, also before anything was awaited", function()
    local raised = 0
    local took = elapsed(function()
      assert.same({ false, 1 }, { tide.scope(function(s)
        for i = 1, 5 do
          assert.is_true(s:cancel(i))
        end
        local task = tide.current_task()
        assert.equal(0, task:cancelling())
        pcall(tide.sleep, 60)
        raised = raised + 1
        s:cancel("again")
        tide.sleep(60)
      end) })
    end)
    assert.same({ 1, 0 }, { raised, took })
    tide.sleep(0)
  end)

  it("T3: called is not caught, for a deadline as for a cancel", function()
    local seen = {}
    for _, cancel in ipairs { "cancel", "deadline" } do
      for _, ending in ipairs { "returns", "raises", "caught" } do
        local scope
        pcall(tide.scope, function(s)
          scope = s
          if cancel == "cancel" then s:cancel() else s.deadline = 0 end
          if ending == "caught" then tide.sleep(0) end
          return ending == "raises" and error("foreign")
        end)
        seen[#seen + 1] = ("%s %s %s"):format(tostring(scope:cancel_called()),
          tostring(scope:cancelled_caught()), tostring(scope:expired()))
      end
    end
    assert.same({ "true false false", "true false false", "true true false",
      "true false true", "true false true", "true true true" }, seen)
  end)

  it("T10: is no other's to leave: what is inside it ends, and tasks go on", function()
    local scope, inner
    local opener = tide.task(tide.scope, function(s)
      scope = s
      return tide.scope({ deadline = now() + 9 }, function(i)
        inner = i
        return tide.sleep(5, "slept")
      end)
    end)
    tide.sleep(1)
    local close = getmetatable(scope).__close
    for _ = 1, 2 do
      assert.is_false((pcall(close, scope)))
      assert.is_false((pcall(close, inner)))
    end
    assert.is_nil(tide.current_scope())
    assert.same({ true, true, "slept" }, { opener:await() })
  end)

  it("T20: that is cancelled around a shield costs nothing while that waits", function()
    assert.same({ false, "why" }, { tide.scope(function(s)
      s:cancel("why")
      for _ = 1, 100 do
        s:cancel()
      end
      assert.is_true(work_of(tide.shield, tide.sleep, 60) < 10)
      local task = tide.task(tide.sleep, 60)
      assert.is_true(work_of(tide.shield, function() task:await() end) < 10)
      tide.sleep(0)
    end) })
  end)

  it("T20: of a coroutine that nobody resumes any more does not keep the loop busy",
  { task = false }, function()
    run(function()
      local step = tide.coroutine.wrap(function()
        tide.scope({ deadline = now() + 0.001 }, function(s)
          s:cancel()
          tide.coroutine.yield()
          tide.sleep(60)
        end)
      end)
      step()
      assert.is_true(work_of(tide.sleep, 0.02) < 20)
      step()
    end, { clock = "real" })
  end)
end)

describe("a relative deadline", function()
  it("T13: counts from where its block is entered", function()
    for _, form in ipairs { tide.timeout, tide.move_on_after,
      function(seconds, fn) return tide.wait_for(fn, seconds) end } do
      local task = tide.task(pcall, form, 2, function() tide.sleep(60) end)
      local took = elapsed(function()
        tide.sleep(1)
        pcall(form, 2, function() tide.sleep(60) end)
      end)
      assert.equal(3, took)
      assert.is_true(task:done())
    end
  end)

  it("T13: can be moved again and again, by whoever has the scope", function()
    local scope
    local task = tide.task(tide.move_on_after, 1, function()
      scope = tide.current_scope()
      tide.sleep(math.huge)
    end)
    local took = elapsed(function()
      tide.sleep(0)
      for _ = 1, 10 do
        tide.sleep(0.9)
        scope:reschedule(now() + 1)
      end
      assert.is_false(task:await())
    end)
    assert.equal(10, took)
  end)
end)

describe("a foreign error in a timeout", function()
  it("126: that a cleanup raises passes all deadlines, which are not caught then", function()
    local scopes, err = {}, {}
    assert.same({ false, err }, { pcall(tide.timeout, 1, function()
      scopes[1] = tide.current_scope()
      tide.timeout(1, function()
        scopes[2] = tide.current_scope()
        tide.finally(function() tide.sleep(60) end, function(reason)
          assert.is_true(tide.is_cancelled(reason))
          tide.sleep(1)
          error(err, 0)
        end)
      end)
    end) })
    for _, scope in ipairs(scopes) do
      assert.is_true(scope:expired())
      assert.is_false(scope:cancelled_caught())
    end
    tide.sleep(0)
  end)
end)
