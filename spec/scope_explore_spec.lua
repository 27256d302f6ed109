-- Scopes, deadlines, shields and cleanups, with a cancel at every await.
local tide = require "tide"
local survives = require "spec.support".survives

require("tide.busted").configure { task = false }

local pcall = tide.pcall

describe("under explore,", function()
  survives("timeout and move_on_after", { "moved on", "timed out" }, function(run)
    return tide.timeout(60, function()
      assert.is_false(tide.move_on_after(1, run.guarded, run, tide.sleep, 5))
      run.log[#run.log + 1] = "moved on"
      local _, err = pcall(tide.timeout, 1, run.guarded, run, tide.sleep, 5)
      if not tide.is(err, tide.TimeoutError) then
        error(err, 0)
      end
      run.log[#run.log + 1] = "timed out"
      return "done"
    end)
  end)

  survives("scope", { "cancelled" }, function(run)
    local ok, reason = tide.scope(function(s)
      return run:guarded(function()
        local canceller = tide.task(function()
          tide.sleep(1)
          s:cancel("cancelled")
        end)
        tide.finally(function() tide.sleep(5) end, function() canceller:cancel() end)
      end)
    end)
    assert.is_false(ok)
    run.log[#run.log + 1] = reason
    tide.sleep(0)
    return "done"
  end)

  survives("shield of a function", { 1, 2 }, function(run)
    tide.shield(function()
      run.begun = run.begun + 1
      run.log[1] = tide.sleep(1, 1)
      tide.next_tick()
      run.log[2] = tide.task(tide.sleep, 1, 2):await()
      run.ended = run.ended + 1
    end)
    tide.sleep(0)
    return "done"
  end)

  survives("shield of a Task", { "went on", "shielded" }, function(run)
    local task = tide.task(run.guarded, run, function()
      tide.sleep(1)
      run.log[#run.log + 1] = "went on"
      return "shielded"
    end)
    local ok, result = pcall(tide.shield, task)
    if not ok then
      tide.shield(function() task:await() end)
      assert.equal(0, task:cancelling())
      assert.equal("shielded", task:result())
      error(result, 0)
    end
    run.log[#run.log + 1] = result
    return "done"
  end)

  survives("finally", { "inner", "outer" }, function(run)
    local function step(name)
      return function()
        tide.sleep(1)
        tide.next_tick()
        run.log[#run.log + 1] = name
        run.ended = run.ended + 1
      end
    end
    run.begun = 2
    return tide.finally(function()
      return tide.finally(function() return tide.sleep(1, "done") end, step "inner")
    end, step "outer")
  end)

  survives("nested timeouts of which each is first once", { 1, 2, 3, 4 }, function(run)
    local function level(n, seconds, fn)
      local ok, err = pcall(tide.timeout, seconds, run.guarded, run, fn)
      if ok or not tide.is(err, tide.TimeoutError) then
        error(ok and "no timeout" or err, 0)
      end
      run.log[#run.log + 1] = n
    end
    tide.timeout(60, function()
      level(1, 1, function() tide.timeout(5, tide.sleep, 9) end)
      level(3, 2, function()
        level(2, 1, function() tide.sleep(9) end)
        tide.sleep(9)
      end)
      level(4, 1, function() tide.move_on_after(1, tide.sleep, 1) tide.sleep(0) end)
    end)
    return "done"
  end)

  survives("a deadline that moves while its scope waits", { false, true }, function(run)
    return run:guarded(function()
      for i, seconds in ipairs { 1, 3 } do
        local ok = tide.scope({ deadline = tide.loop():time() + 2 }, function(s)
          local mover = tide.task(function()
            tide.sleep(0.5)
            s:reschedule(tide.loop():time() + seconds)
          end)
          tide.finally(function()
            mover:await()
            tide.sleep(2)
          end, function() mover:cancel() end)
        end)
        run.log[i] = ok
      end
      return "done"
    end)
  end)

  -- Scopes one in the other; another task cancels one of them.
  for target = 1, 3 do
    local expected = {}
    for i = 3, 1, -1 do
      local how = i > target and "passed by" or i == target and "cancelled" or "left"
      expected[#expected + 1] = how .. " " .. i
    end
    survives("a tree of scopes, cancelled at " .. target, expected, function(run)
      local scopes = {}
      local function open(i)
        local function log(how) run.log[#run.log + 1] = how .. " " .. i end
        local closed, ok, reason = pcall(tide.scope, function(s)
          scopes[i] = s
          return run:guarded(i < 3 and open or tide.sleep, i < 3 and i + 1 or 9)
        end)
        if closed then
          assert.same({ i ~= target, not ok and target or nil }, { ok, reason })
          log(ok and "left" or "cancelled")
        else
          if ok.reason == target then
            log "passed by"
          end
          error(ok, 0)
        end
      end
      local canceller = tide.task(function()
        tide.sleep(1)
        scopes[target]:cancel(target)
      end)
      tide.finally(open, function()
        canceller:cancel()
        pcall(canceller.await, canceller)
      end, 1)
      tide.sleep(0)
      return "done"
    end)
  end

  survives("a shield inside a scope inside a shield", { "inner", "outer" }, function(run)
    run:guarded(function()
      tide.shield(function()
        assert(not tide.scope(function(s)
          s:cancel()
          tide.shield(function()
            tide.sleep(1)
            tide.next_tick()
            run.log[#run.log + 1] = "inner"
          end)
          tide.sleep(0)
        end))
        tide.sleep(1)
        run.log[#run.log + 1] = "outer"
      end)
      tide.sleep(0)
    end)
    return "done"
  end)

  survives("a shield that is dropped while its task waits", { false, true }, function(run)
    local outer, inner
    local task = tide.task(tide.shield, function()
      outer = tide.current_scope()
      tide.shield(run.guarded, run, function()
        inner = tide.current_scope()
        tide.sleep(math.huge)
      end)
    end)
    --- Ends the task, however far it came.
    local function finish()
      task:cancel()
      tide.sleep(1)
      if inner then
        inner.shield = false
        tide.sleep(1)
        run.log[1] = task:done()
        outer.shield = false
      end
      pcall(task.await, task)
      run.log[2] = task:cancelled()
    end
    tide.finally(tide.sleep, finish, 0.1)
    return "done"
  end)

  survives("a cleanup that is bounded, fails, and is cleaned up after", { 1, 2, 3 }, function(run)
    local ok, err = pcall(tide.finally, function()
      return tide.finally(tide.sleep, function()
        assert(not tide.move_on_after(2, run.guarded, run, tide.sleep, 9))
        run.log[#run.log + 1] = 1
        error("in the cleanup", 0)
      end, 1)
    end, function(got)
      assert(got == "in the cleanup")
      tide.sleep(1)
      run.log[#run.log + 1] = 2
    end)
    assert(not ok and err == "in the cleanup") -- though it was cancelled
    tide.sleep(0)
    run.log[#run.log + 1] = 3
    return "done"
  end)

  survives("semaphores under deadlines", { true, false, true }, function(run)
    local sem, others = tide.bounded_semaphore(1), {}
    return tide.finally(function()
      for i, seconds in ipairs { 5, 1, 3 } do
        others[i] = tide.task(run.guarded, run, sem.with, sem, tide.sleep, i == 2 and 2 or 0.5)
        tide.sleep(0.1)
        run.log[i] = tide.move_on_after(seconds, sem.with, sem, tide.sleep, 0.5)
      end
      return "done"
    end, function()
      for _, other in ipairs(others) do
        other:cancel()
        pcall(other.await, other)
      end
      assert(sem:value() == 1, "a permit is lost")
    end)
  end)
end)
