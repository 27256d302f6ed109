local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now, elapsed, raises, misuse = support.now, support.elapsed, support.raises, support.misuse

local run, pcall = testing.run, tide.pcall

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

local function close(scope, err)
  return getmetatable(scope).__close(scope, err)
end

describe("a Scope", function()
  it("its deadline ends the scope: false and a TimeoutError", function()
    run(function()
      local scope
      local took = elapsed(function()
        local ok, reason = tide.scope({ deadline = now() + 2 }, function(s)
          scope = s
          assert.near(now() + 2, s.deadline, 1e-6)
          tide.sleep(5)
        end)
        assert.is_false(ok)
        assert.is_true(tide.is(reason, tide.TimeoutError))
      end)
      assert.equal(2, took)
      assert.is_true(scope:expired())
      assert.is_true(scope:cancel_called())
      assert.is_true(scope:cancelled_caught())
      assert.equal("Scope<expired>", tostring(scope))
    end)
  end)

  it("16: a cancel before its deadline is not a timeout, also when the deadline passes", function()
    run(function()
      local scope
      assert.same({ false, "why" }, { tide.scope({ deadline = now() + 1 }, function(s)
        scope = s
        s:cancel("why")
        tide.shield(tide.sleep, 2)
        tide.sleep(1)
      end) })
      assert.is_false(scope:expired())
      assert.equal("Scope<cancelled>", tostring(scope))
    end)
  end)

  it("123: a deadline in the past cancels at once, none and math.huge never", function()
    run(function()
      for _, past in ipairs { -1, 0, now(), now() - 1, -math.huge } do
        local early
        local ok = tide.scope({ deadline = past }, function(s)
          early = s:cancel_called() and s:expired()
          tide.sleep(0)
        end)
        assert.same({ true, false }, { early, ok })
      end
      for _, deadline in ipairs { "none", math.huge } do
        local options = { deadline = deadline ~= "none" and deadline or nil }
        assert.same({ true }, { tide.scope(options, function(s)
          assert.is_nil(s.deadline)
          assert.equal(0, tide.stats().timers)
          tide.sleep(1e4)
        end) })
      end
    end)
  end)

  it("129, T13: its deadline moves: later, earlier, away, and to the past", function()
    run(function()
      local function slept(change)
        return elapsed(tide.scope, { deadline = now() + 2 }, function(s)
          change(s)
          tide.sleep(10)
        end)
      end
      assert.equal(3, slept(function(s) s:reschedule(now() + 3) end))
      assert.equal(1, slept(function(s) s.deadline = now() + 1 end))
      assert.equal(10, slept(function(s) s:reschedule(nil) end))
      assert.equal(10, slept(function(s) s.deadline = math.huge end))
      assert.equal(0, slept(function(s) s:reschedule(now() - 1) end))
      assert.equal(1, slept(function(s)
        tide.loop():call_later(1, function() s.deadline = 0 end)
      end))
      assert.equal(4, slept(function(s)
        tide.loop():call_later(1, function() s:reschedule(now() + 3) end)
      end))
    end)
  end)

  it("129: what is cancelled, expired or closed cannot be rescheduled", function()
    run(function()
      local scope
      tide.scope(function(s)
        scope = s
        s:cancel()
        raises(tide.InvalidStateError, s.reschedule, s, now() + 1)
      end)
      raises(tide.InvalidStateError, scope.reschedule, scope, now() + 1)
      raises(tide.InvalidStateError, function() scope.deadline = now() + 1 end)
      raises(tide.InvalidStateError, function() scope.shield = true end)
      tide.scope({ deadline = 0 }, function(s)
        local err = raises(tide.InvalidStateError, s.reschedule, s, now() + 1)
        assert.matches("expired", tostring(err))
      end)
    end)
  end)

  it("keeps what it was when it is closed, and cancel does nothing then", function()
    run(function()
      local when, scope = now() + 5, nil
      tide.scope({ deadline = when, shield = true }, function(s) scope = s end)
      assert.is_false(scope:cancel("late"))
      assert.is_false(scope:cancel_called())
      assert.is_true(scope.shield)
      assert.near(when, scope.deadline, 1e-6)
      tide.scope(function() assert.is_false(scope:cancel()) end) -- its record is in use again
    end)
  end)

  it("keeps what it was when its task or coroutine ended without closing it", function()
    run(function()
      local function open(keep)
        return tide.coroutine.create(function()
          tide.scope({ deadline = now() + 5 }, function(s)
            keep[1] = s
            keep.reason[1] = {}
            s:cancel(keep.reason[1])
            tide.coroutine.yield()
          end)
        end)
      end
      local keep = { reason = setmetatable({}, { __mode = "v" }) }
      tide.coroutine.resume(open(keep))
      support.collect()
      assert.is_false(keep[1]:cancel())
      assert.is_true(keep[1]:cancel_called())
      assert.is_true(keep[1].deadline > now())
      assert.is_nil(keep.reason[1])
    end)
  end)

  it("88: of a closed loop is closed", function()
    local scope
    run(function() tide.scope(function(s) scope = s end) end)
    tide.loop():close()
    assert.is_false(scope:cancel())
    assert.equal("Scope<closed>", tostring(scope))
    run(function() tide.scope(function() assert.is_false(scope:cancel()) end) end)
  end)

  it("has no other fields, and refuses values of a wrong type at the caller's line", function()
    run(function()
      tide.scope(function(s)
        assert.is_nil(s.other)
        assert.is_nil(s[1])
        misuse("no field 'other'", function() s.other = 1 end)
        misuse("number expected, got string", function() s.deadline = "soon" end)
        misuse("NaN", function() s.deadline = 0 / 0 end)
        misuse("boolean expected, got number", function() s.shield = 1 end)
        misuse("'Scope:reschedule' %(number expected", function() s:reschedule({}) end)
        misuse("'Scope:cancel' on bad self %(Scope .*got no value", function() s.cancel() end)
        misuse("Scope expected, got tide.Task", function() s.cancel(tide.current_task()) end)
        misuse("'Scope:expired' on bad self %(Scope", function() s.expired(io.stdout) end)
        assert.is_false(s:cancel_called())
      end)
    end)
  end)
end)

describe("scope is misused", function()
  it("by arguments of a wrong type: at the caller's line, and nothing is left open", function()
    run(function()
      misuse("#1 to 'tide.scope' %(function or options", function() tide.scope("x", print) end)
      misuse("#1 to 'tide.scope' %(function or options", function() tide.scope(nil, print) end)
      misuse("#2 to 'tide.scope' %(function", function() tide.scope({}, 5) end)
      misuse("'tide.scope' %(number", function() tide.scope({ deadline = "x" }, print) end)
      misuse("'tide.scope' .*NaN", function() tide.scope({ deadline = 0 / 0 }, print) end)
      assert.is_nil(tide.current_scope())
    end)
  end)

  it("outside of a task: in a callback or a plain coroutine, and names the function", function()
    run(function()
      local task = tide.task(tide.sleep, 1)
      for name, args in pairs {
        scope = { print }, timeout = { 1, print }, timeout_at = { 1, print },
        move_on_after = { 1, print }, shield = { print }, wait_for = { task, 1 },
      } do
        local errors = {}
        local function fails()
          local _, err = _G.pcall(tide[name], args[1], args[2])
          errors[#errors + 1] = tostring(err)
        end
        tide.loop():call_soon(fails)
        tide.sleep(0)
        coroutine.wrap(fails)()
        assert.matches("'tide%." .. name .. "' cannot wait in a callback", errors[1])
        assert.matches("'tide%." .. name .. "' cannot wait in a plain coroutine", errors[2])
      end
      task:cancel()
    end)
  end)

  it("T10: closed before the scopes inside it, twice, or by another task", function()
    run(function()
      local inner, caught
      local ok = pcall(tide.scope, function(outer)
        local closed, err = pcall(tide.scope, { deadline = now() + 5 }, function(s)
          inner = s
          caught = { pcall(close, outer) }
          assert.is_nil(tide.current_scope())
          assert.equal(0, tide.stats().timers)
          tide.sleep(0)
        end)
        assert.is_false(closed)
        assert.matches("not open", err)
        local again = { pcall(close, outer) }
        assert.is_false(again[1])
        assert.matches("not open", again[2])
      end)
      assert.is_false(caught[1])
      assert.matches("closed before the scopes inside it", caught[2])
      assert.is_false(ok)
      assert.equal("Scope<closed>", tostring(inner))
      local other = tide.scope(function(s)
        local task = tide.task(function() return pcall(close, s) end)
        local closed, message = task:await()
        assert.is_false(closed)
        assert.matches("not open in this task", message)
        s:cancel()
        tide.sleep(1)
      end)
      assert.is_false(other)
    end)
  end)

  it("T10: closed by a coroutine that was resumed inside it", function()
    run(function()
      for _, wait in ipairs { false, true } do
        local ok, err = pcall(tide.scope, { deadline = now() + 9 }, function(s)
          local co = tide.coroutine.wrap(function()
            if wait then
              tide.sleep(1)
            end
            close(s)
            if wait then
              tide.sleep(1)
            end
            return "closed"
          end)
          pcall(co)
          tide.sleep(1)
        end)
        assert.is_false(ok)
        assert.matches("not open", err)
        assert.is_nil(tide.current_scope())
      end
    end)
  end)
end)

describe("current_scope", function()
  it("is the innermost of the running task, in every form", function()
    run(function()
      assert.is_nil(tide.current_scope())
      local function here()
        local scope = tide.current_scope()
        assert.equal("Scope<open>", tostring(scope))
        assert.is_true(rawequal(scope, tide.current_scope()))
        return scope
      end
      tide.scope(function(outer)
        assert.is_true(rawequal(outer, here()))
        for i, call in ipairs {
          function() return tide.timeout(1, here) end,
          function() return tide.timeout_at(now() + 1, here) end,
          function() return select(2, tide.move_on_after(1, here)) end,
          function() return tide.wait_for(here, 1) end,
          function() return tide.shield(here) end,
        } do
          local scope = call()
          assert.is_false(rawequal(scope, outer), "call " .. i)
          assert.equal(i == 5, scope.shield)
          assert.equal(i ~= 5, scope.deadline ~= nil)
          assert.is_true(rawequal(outer, tide.current_scope()))
        end
      end)
      assert.is_nil(tide.current_scope())
    end)
  end)

  it("is not what Task:cancel cancels, and nil in a callback", function()
    run(function()
      local seen = {}
      local task = tide.task(function()
        pcall(tide.sleep, 1)
        seen.task = tostring(tide.current_scope())
      end)
      tide.sleep(0)
      task:cancel()
      tide.scope(function()
        tide.loop():call_soon(function() seen.callback = tostring(tide.current_scope()) end)
        task:await()
      end)
      assert.same({ task = "nil", callback = "nil" }, seen)
    end)
  end)

  it("works in the main program, whose scopes are its own", function()
    local seen
    assert.same({ false, "main" }, { tide.scope(function(s)
      tide.task(function() seen = tostring(tide.current_scope()) end)
      tide.sleep(0)
      assert.is_true(rawequal(s, tide.current_scope()))
      s:cancel("main")
      tide.sleep(1)
    end) })
    assert.equal("nil", seen)
    assert.is_nil(tide.current_scope())
  end)
end)

if has_close then
  local bind = load [[
    local tide, options, body = ...
    local s <close> = tide.scope(options)
    return body(s)
  ]]
  describe("local s <close> = scope{}", function()
    it("is open to the end of its block, passes results and errors", function()
      run(function()
        local scope
        assert.same({ 1, nil, 3 }, { bind(tide, {}, function(s)
          scope = s
          assert.is_true(rawequal(s, tide.current_scope()))
          return 1, nil, 3
        end) })
        assert.equal("Scope<closed>", tostring(scope))
        local err = {}
        local _, got = pcall(bind, tide, nil, function() error(err, 0) end)
        assert.equal(err, got)
        assert.is_nil(tide.current_scope())
      end)
    end)

    it("raises ScopeCancelled with the reason, or TimeoutError, at the edge", function()
      run(function()
        local scope
        local err = raises(tide.ScopeCancelled, bind, tide, { shield = true }, function(s)
          scope = s
          s:cancel("why")
          tide.sleep(1)
        end)
        assert.equal("why", err.reason)
        assert.is_true(scope:cancelled_caught())
        raises(tide.TimeoutError, bind, tide, { deadline = now() + 1 }, function()
          tide.sleep(2)
        end)
        assert.equal(3, bind(tide, { deadline = 0 }, function() return 3 end))
      end)
    end)

    it("an outer cancel passes it", function()
      run(function()
        assert.same({ false, "outer" }, { tide.scope(function(outer)
          bind(tide, {}, function(s)
            s:cancel("inner")
            outer:cancel("outer")
            tide.sleep(1)
          end)
        end) })
      end)
    end)
  end)
else
  it("scope without a function says which Lua it needs", function()
    run(function()
      misuse("'tide.scope' without a function .*5.4.3", function() tide.scope {} end)
      misuse("'tide.scope' without a function .*5.4.3", function() tide.scope() end)
      assert.is_nil(tide.current_scope())
    end)
  end)
end
