local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now, elapsed, raises, misuse = support.now, support.elapsed, support.raises, support.misuse

local run, pcall = testing.run, tide.pcall

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

--- Keeps the processor busy until the real clock has moved on so far.
local function busy(seconds)
  local till = now() + seconds
  while now() < till do end -- luacheck: ignore 542
end

-- What timeout and timeout_at have in common.
for name, form in pairs {
  timeout = tide.timeout,
  timeout_at = function(seconds, ...) return tide.timeout_at(seconds and now() + seconds, ...) end,
} do
  describe(name, function()
    it("calls fn here with the arguments, and gives all its results", function()
      run(function()
        local task, scope
        local function fn(...)
          task, scope = tide.current_task(), tide.current_scope()
          return select("#", ...), nil, ...
        end
        assert.same({ 3, nil, 1, nil, nil }, { form(5, fn, 1, nil, nil) })
        assert.equal(tide.current_task(), task)
        assert.is_false(scope:cancel_called())
        assert.equal(0, tide.stats().timers)
        assert.equal(3, form(5, math.max, 1, 3))
        assert.equal(4, form(5, setmetatable({}, { __call = function(_, v) return v end }), 4))
      end)
    end)

    it("122, 128: inside CancelledError is raised, at the edge TimeoutError", function()
      run(function()
        local inside, scope
        local took = elapsed(function()
          local err = raises(tide.TimeoutError, form, 2, function()
            scope = tide.current_scope()
            inside = raises(tide.CancelledError, tide.sleep, 60)
            error(inside, 0)
          end)
          assert.matches("deadline passed", tostring(err))
        end)
        assert.equal(2, took)
        assert.matches("deadline passed", tostring(inside))
        assert.is_true(scope:expired())
        assert.is_true(scope:cancelled_caught())
        tide.sleep(1) -- the task itself is not cancelled
        assert.equal(0, tide.current_task():cancelling())
      end)
    end)

    it("123: a deadline already past fires at the first await, even sleep(0)", function()
      run(function()
        for _, seconds in ipairs { 0, -1, -math.huge } do
          local reached, passed
          raises(tide.TimeoutError, form, seconds, function()
            reached = true
            tide.sleep(0)
            passed = true
          end)
          assert.same({ true }, { reached, passed })
          assert.equal("value", form(seconds, function() return "value" end))
        end
      end)
    end)

    it("123: math.huge is no deadline, nor is nil", function()
      run(function()
        for _, none in ipairs { math.huge, false } do
          assert.equal("late", form(none or nil, function()
            assert.equal(0, tide.stats().timers)
            return tide.sleep(1e4, "late")
          end))
        end
      end)
    end)

    it("126: errors pass unchanged, also at the deadline and from a cleanup", function()
      run(function()
        local err = {}
        assert.equal(err, select(2, pcall(form, 1, function() error(err, 0) end)))
        assert.equal(err, select(2, pcall(form, 1, function()
          pcall(tide.sleep, 2)
          error(err, 0)
        end)))
        assert.equal("<no error object>", select(2, pcall(form, 1, function() error(nil) end)))
      end)
    end)

    it("T14, 127: a cancel that is not its own passes unchanged", function()
      run(function()
        local task = tide.task(form, 5, tide.sleep, 10)
        tide.sleep(1)
        task:cancel("why")
        assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
        assert.is_true(task:cancelled())
        assert.same({ false, "outer" }, { tide.scope(function(outer)
          form(1, function()
            outer:cancel("outer")
            tide.shield(tide.sleep, 2)
            tide.sleep(10)
          end)
        end) })
        local dead = tide.task(tide.sleep, 10)
        dead:cancel("itself")
        assert.equal("itself", raises(tide.CancelledError, form, 5, dead.await, dead).reason)
      end)
    end)

    it("a value returned after the deadline wins", function()
      run(function()
        assert.equal("value", form(1, function()
          pcall(tide.sleep, 5)
          return "value"
        end))
        tide.sleep(1)
      end)
    end)

    it("132: a slow cleanup is awaited", function()
      run(function()
        assert.equal(4, elapsed(raises, tide.TimeoutError, form, 1, function()
          tide.finally(function() tide.sleep(5) end, function() tide.sleep(3) end)
        end))
      end)
    end)

    it("T1: keeps raising after its deadline, until it is left", function()
      run(function()
        local caught = 0
        raises(tide.TimeoutError, form, 1, function()
          for _ = 1, 5 do
            raises(tide.CancelledError, tide.sleep, 3)
            caught = caught + 1
          end
          tide.next_tick()
        end)
        assert.equal(5, caught)
      end)
    end)

    it("a cancel of its scope raises ScopeCancelled with the reason", function()
      run(function()
        local err = raises(tide.ScopeCancelled, form, 5, function()
          tide.current_scope():cancel("why")
          tide.sleep(9)
        end)
        assert.equal("why", err.reason)
      end)
    end)

    it("129, T13: its deadline can be moved through current_scope", function()
      run(function()
        assert.equal("done", form(1, function()
          tide.current_scope():reschedule(now() + 3)
          return tide.sleep(2, "done")
        end))
      end)
    end)

    it("5: what was woken before the deadline is delivered, a sleep is not", function()
      run(function()
        local wake, scope, got
        tide.loop():call_later(1, function()
          wake("granted")
          scope.deadline = 0
        end)
        raises(tide.TimeoutError, form, 5, function()
          scope = tide.current_scope()
          got = tide.park(function(w) wake = w end)
          tide.sleep(0)
        end)
        assert.equal("granted", got)
        local slept
        raises(tide.TimeoutError, form, 1, function()
          tide.sleep(1)
          slept = true
        end)
        assert.is_nil(slept)
      end)
    end)

    it("is misused at the caller's line, and opens nothing", function()
      run(function()
        local call = tide[name]
        misuse("#1 to 'tide." .. name .. "' %(number", function() call("soon", print) end)
        misuse("#1 to 'tide." .. name .. "' .*NaN", function() call(0 / 0, print) end)
        misuse("#2 to 'tide." .. name .. "' %(function", function() call(1, 5) end)
        misuse("#2 to 'tide." .. name .. "' %(function", function() call(1, nil, 5) end)
        assert.is_nil(tide.current_scope())
        assert.equal(0, tide.stats().timers)
      end)
    end)

    if has_close then
      local bind = load([[
        local tide, seconds, body = ...
        local s <close> = tide.]] .. name .. [[(seconds)
        return body(s)
      ]])
      local function bound(seconds, body)
        return bind(tide, name == "timeout" and seconds or now() + seconds, body)
      end

      it("without fn is for local s <close>: the same at the edge", function()
        run(function()
          assert.same({ 1, nil, 2 }, { bound(1, function() return 1, nil, 2 end) })
          local scope
          raises(tide.TimeoutError, bound, 1, function(s)
            scope = s
            tide.sleep(2)
          end)
          assert.is_true(scope:expired() and scope:cancelled_caught())
          local err = raises(tide.ScopeCancelled, bound, 1, function(s)
            s:cancel("why")
            tide.sleep(2)
          end)
          assert.equal("why", err.reason)
          err = {}
          assert.equal(err, select(2, pcall(bound, 1, function()
            pcall(tide.sleep, 2)
            error(err, 0)
          end)))
          assert.equal("late", bound(0, function() return "late" end))
          assert.is_nil(tide.current_scope())
        end)
      end)
    else
      it("without fn says which Lua it needs", function()
        run(function()
          misuse("'tide." .. name .. "' without a function .*5.4.3", function() tide[name](1) end)
        end)
      end)
    end
  end)
end

it("the deadline of one of two tasks that await each other ends both", function()
  run(function()
    local a, b
    a = tide.task(function() return tide.timeout(1, function() return b:await() end) end)
    b = tide.task(function() return a:await() end)
    tide.sleep(2)
    assert.is_true(a:done() and b:cancelled())
    raises(tide.TimeoutError, a.await, a)
  end)
end)

it("123: loop():time() as a deadline is past, at whatever time it is", function()
  run(function()
    local late = 0
    for i = 1, 500 do
      tide.sleep(i * 1.000001e-3)
      local fired = not tide.scope({ deadline = now() }, function() tide.sleep(0) end)
      late = late + (fired and 0 or 1)
    end
    assert.equal(0, late)
  end)
end)

describe("nested timeouts", function()
  it("the inner one is caught outside of it, the outer goes on", function()
    run(function()
      assert.equal("went on", tide.timeout(5, function()
        raises(tide.TimeoutError, tide.timeout, 1, tide.sleep, 9)
        return tide.sleep(1, "went on")
      end))
    end)
  end)

  it("the outer passes through the inner", function()
    run(function()
      local inner
      raises(tide.TimeoutError, tide.timeout, 1, function()
        inner = raises(tide.CancelledError, tide.timeout, 5, tide.sleep, 9)
        error(inner, 0)
      end)
    end)
  end)

  it("with equal deadlines the outer wins, whichever was set first", function()
    run(function()
      for _, order in ipairs { "outer first", "inner first" } do
        local outer, inner, passed
        local when = now() + 1
        raises(tide.TimeoutError, tide.timeout, 2, function()
          outer = tide.current_scope()
          if order == "outer first" then
            outer.deadline = when
          end
          passed = raises(tide.CancelledError, tide.timeout_at, when, function()
            inner = tide.current_scope()
            if order == "inner first" then
              outer.deadline = when
            end
            tide.sleep(5)
          end)
          error(passed, 0)
        end)
        assert.is_true(inner:expired())
        assert.is_false(inner:cancelled_caught())
        assert.is_true(outer:cancelled_caught())
        assert.same({ false }, { tide.move_on_after(1, tide.move_on_after, 1, tide.sleep, 2) })
      end
    end)
  end)

  it("forty deep with one deadline end at once, as the outermost's", function()
    run(function()
      local edges = 0
      local function deeper(n)
        if n == 0 then
          return tide.sleep(10)
        end
        local ok, err = pcall(tide.timeout, 1, deeper, n - 1)
        edges = edges + (tide.is_cancelled(err) and 1 or 0)
        assert.is_false(ok)
        error(err, 0)
      end
      assert.equal(1, elapsed(raises, tide.TimeoutError, tide.timeout, 1, deeper, 40))
      assert.equal(40, edges)
      assert.equal(0, tide.stats().timers)
    end)
  end)
end)

describe("a deadline overshot by a busy loop", function()
  it("fires at the next await, on the real clock", function()
    run(function()
      local after
      raises(tide.TimeoutError, tide.timeout, 0.002, function()
        busy(0.004)
        tide.sleep(0)
        after = true
      end)
      assert.is_nil(after)
      local done = tide.task(function() return 1 end)
      done:await()
      assert.is_false(tide.move_on_after(0.002, function()
        busy(0.004)
        done:await() -- need not wait, and is a cancel point all the same
      end))
      assert.same({ true, 1 }, { tide.move_on_after(0.002, function()
        busy(0.004)
        return 1
      end) })
      assert.is_false(tide.move_on_after(0.001, function()
        tide.timeout(9, function()
          busy(0.003)
          tide.next_tick()
        end)
      end))
    end, { clock = "real" })
  end)

  it("of an inner scope that was set later, but is due before it, is the inner's", function()
    run(function()
      assert.equal("outer", tide.timeout(0.5, function()
        raises(tide.TimeoutError, tide.timeout, 0.001, function()
          busy(0.003)
          tide.sleep(0.4)
        end)
        return "outer"
      end))
    end, { clock = "real" })
  end)
end)

describe("move_on_after", function()
  it("gives true and the results, or false when the deadline won", function()
    run(function()
      assert.same({ true, 1, nil, 2, nil }, { tide.move_on_after(1, function(...)
        return ..., nil, 2, nil
      end, 1) })
      assert.equal(4, select("#", tide.move_on_after(1, function() return nil, nil, nil end)))
      local results
      assert.equal(1, elapsed(function() results = { tide.move_on_after(1, tide.sleep, 2) } end))
      assert.same({ false }, results)
      assert.same({ true, 3 }, { tide.move_on_after(0, function() return 3 end) })
    end)
  end)

  it("errors and cancels that are not its own pass", function()
    run(function()
      local err = {}
      assert.equal(err, select(2, pcall(tide.move_on_after, 1, error, err, 0)))
      assert.same({ false, "outer" }, { tide.scope(function(outer)
        tide.move_on_after(1, function()
          outer:cancel("outer")
          tide.sleep(5)
        end)
      end) })
      raises(tide.TimeoutError, tide.timeout, 1, tide.move_on_after, 5, tide.sleep, 9)
    end)
  end)

  it("is misused at the caller's line", function()
    run(function()
      misuse("#1 to 'tide.move_on_after' %(number", function() tide.move_on_after(print) end)
      misuse("#2 to 'tide.move_on_after' %(function", function() tide.move_on_after(1) end)
    end)
  end)
end)

-- Minutes, if each timeout looked at all who wait for the task.
support.task_it("a task for which very many wait is cancelled again and again", function()
  local rounds = 0
  local task = tide.task(function()
    tide.sleep(1)
    for _ = 1, 50000 do
      local other = tide.task(tide.sleep, 1000)
      if not tide.move_on_after(0.1, other.await, other) then rounds = rounds + 1 end
    end
  end)
  for _ = 1, 50000 do
    tide.task(task.await, task)
    tide.task(tide.wait, { task })
  end
  task:await()
  assert.equal(50000, rounds)
  tide.sleep(0)
end)
