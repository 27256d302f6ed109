-- Scopes, deadlines, shields and cleanups, with a cancel at every await.
local tide = require "tide"
local survives = require "spec.support".survives

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
end)
