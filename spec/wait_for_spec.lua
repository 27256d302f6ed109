local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local elapsed, raises, misuse = support.elapsed, support.raises, support.misuse

local run, pcall = testing.run, tide.pcall

describe("wait_for", function()
  local function cleanup_of(seconds, result)
    return tide.task(function()
      local ok, err = pcall(tide.sleep, 10)
      tide.shield(tide.sleep, seconds)
      if result ~= nil then
        return result
      end
      return not ok and error(err, 0)
    end)
  end

  it("gives the results of a function or a Task, nothing of it is left", function()
    run(function()
      local function three() return 1, nil, tide.sleep(1, 3) end
      assert.same({ 1, nil, 3 }, { tide.wait_for(three, 2) })
      assert.same({ 1, nil, 3 }, { tide.wait_for(tide.task(three), 2) })
      assert.equal(0, tide.stats().timers)
    end)
  end)

  it("131: a function is not called when seconds <= 0, and the turn is given up", function()
    run(function()
      local order, called = {}, false
      tide.task(function() order[#order + 1] = "other" end)
      for _, seconds in ipairs { 0, -1, -math.huge } do
        raises(tide.TimeoutError, tide.wait_for, function() called = true end, seconds)
        order[#order + 1] = "timeout"
      end
      assert.is_false(called)
      assert.same({ "other", "timeout", "timeout", "timeout" }, order)
    end)
  end)

  it("131: a finished Task gives its results whatever the seconds", function()
    run(function()
      local task, failed = tide.task(math.max, 1, 2), tide.task(error, "failed", 0)
      pcall(failed.await, failed)
      task:await()
      assert.equal(2, tide.wait_for(task, 0))
      assert.equal(2, tide.wait_for(task, -1))
      assert.same({ false, "failed" }, { pcall(tide.wait_for, failed, 0) })
    end)
  end)

  it("131, 132: a Task is cancelled at the deadline and its cleanup awaited", function()
    run(function()
      for _, seconds in ipairs { 2, 0, -1 } do
        local task = cleanup_of(3)
        tide.sleep(0)
        assert.equal(math.max(seconds, 0) + 3,
          elapsed(raises, tide.TimeoutError, tide.wait_for, task, seconds))
        assert.is_true(task:cancelled())
        assert.equal(1, task:cancelling())
      end
    end)
  end)

  it("134: a value or error that the Task ends with in spite of its cancel wins", function()
    run(function()
      assert.equal("value", tide.wait_for(cleanup_of(1, "value"), 1))
      local err = {}
      local task = tide.task(tide.finally, function() tide.sleep(9) end, function()
        error(err, 0)
      end)
      assert.equal(err, select(2, pcall(tide.wait_for, task, 1)))
    end)
  end)

  it("131: cancels a Task that others await too", function()
    run(function()
      local task = cleanup_of(3)
      local other = tide.task(function() return task:await() end)
      assert.equal(4, elapsed(raises, tide.TimeoutError, tide.wait_for, task, 1))
      assert.is_true(task:cancelled())
      raises(tide.CancelledError, other.await, other)
    end)
  end)

  it("127: a cancel of the Task by others is no timeout", function()
    run(function()
      local task = tide.task(tide.sleep, 9)
      tide.loop():call_later(1, function() task:cancel("other") end)
      assert.equal("other", raises(tide.CancelledError, tide.wait_for, task, 5).reason)
    end)
  end)

  it("135: cancelled itself it cancels the Task and awaits it, unless others wait", function()
    run(function()
      for _, shared in ipairs { false, true } do
        local task, other = cleanup_of(2), nil
        if shared then
          other = tide.task(function() return pcall(task.await, task) end)
        end
        local took = elapsed(function()
          assert.same({ false, "why" }, { tide.scope(function(s)
            tide.loop():call_later(1, function() s:cancel("why") end)
            tide.wait_for(task, 5)
          end) })
        end)
        assert.same({ shared and 1 or 3, not shared }, { took, task:cancelled() })
        task:cancel()
        pcall(task.await, task)
        if other then
          other:await()
        end
      end
    end)
  end)

  it("T14: a cancel from outside while it awaits the cleanup is no timeout", function()
    run(function()
      for _, shared in ipairs { false, true } do
        local task, other = cleanup_of(3), nil
        if shared then -- then it awaits a second time, and is the last in the end
          other = tide.task(function() return pcall(task.await, task) end)
          tide.loop():call_later(1.5, function() other:cancel() end)
        end
        assert.same({ false, "outer" }, { tide.scope(function(s)
          tide.loop():call_later(2, function() s:cancel("outer") end)
          local err = raises(tide.CancelledError, tide.wait_for, task, 1)
          error(err, 0)
        end) })
        assert.is_true(task:cancelled())
      end
    end)
  end)

  it("137: of a shielded Task leaves that alive", function()
    run(function()
      local task = tide.task(tide.sleep, 3, "alive")
      raises(tide.TimeoutError, tide.wait_for, function() return tide.shield(task) end, 1)
      assert.equal("alive", task:await())
    end)
  end)

  it("is misused at the caller's line", function()
    run(function()
      misuse("#1 to 'tide.wait_for' %(function", function() tide.wait_for(5, 1) end)
      misuse("#2 to 'tide.wait_for' %(number", function() tide.wait_for(print, "x") end)
      misuse("#2 to 'tide.wait_for' .*NaN", function() tide.wait_for(print, 0 / 0) end)
      misuse("cannot await itself", function() tide.wait_for(tide.current_task(), 1) end)
      assert.is_nil(tide.current_scope())
    end)
  end)
end)
