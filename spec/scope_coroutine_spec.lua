-- Scopes that coroutines of tide.coroutine have open (scope.lua, foreign.c).
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now, raises = support.now, support.raises

local run, co = testing.run, tide.coroutine

local function timers()
  return tide.stats().timers
end

local collect = support.collect

--- A coroutine that yields "open" inside a timeout, then sleeps for a second.
local function suspended(seconds)
  local c = co.create(function()
    return tide.timeout(seconds, function()
      co.yield("open")
      return tide.sleep(1, "done")
    end)
  end)
  assert.same({ true, "open" }, { co.resume(c) })
  return c
end

describe("a scope that a coroutine has open", function()
  it("is not its resumer's while it is suspended", function()
    run(function()
      tide.scope(function(s)
        local c = suspended(1)
        assert.is_true(rawequal(s, tide.current_scope()))
        tide.sleep(5) -- past the deadline, which does not concern us
        assert.is_false(s:cancel_called())
        local ok, err = co.resume(c)
        assert.is_false(ok)
        assert.is_true(tide.is(err, tide.TimeoutError))
        assert.equal("dead", co.status(c))
        assert.is_true(rawequal(s, tide.current_scope()))
      end)
      assert.equal(0, timers())
    end)
  end)

  it("is there again when it is resumed, and raises in it at the deadline", function()
    run(function()
      local c = suspended(3)
      tide.sleep(1)
      assert.same({ true, "done" }, { co.resume(c) })
      c = suspended(3)
      tide.sleep(2.5)
      local start = now()
      local ok, err = co.resume(c)
      assert.is_false(ok)
      assert.is_true(tide.is(err, tide.TimeoutError))
      assert.near(0.5, now() - start, 1e-6)
    end)
  end)

  it("goes with it to another task, and outlives the one that opened it", function()
    run(function()
      for _, seconds in ipairs { 3, 0.5 } do
        local c
        tide.task(function() c = suspended(seconds) end):await()
        assert.equal(1, timers())
        local task = tide.task(function() return co.resume(c) end)
        local ok, got = task:await()
        assert.equal(seconds == 3, ok)
        assert.is_true(got == "done" or tide.is(got, tide.TimeoutError))
        assert.equal(0, timers())
      end
    end)
  end)

  it("hangs inside its resumer's: a cancel of that reaches in, but not while it is away", function()
    run(function()
      local c = suspended(60)
      assert.same({ false, "resumer" }, { tide.scope(function(s)
        s:cancel("resumer")
        local ok, err = co.resume(c)
        assert.is_false(ok)
        error(err, 0)
      end) })
      assert.equal(0, timers())
      c = suspended(60)
      tide.scope(function(s) s:cancel() end)
      assert.same({ true, "done" }, { co.resume(c) })
    end)
  end)

  it("can be cancelled while it is suspended", function()
    run(function()
      local scope
      local wrapped = co.wrap(function()
        return tide.scope(function(s)
          scope = s
          co.yield()
          tide.sleep(1)
        end)
      end)
      wrapped()
      assert.is_true(scope:cancel("suspended"))
      tide.sleep(0) -- not ours
      assert.same({ false, "suspended" }, { wrapped() })
    end)
  end)

  it("a shield of it keeps its resumer's cancel out", function()
    run(function()
      local wrapped = co.wrap(function()
        return tide.shield(function()
          co.yield()
          return tide.sleep(1, "shielded")
        end)
      end)
      wrapped()
      tide.scope(function(s)
        s:cancel()
        assert.equal("shielded", wrapped())
        raises(tide.CancelledError, tide.sleep, 1)
      end)
    end)
  end)

  it("several coroutines leave theirs in any order", function()
    run(function()
      local order, coroutines = {}, {}
      for i = 1, 4 do
        coroutines[i] = co.wrap(function()
          local ok = tide.move_on_after(i, function()
            for _ = 1, 3 do
              co.yield(tide.current_scope())
              tide.sleep(0)
            end
          end)
          order[#order + 1] = ok and "left " .. i or "timed out " .. i
        end)
        coroutines[i]()
      end
      tide.sleep(2.5)
      assert.is_nil(tide.current_scope())
      for round = 1, 3 do
        for _, i in ipairs { 3, 1, 4, 2 } do
          if round == 1 or i > 2 then
            coroutines[i]()
          end
        end
      end
      assert.same({ "timed out 1", "timed out 2", "left 3", "left 4" }, order)
      assert.equal(0, timers())
    end)
  end)

  it("a cancel of the task stays when the coroutine that got it has ended", function()
    run(function()
      for _, how in ipairs { "pcall", "wrap", "yield" } do
        local caught = 0
        local task = tide.task(function()
          if how == "pcall" then
            raises(tide.CancelledError, tide.sleep, 9)
          else
            local wrapped = co.wrap(function()
              raises(tide.CancelledError, tide.sleep, 9)
              if how == "yield" then
                co.yield()
                raises(tide.CancelledError, tide.sleep, 9)
              end
            end)
            wrapped()
            if how == "yield" then
              raises(tide.CancelledError, tide.sleep, 9)
              wrapped()
            end
          end
          for _ = 1, 3 do
            raises(tide.CancelledError, tide.sleep, 9)
            caught = caught + 1
          end
          assert.equal(0, tide.current_task():uncancel())
          return tide.sleep(1, "free")
        end)
        tide.sleep(1)
        task:cancel()
        assert.equal("free", task:await())
        assert.equal(3, caught)
      end
    end)
  end)

  it("ends with a coroutine that is never resumed, when that is collected", function()
    run(function()
      for _ = 1, 50 do
        suspended(1e4)
      end
      collect()
      assert.equal(0, timers())
      tide.sleep(1)
    end)
  end)

  it("is collected together with others at any moment", function()
    run(function()
      local tasks = {}
      for i = 1, 20 do
        tasks[i] = tide.task(function()
          for _ = 1, 20 do
            local c = suspended(i / 10)
            tide.sleep(i / 100)
            if i % 3 == 0 then
              co.resume(c)
            end
            collectgarbage("step", 10)
          end
        end)
      end
      for _, task in ipairs(tasks) do
        task:await()
      end
      collect()
      assert.equal(0, timers())
    end)
  end)

  it("of a closed loop is nothing to a new one", function()
    local c
    run(function() c = suspended(1e4) end)
    tide.loop():close()
    run(function()
      assert.equal(0, timers())
      local ok, err = co.resume(c)
      assert.is_false(ok) -- its scope is gone, and its edge says so
      assert.matches("not open", tostring(err))
      assert.is_nil(tide.current_scope())
    end)
  end)

  if coroutine.close then -- 5.4 has it first
    it("ends when the coroutine is closed", function()
      run(function()
        local c = suspended(60)
        assert.is_true(co.close(c))
        assert.equal(0, timers())
        c = suspended(60)
        tide.task(function() assert.is_true(co.close(c)) end):await()
        assert.equal(0, timers())
      end)
    end)

    it("ends when the coroutine is closed, also one that is to be closed", function()
      run(function()
        local bound = load [[
          local tide, keep = ...
          local s <close> = tide.timeout(60)
          local t <close> = tide.scope { shield = true }
          local u <close> = setmetatable({}, { __close = function(_, err)
            keep.closed, keep.err = (keep.closed or 0) + 1, err
          end })
          tide.coroutine.yield()
        ]]
        local keep = {}
        local c = co.create(bound)
        co.resume(c, tide, keep)
        assert.same({ true }, { co.close(c) })
        assert.same({ closed = 1 }, keep)
        assert.equal(0, timers())
        assert.is_nil(tide.current_scope())
        tide.sleep(1)
      end)
    end)
  end
end)
