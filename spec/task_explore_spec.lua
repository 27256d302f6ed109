-- Tasks, with a cancel at every await.
local tide = require "tide"
local testing = require "tide.testing"
local survives = require "spec.support".survives

require("tide.busted").configure { task = false }

local pcall = tide.pcall

describe("under explore,", function()
  survives("sleep and next_tick", { 1, 2, 3 }, function(run)
    return run:guarded(function()
      run.log[1] = tide.sleep(1, 1)
      tide.next_tick()
      run.log[2] = 2
      run.log[3] = tide.sleep(0, 3)
      return "done"
    end)
  end)

  survives("Task:await", { "child", "parent" }, function(run)
    local task = tide.task(run.guarded, run, function()
      tide.sleep(1)
      run.log[#run.log + 1] = "child"
      return "done"
    end)
    local result = task:await()
    run.log[#run.log + 1] = "parent"
    assert.is_true(task:done())
    return result
  end)

  survives("an await that is the last cleans up before it raises and", {}, function(run)
    local task = tide.task(run.guarded, run, tide.sleep, 1)
    local ok, err = pcall(task.await, task)
    -- entered already cancelled it does not touch the task
    assert.is_true(task:done() or task:cancelling() == 0)
    if not ok then
      error(err, 0)
    end
    return "done"
  end)

  survives("wait_for", { "timed out", "done" }, function(run)
    local task = tide.task(run.guarded, run, tide.sleep, 9)
    local ok, err = pcall(tide.wait_for, task, 1)
    if not tide.is(err, tide.TimeoutError) then
      error(err, 0)
    end
    assert.is_false(ok)
    assert.is_true(task:cancelled())
    run.log[#run.log + 1] = "timed out"
    run.log[#run.log + 1] = tide.wait_for(function()
      return run:guarded(tide.sleep, 1, "done")
    end, 5)
    return run.log[2]
  end)

  survives("wait_all_tasks_blocked", { 1, 2, "blocked" }, function(run)
    local task = tide.task(run.guarded, run, function()
      tide.sleep(0)
      run.log[#run.log + 1] = 1
      tide.sleep(0)
      run.log[#run.log + 1] = 2
      tide.sleep(9)
    end)
    testing.wait_all_tasks_blocked()
    run.log[#run.log + 1] = "blocked"
    task:cancel()
    pcall(task.await, task)
    tide.sleep(0)
    return "done"
  end)

  survives("a cancel that is swallowed once, which comes again,", { "end" }, function(run)
    run.begun, run.ended = 1, 1
    local swallowed = 0
    for _ = 1, 3 do
      swallowed = swallowed + (pcall(tide.sleep, 1) and 0 or 1)
    end
    assert.equal(swallowed > 0, tide.current_task():cancelling() > 0)
    if swallowed == 0 then
      run.log[1] = "end"
    end
    tide.sleep(0)
    assert.equal(0, swallowed)
    return "done"
  end)
end)
