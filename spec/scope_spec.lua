local tide = require "tide"
local testing = require "tide.testing"

local run, pcall = testing.run, tide.pcall
local core = require "tide.core"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now, elapsed, raises = support.now, support.elapsed, support.raises

describe("scope", function()
  it("gives fn the Scope and the arguments, and returns true and all results", function()
    run(function()
      local scope, a, b, n
      local results = { n = select("#", tide.scope(function(s, ...)
        scope, a, b, n = s, (...), (select(2, ...)), select("#", ...)
        return nil, 1, nil
      end, nil, "b", nil)) }
      assert.same({ nil, "b", 3, 4 }, { a, b, n, results.n })
      assert.equal("Scope<closed>", tostring(scope))
      assert.same({ true, nil, 1, nil }, { tide.scope(function() return nil, 1, nil end) })
    end)
  end)

  it("takes options before fn, a C function and a callable table", function()
    run(function()
      assert.same({ true, 3 }, { tide.scope({}, function(_, v) return v end, 3) })
      assert.same({ true, "userdata" }, { tide.scope(type) })
      local callable = setmetatable({}, { __call = function(_, s, v) return type(s), v end })
      assert.same({ true, "userdata", 4 }, { tide.scope(callable, 4) })
      assert.same({ true, "userdata", 4 }, { tide.scope({}, callable, 4) })
    end)
  end)

  it("takes a callable table whose metatable is hidden", function()
    run(function()
      for _, hidden in ipairs { false, 1, "no", {} } do
        local callable = setmetatable({}, {
          __metatable = hidden,
          __call = function() return "called" end,
        })
        assert.same({ true, "called" }, { tide.scope(callable) })
      end
    end)
  end)

  it("returns false and the reason when it was cancelled, whatever the reason", function()
    run(function()
      for _, reason in ipairs { "why", 7, true, {}, print } do
        local after = false
        local ok, got = tide.scope(function(s)
          s:cancel(reason)
          tide.sleep(1)
          after = true
        end)
        assert.same({ false, false }, { ok, after })
        assert.equal(reason, got)
      end
      local function give(...)
        local args, n = { ... }, select("#", ...)
        return tide.scope(function(s)
          s:cancel(unpack and unpack(args, 1, n) or table.unpack(args, 1, n))
          tide.sleep(1)
        end)
      end
      assert.same({ false, false }, { give(false) })
      assert.same({ false, nil }, { give(nil) })
      assert.same({ false, nil }, { give() })
    end)
  end)

  it("T2: keeps the reason of the first cancel", function()
    run(function()
      assert.same({ false, "first" }, { tide.scope(function(s)
        assert.is_true(s:cancel("first"))
        assert.is_true(s:cancel("second"))
        tide.sleep(1)
      end) })
      assert.same({ false, nil }, { tide.scope(function(s)
        s:cancel()
        s:cancel("late")
        tide.sleep(1)
      end) })
    end)
  end)

  it("lets the reason go when it is left", function()
    run(function()
      local weak = setmetatable({}, { __mode = "v" })
      tide.scope(function(s)
        weak[1] = {}
        s:cancel(weak[1])
        tide.sleep(1)
      end)
      collectgarbage()
      collectgarbage()
      assert.is_nil(weak[1])
    end)
  end)

  it("T3: a cancel that was never delivered dies with it", function()
    run(function()
      local scope
      assert.same({ true, "result" }, { tide.scope(function(s)
        scope = s
        s:cancel("too late")
        return "result"
      end) })
      assert.is_true(scope:cancel_called())
      assert.is_false(scope:cancelled_caught())
      assert.is_false(scope:expired())
      tide.sleep(1) -- nothing of it is left
    end)
  end)

  it("T3: raises CancelledError with the reason inside, and tells that it caught it", function()
    run(function()
      local scope, err
      tide.scope(function(s)
        scope = s
        s:cancel("why")
        assert.is_false(s:cancelled_caught())
        err = raises(tide.CancelledError, tide.sleep, 1)
        error(err, 0)
      end)
      assert.equal("why", err.reason)
      assert.matches("why", tostring(err))
      assert.is_true(scope:cancelled_caught())
      assert.is_true(scope:cancel_called())
    end)
  end)

  it("passes errors unchanged, cancelled or not", function()
    run(function()
      for _, cancel in ipairs { true, false } do
        local err, scope = {}, nil
        local ok, got = pcall(tide.scope, function(s)
          scope = s
          if cancel then
            s:cancel()
            pcall(tide.sleep, 1)
          end
          error(err, 0)
        end)
        assert.is_false(ok)
        assert.equal(err, got)
        assert.is_false(scope:cancelled_caught())
      end
      assert.same({ false, "<no error object>" }, { pcall(tide.scope, function() error() end) })
    end)
  end)

  it("T14, 127: passes a cancel that is not its own, made by hand or of another scope", function()
    run(function()
      local mine = tide.CancelledError("by hand")
      local ok, got = pcall(tide.scope, function(s)
        s:cancel()
        error(mine, 0)
      end)
      assert.is_false(ok)
      assert.equal(mine, got)
      local left
      tide.scope(function(s)
        s:cancel()
        left = raises(tide.CancelledError, tide.sleep, 1)
      end)
      ok, got = pcall(tide.scope, function() error(left, 0) end)
      assert.is_false(ok)
      assert.equal(left, got)
    end)
  end)

  it("T1, T19: raises at every checkpoint, until it is left", function()
    run(function()
      local done = tide.task(function() return 1 end)
      done:await()
      local ran = false
      tide.scope(function(s)
        s:cancel("why")
        local calls = {
          function() tide.sleep(0) end, function() tide.sleep(math.huge) end, tide.next_tick,
          function() done:await() end, function() tide.shield(done) end,
          function() tide.park(function() ran = true end) end,
          function() tide.wait_for(done, 1) end, testing.wait_all_tasks_blocked,
        }
        for i, call in ipairs(calls) do
          assert.equal("why", raises(tide.CancelledError, call).reason, "call " .. i)
        end
      end)
      assert.is_false(ran) -- park did not even start
      tide.sleep(0)
    end)
  end)

  it("T1: gives up the turn at each raise, so that others run", function()
    run(function()
      local order = {}
      local other = tide.task(function()
        for i = 1, 3 do
          order[#order + 1] = "other " .. i
          tide.sleep(0)
        end
      end)
      tide.scope(function(s)
        s:cancel()
        for i = 1, 3 do
          pcall(tide.sleep, 5)
          order[#order + 1] = "swallowed " .. i
        end
      end)
      other:await()
      assert.same({ "other 1", "swallowed 1", "other 2", "swallowed 2", "other 3",
        "swallowed 3" }, order)
    end)
  end)

  it("T20: makes a task that swallows on and on pay with time, and tells so once", function()
    run(function()
      local reports = {}
      tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
      local took = elapsed(tide.scope, function(s)
        s:cancel()
        for _ = 1, 150 do
          pcall(tide.sleep, 0)
        end
      end)
      tide.sleep(0)
      tide.loop():set_exception_handler(nil)
      assert.is_true(took >= 0.045 and took < 0.06, "took " .. took)
      assert.equal(1, #reports)
      tide.sleep(0) -- out of the scope it is free again
    end)
  end)

  it("wakes what waits inside it at once when another task cancels it", function()
    run(function()
      local scope, at
      local task = tide.task(function()
        return tide.scope(function(s)
          scope = s
          tide.sleep(math.huge)
        end)
      end)
      local took = elapsed(function()
        tide.sleep(1)
        scope:cancel("from outside")
        at = { task:await() }
      end)
      assert.same({ { false, "from outside" }, 1 }, { at, took })
    end)
  end)

  it("can be cancelled from a callback of the loop", function()
    run(function()
      assert.same({ false, "callback" }, { tide.scope(function(s)
        tide.loop():call_later(1, function() s:cancel("callback") end)
        tide.sleep(2)
      end) })
    end)
  end)

  it("does not reach tasks that were started in it", function()
    run(function()
      local task
      tide.scope(function(s)
        task = tide.task(function()
          tide.sleep(1)
          return tide.current_scope() == nil
        end)
        s:cancel()
        tide.sleep(0)
      end)
      assert.is_true(task:await())
    end)
  end)
end)

describe("nested scopes", function()
  it("an inner cancel ends the inner only", function()
    run(function()
      assert.same({ true, false, "inner" }, { tide.scope(function()
        local ok, reason = tide.scope(function(s)
          s:cancel("inner")
          tide.sleep(1)
        end)
        tide.sleep(1)
        return ok, reason
      end) })
    end)
  end)

  it("an outer cancel passes through the inner", function()
    run(function()
      local inner, passed
      assert.same({ false, "outer" }, { tide.scope(function(outer)
        pcall(tide.scope, function(s)
          inner = s
          outer:cancel("outer")
          tide.sleep(1)
        end)
        passed = true
        tide.sleep(0)
      end) })
      assert.is_true(passed)
      assert.is_false(inner:cancel_called())
      assert.is_false(inner:cancelled_caught())
    end)
  end)

  it("when both are cancelled the error passes on as the outer's", function()
    run(function()
      local inner, outer, err
      assert.same({ false, "outer" }, { tide.scope(function(s)
        outer = s
        local ok
        ok, err = pcall(tide.scope, function(i)
          inner = i
          i:cancel("inner")
          outer:cancel("outer")
          tide.sleep(1)
        end)
        assert.is_false(ok)
        error(err, 0)
      end) })
      assert.equal("outer", err.reason)
      assert.matches("outer", tostring(err))
      assert.is_false(inner:cancelled_caught())
      assert.is_true(outer:cancelled_caught())
    end)
  end)

  it("an outer cancel that comes while the inner's is on its way wins", function()
    run(function()
      assert.same({ false, "outer" }, { tide.scope(function(outer)
        tide.scope(function(inner)
          inner:cancel("inner")
          local _, err = pcall(tide.sleep, 1)
          outer:cancel("outer")
          error(err, 0)
        end)
        error("not reached")
      end) })
    end)
  end)

  it("T6: an outer cancel stops at a shielded scope, its own does not", function()
    run(function()
      local took = elapsed(function()
        assert.same({ false, "outer" }, { tide.scope(function(outer)
          outer:cancel("outer")
          assert.same({ true, "done" }, { tide.scope({ shield = true }, function(s)
            assert.is_true(s.shield)
            tide.sleep(1)
            return "done"
          end) })
          assert.same({ false, "own" }, { tide.scope({ shield = true }, function(s)
            s:cancel("own")
            tide.sleep(1)
          end) })
          tide.sleep(1)
        end) })
      end)
      assert.equal(1, took)
    end)
  end)

  it("T6: dropping the shield wakes a sleeper inside at once", function()
    run(function()
      local outer, inner
      local task = tide.task(function()
        return tide.scope(function(s)
          outer = s
          tide.scope({ shield = true }, function(i)
            inner = i
            tide.sleep(math.huge)
          end)
        end)
      end)
      tide.sleep(1)
      outer:cancel("outer")
      tide.sleep(1)
      assert.is_false(task:done())
      inner.shield = false
      tide.sleep(0)
      assert.same({ false, "outer" }, { task:result() })
    end)
  end)

  it("T15: a cancel under way is still the outer's if a shield is put up meanwhile", function()
    run(function()
      for _, when in ipairs { "parked", "raising" } do
        local outer, inner
        local task = tide.task(function()
          return tide.scope(function(s)
            outer = s
            tide.scope(function(i)
              inner = i
              if when == "raising" then
                s:cancel("outer")
              end
              tide.sleep(10)
            end)
          end)
        end)
        tide.sleep(0)
        outer:cancel("outer")
        inner.shield = true
        assert.same({ false, "outer" }, { task:await() })
      end
    end)
  end)

  it("T11: 5,000 of them open and close, a cancel of the outermost reaches in", function()
    run(function()
      local ids = {}
      for i = 1, 5000 do
        ids[i] = core.scope_enter(now() + 5001 - i)
        ids.outermost = ids.outermost or tide.current_scope()
      end
      assert.equal(5000, tide.stats().timers)
      ids.outermost:cancel()
      raises(tide.CancelledError, tide.sleep, 1)
      for i = 5000, 1, -1 do
        core.scope_leave(ids[i], true)
      end
      assert.equal(0, tide.stats().timers)
      assert.is_nil(tide.current_scope())
      tide.sleep(1)
    end)
  end)

  it("deeper than Lua can call is an error like others, and leaves none open", function()
    run(function()
      local depth = 0
      local function deeper()
        depth = depth + 1
        return tide.scope({ deadline = now() + 5 }, deeper)
      end
      local ok, err = pcall(deeper)
      assert.is_false(ok)
      assert.matches("stack overflow", tostring(err))
      assert.is_true(depth > 150)
      assert.equal(0, tide.stats().timers)
      assert.is_nil(tide.current_scope())
      tide.sleep(1)
    end)
  end)
end)
