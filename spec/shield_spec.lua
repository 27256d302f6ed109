local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local elapsed, raises, misuse = support.elapsed, support.raises, support.misuse

local run, pcall = testing.run, tide.pcall

--- A task of fn that is cancelled, with the reason "why", after a second.
local function cancelled(fn)
  local task = tide.task(fn)
  tide.loop():call_later(1, function() task:cancel("why") end)
  return task
end

describe("shield(fn)", function()
  it("calls it here with the arguments, gives its results and errors", function()
    run(function()
      local task
      assert.same({ 3, nil, 1, nil, 2 }, { tide.shield(function(...)
        task = tide.current_task()
        return select("#", ...), nil, ...
      end, 1, nil, 2) })
      assert.equal(tide.current_task(), task)
      local err = {}
      assert.equal(err, select(2, pcall(tide.shield, error, err, 0)))
      assert.equal("<no error object>", select(2, pcall(tide.shield, error)))
      assert.equal(2, tide.shield(setmetatable({}, { __call = function(_, v) return v end }), 2))
      assert.is_nil(tide.current_scope())
    end)
  end)

  it("T6: makes a cancel from outside wait for the first checkpoint after it", function()
    run(function()
      local order = {}
      local task = cancelled(function()
        order[#order + 1] = tide.shield(tide.sleep, 3, "shielded")
        order[#order + 1] = "after"
        raises(tide.CancelledError, tide.sleep, 0)
        order[#order + 1] = "raised"
        tide.next_tick()
      end)
      local took = elapsed(function()
        assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
      end)
      assert.equal(3, took)
      assert.same({ "shielded", "after", "raised" }, order)
    end)
  end)

  it("its result stands when nothing awaits after it", function()
    run(function()
      local task = cancelled(function() return tide.shield(tide.sleep, 3, "result") end)
      assert.equal("result", task:await())
      assert.equal("value", tide.timeout(1, tide.shield, tide.sleep, 2, "value"))
    end)
  end)

  it("T8: cleans up in a task that is cancelled already", function()
    run(function()
      local cleaned
      local task = cancelled(function()
        local _, err = pcall(tide.sleep, 9)
        raises(tide.CancelledError, tide.sleep, 9)
        tide.shield(function()
          tide.sleep(1)
          tide.task(tide.sleep, 1):await()
          tide.shield(tide.sleep, 1)
          cleaned = true
        end)
        raises(tide.CancelledError, tide.sleep, 9)
        error(err, 0)
      end)
      assert.equal(4, elapsed(raises, tide.CancelledError, task.await, task))
      assert.is_true(cleaned)
    end)
  end)

  it("T6: stops neither a cancel nor a deadline that is set inside", function()
    run(function()
      assert.is_false(tide.shield(tide.move_on_after, 1, tide.sleep, 5))
      raises(tide.TimeoutError, tide.shield, tide.timeout, 1, tide.sleep, 5)
      assert.same({ false, "in" }, { tide.shield(tide.scope, function(s)
        s:cancel("in")
        tide.sleep(1)
      end) })
      local task = tide.task(tide.sleep, 9)
      task:cancel()
      raises(tide.CancelledError, tide.shield, function() task:await() end)
    end)
  end)

  it("T8: shield(move_on_after, ...) bounds a cleanup", function()
    run(function()
      local inside
      local task = cancelled(function()
        tide.finally(function() tide.sleep(9) end, function()
          inside = { tide.shield(tide.move_on_after, 2, tide.sleep, 60) }
        end)
      end)
      assert.equal(3, elapsed(raises, tide.CancelledError, task.await, task))
      assert.same({ false }, inside)
    end)
  end)

  it("T8: nested, the cancel waits for the outermost to return", function()
    run(function()
      local order = {}
      local task = cancelled(function()
        tide.shield(function()
          tide.shield(function()
            tide.sleep(2)
            order[#order + 1] = "inner"
          end)
          tide.sleep(1)
          order[#order + 1] = "outer"
        end)
        tide.sleep(0)
        order[#order + 1] = "not reached"
      end)
      assert.equal(3, elapsed(raises, tide.CancelledError, task.await, task))
      assert.same({ "inner", "outer" }, order)
    end)
  end)

  it("T6: dropping its shield wakes the sleeper inside at once, of the innermost only", function()
    run(function()
      local outer, inner
      local task = tide.task(function()
        tide.shield(function()
          outer = tide.current_scope()
          tide.shield(function()
            inner = tide.current_scope()
            tide.sleep(math.huge)
          end)
        end)
      end)
      tide.sleep(0)
      task:cancel("why")
      inner.shield = false
      tide.sleep(1)
      assert.is_false(task:done())
      outer.shield = false
      tide.sleep(0)
      assert.is_true(task:cancelled())
    end)
  end)

  it("a shield put up later protects what is to come", function()
    run(function()
      local task = cancelled(function()
        return tide.scope(function(s)
          s.shield = true
          tide.sleep(2)
          s.shield = false
          raises(tide.CancelledError, tide.sleep, 0)
          s.shield = true
          return tide.sleep(1, "shielded")
        end)
      end)
      assert.same({ true, "shielded" }, { task:await() })
    end)
  end)

  it("a deadline that its own scope was given raises TimeoutError", function()
    run(function()
      raises(tide.TimeoutError, tide.shield, function()
        tide.current_scope():reschedule(tide.loop():time() + 1)
        tide.sleep(9)
      end)
      tide.sleep(0)
    end)
  end)

  it("a cancel of its own scope raises ScopeCancelled with the reason", function()
    run(function()
      local err = raises(tide.ScopeCancelled, tide.shield, function()
        tide.current_scope():cancel("why")
        tide.sleep(9)
      end)
      assert.equal("why", err.reason)
      tide.sleep(0)
    end)
  end)

  it("T15: the cancel of what cannot be aborted is delivered even if shielded meanwhile", function()
    run(function()
      local keep, aborts = {}, 0
      local task = tide.task(function()
        return tide.scope(function()
          tide.scope(function(inner)
            keep.scope = inner
            local got = tide.park(function(wake)
              keep.wake = wake
              return function()
                aborts = aborts + 1
                return false
              end
            end)
            assert.equal("granted", got)
            tide.sleep(0) -- shielded
            inner.shield = false
            tide.sleep(0)
          end)
          error("not reached")
        end)
      end)
      tide.sleep(0)
      task:cancel("why")
      tide.sleep(0)
      task:cancel()
      keep.scope.shield = true
      tide.sleep(1)
      keep.wake("granted")
      raises(tide.CancelledError, task.await, task)
      assert.equal(1, aborts)
    end)
  end)
end)

describe("shield(task)", function()
  it("52: gives its results or its error, also when it has ended", function()
    run(function()
      local task = tide.task(function() return 1, nil, tide.sleep(1, 3) end)
      assert.same({ 1, nil, 3 }, { tide.shield(task) })
      assert.same({ 1, nil, 3 }, { tide.shield(task) })
      local failed = tide.task(error, "failed", 0)
      assert.same({ false, "failed" }, { pcall(tide.shield, failed) })
      assert.same({ false, "failed" }, { pcall(tide.shield, failed) })
    end)
  end)

  it("52: a cancel leaves at once, the task goes on", function()
    run(function()
      local task = tide.task(tide.sleep, 5, "went on")
      local waiter = cancelled(function() tide.shield(task) end)
      assert.equal(1, elapsed(raises, tide.CancelledError, waiter.await, waiter))
      assert.equal(0, task:cancelling())
      assert.equal("went on", task:await())
    end)
  end)

  it("52: does not count as an awaiter: the last that counts cancels the task", function()
    run(function()
      local task = tide.task(tide.sleep, 5)
      local shielded = tide.task(function() return pcall(tide.shield, task) end)
      local waiter = cancelled(function() task:await() end)
      raises(tide.CancelledError, waiter.await, waiter)
      assert.is_true(task:cancelled())
      local ok, err = shielded:await()
      assert.is_false(ok)
      assert.is_true(tide.is_cancelled(err))
    end)
  end)

  it("52: a cancel of the task raises in who waits", function()
    run(function()
      local task = cancelled(function() tide.sleep(5) end)
      local err = raises(tide.CancelledError, tide.shield, task)
      assert.equal("why", err.reason)
      tide.sleep(0)
      assert.equal(0, tide.current_task():cancelling())
    end)
  end)

  it("52, T19: entered already cancelled it raises, finished or not", function()
    run(function()
      local task = tide.task(tide.sleep, 1, "done")
      for _ = 1, 2 do
        assert.is_false(tide.scope(function(s)
          s:cancel()
          tide.shield(task)
        end))
        assert.equal("done", task:await())
      end
    end)
  end)

  it("5, 52: the result is delivered if a cancel comes after the end in the same turn", function()
    run(function()
      local task = tide.task(tide.sleep, 1, "result")
      local waiter = tide.task(function()
        local got = tide.shield(task)
        raises(tide.CancelledError, tide.sleep, 0)
        return got
      end)
      task:add_done_callback(function() waiter:cancel() end)
      tide.task(function()
        task:await()
        waiter:cancel()
      end)
      assert.equal("result", waiter:await())
    end)
  end)

  it("is misused at the caller's line", function()
    run(function()
      misuse("#1 to 'tide.shield' %(function expected, got nil", function() tide.shield() end)
      misuse("#1 to 'tide.shield' %(function expected, got table", function() tide.shield({}) end)
      misuse("cannot await itself", function() tide.shield(tide.current_task()) end)
      assert.is_nil(tide.current_scope())
    end)
  end)
end)

describe("finally", function()
  it("passes the results of fn on, and calls the cleanup with nil", function()
    run(function()
      local args
      assert.same({ 1, nil, "x", nil }, { tide.finally(function(...)
        return 1, nil, ...
      end, function(...)
        args = { n = select("#", ...), ... }
        return "ignored"
      end, "x", nil) })
      assert.same({ n = 1 }, args)
    end)
  end)

  it("passes the error of fn on unchanged, and gives it to the cleanup", function()
    run(function()
      for _, err in ipairs { {}, "message", 7, false } do
        local got = "nothing"
        local ok, passed = pcall(tide.finally, function() error(err, 0) end, function(e)
          got = e
          tide.sleep(1)
        end)
        assert.is_false(ok)
        assert.equal(err, passed)
        assert.equal(err, got)
      end
      local got
      local _, passed = pcall(tide.finally, function() error() end, function(e) got = e end)
      assert.same({ "<no error object>", "<no error object>" }, { passed, got })
    end)
  end)

  it("the cleanup awaits under a cancel, and gets the CancelledError", function()
    run(function()
      local order, got = {}, nil
      local task = cancelled(function()
        tide.finally(function()
          order[#order + 1] = "fn"
          tide.sleep(9)
        end, function(err)
          got = err
          tide.sleep(1)
          order[#order + 1] = "cleaned"
        end)
        order[#order + 1] = "not reached"
      end)
      local took = elapsed(function()
        local err = raises(tide.CancelledError, task.await, task)
        assert.equal(got, err)
      end)
      assert.equal(2, took)
      assert.equal("why", got.reason)
      assert.same({ "fn", "cleaned" }, order)
    end)
  end)

  it("a cancel during the cleanup waits for it, the results pass on", function()
    run(function()
      local cleaned
      local task = cancelled(function()
        return tide.finally(function() return "result" end, function()
          tide.sleep(3)
          cleaned = true
        end)
      end)
      assert.equal("result", task:await())
      assert.is_true(cleaned)
    end)
  end)

  it("126: an error of the cleanup replaces what fn ended with", function()
    run(function()
      local err = {}
      local function bad() error(err, 0) end
      assert.equal(err, select(2, pcall(tide.finally, function() return 1 end, bad)))
      assert.equal(err, select(2, pcall(tide.finally, function() error("first") end, bad)))
      assert.equal(err, select(2, pcall(tide.timeout, 1, tide.finally, function()
        tide.sleep(2)
      end, bad)))
    end)
  end)

  it("a deadline ends fn, its cleanup runs to the end, then TimeoutError", function()
    run(function()
      local cleaned
      assert.equal(4, elapsed(raises, tide.TimeoutError, tide.timeout, 1, tide.finally,
        function() tide.sleep(9) end, function()
          tide.sleep(3)
          cleaned = true
        end))
      assert.is_true(cleaned)
    end)
  end)

  it("nested, the inner cleanup runs first", function()
    run(function()
      local order = {}
      local function log(name)
        return function()
          tide.sleep(0.1)
          order[#order + 1] = name
        end
      end
      local task = cancelled(function()
        tide.finally(function()
          tide.finally(function() tide.sleep(9) end, log "inner")
        end, log "outer")
      end)
      raises(tide.CancelledError, task.await, task)
      assert.same({ "inner", "outer" }, order)
    end)
  end)

  it("is misused before anything is called", function()
    run(function()
      local called = false
      local function fn() called = true end
      misuse("#2 to 'tide.finally' %(function", function() tide.finally(fn) end)
      misuse("#1 to 'tide.finally' %(function", function() tide.finally(nil, fn) end)
      -- where its cleanup could not await it would call fn and then not clean up
      local outside = coroutine.wrap(function()
        misuse("'tide.finally' cannot wait in a plain", function() tide.finally(fn, fn) end)
      end)
      outside()
      assert.is_false(called)
    end)
  end)
end)
