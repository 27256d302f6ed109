local tide = require "tide"
local support = require "spec.support"
local groups = require "spec.group_support"

require("tide.busted").configure { task = false }

local pack, raises = support.pack, support.raises
local task_it, now, fails, fails_with = groups.task_it, groups.now, groups.fails, groups.fails_with
local reports_of = groups.reports_of

local pcall, sleep, group = tide.pcall, tide.sleep, tide.group

describe("a cancel in a group", function()
  task_it("109: of one child alone does not stop the group", function()
    local log = {}
    assert.equal("fine", group(function(g)
      local a = g:task(sleep, 60)
      g:task(function() sleep(2) log[#log + 1] = "b" end)
      sleep(1)
      assert.is_true(a:cancel("why"))
      assert.equal(1, a:cancelling())
      sleep(0)
      assert.is_true(a:cancelled())
      return "fine"
    end))
    assert.same({ "b" }, log)
  end)

  task_it("109: a child that raises a CancelledError of its own ends just cancelled", function()
    assert.equal(1, group(function(g)
      local a = g:task(function() error(tide.CancelledError "mine") end)
      local b = g:task(function() tide.current_task():cancel() end) -- in its last step
      local c = g:task(function() tide.current_task():cancel() sleep(0) end)
      sleep(1)
      assert.same({ true, true, true }, { a:cancelled(), b:cancelled(), c:cancelled() })
      return 1
    end))
  end)

  task_it("of a child is lifted by its uncancel", function()
    group(function(g)
      local child = g:task(function()
        local me = tide.current_task()
        raises(tide.CancelledError, sleep, 60)
        assert.equal(0, me:uncancel())
        sleep(1)
        return "went on"
      end)
      sleep(0)
      child:cancel()
      assert.equal("went on", child:await())
    end)
    -- but not that of its group
    group(function(g)
      g:task(function()
        raises(tide.CancelledError, sleep, 60)
        tide.current_task():uncancel()
        raises(tide.CancelledError, sleep, 60)
      end)
      sleep(0)
      g:cancel()
    end)
  end)

  task_it("g:cancel ends body and children, and the group returns nothing", function()
    local child
    assert.same(pack(), pack(group(function(g)
      child = g:task(sleep, 60)
      sleep(1)
      assert.is_true(g:cancel("enough"))
      assert.is_true(g:cancel("again"))
      local err = raises(tide.CancelledError, sleep, 60)
      assert.equal("enough", err.reason)
      error(err, 0)
    end)))
    assert.is_true(child:cancelled())
    sleep(0) -- 120: nothing of it is left
    assert.equal(0, tide.current_task():cancelling())
  end)

  task_it("g:cancel gives the children its reason", function()
    local reason
    group(function(g)
      g:task(function() reason = raises(tide.CancelledError, sleep, 60).reason end)
      sleep(0)
      g:cancel("why")
    end)
    assert.equal("why", reason)
  end)

  task_it("g:cancel keeps the results of a body that ends before its next await", function()
    assert.same(pack(1, nil), pack(group(function(g)
      g:task(sleep, 60)
      g:cancel()
      return 1, nil
    end)))
    assert.equal(0, now())
  end)

  task_it("g:cancel at the edge comes from a child, another task or a callback", function()
    for _, from in ipairs { "child", "task", "callback" } do
      local before = now()
      assert.equal("r", group(function(g)
        local function cancel() assert(g:cancel()) end
        g:task(sleep, 60)
        if from == "child" then
          g:task(function() sleep(1) cancel() end)
        elseif from == "task" then
          tide.task(function() sleep(1) cancel() end)
        else
          tide.loop():call_later(1, cancel)
        end
        return "r"
      end))
      assert.equal(1, now() - before)
    end
  end)

  task_it("g:cancel and then an error: the error is raised", function()
    assert.equal("bad", fails(function(g)
      g:task(function() pcall(sleep, 60) error("bad", 0) end)
      sleep(0)
      g:cancel()
      sleep(0)
    end))
    assert.equal("body", fails(function(g)
      g:cancel()
      pcall(sleep, 0)
      error("body", 0)
    end))
  end)

  task_it("120: of the group is not seen outside of it", function()
    tide.scope(function(scope)
      pcall(group, function(g)
        g:task(error, "bad")
        sleep(60)
      end)
      assert.is_false(scope:cancel_called())
      sleep(1)
    end)
    local me = tide.current_task()
    assert.same({ 0, false }, { me:cancelling(), me:cancelled() })
  end)

  task_it("T5: a task spawned into a cancelled group fails at its first await", function()
    local log = {}
    group(function(g)
      g:cancel()
      local child = g:task(function()
        log[#log + 1] = "started"
        local ok, err = pcall(sleep, 0)
        log[#log + 1] = ok or tostring(err)
        error(err, 0)
      end)
      tide.shield(function()
        pcall(child.await, child)
        assert.is_true(child:cancelled())
      end)
    end)
    assert.same({ "started", "CancelledError: cancelled" }, log)
  end)

  task_it("from outside reaches the children, and passes on from the body", function()
    local err
    local host = tide.task(function()
      group(function(g)
        g:task(function() err = raises(tide.CancelledError, sleep, 60) error(err, 0) end)
        sleep(60)
      end)
    end)
    sleep(1)
    host:cancel("outside")
    raises(tide.CancelledError, host.await, host)
    assert.is_true(host:cancelled())
    assert.equal("outside", err.reason)
  end)

  task_it("at the edge cancels the children, and is raised when they have ended", function()
    local child, ended
    local host = tide.task(group, function(g)
      child = g:task(tide.finally, function() sleep(60) end, function()
        sleep(1)
        ended = now()
      end)
      return "results"
    end)
    sleep(1)
    host:cancel("why")
    assert.equal("why", raises(tide.CancelledError, host.await, host).reason)
    assert.is_true(child:cancelled())
    assert.equal(2, ended)
  end)

  task_it("by a deadline at the edge is told by what has the deadline", function()
    local function slow(g) g:task(sleep, 60) return "results" end
    raises(tide.TimeoutError, tide.timeout, 1, group, slow)
    assert.is_false(tide.move_on_after(1, group, slow))
    assert.is_false((tide.scope(function(s)
      tide.loop():call_later(1, function() s:cancel() end)
      group(slow)
    end)))
    assert.equal(3, now())
  end)

  task_it("T3: is not raised at the edge when it ended no child", function()
    local function nothing() end
    for _, child in ipairs { nothing, function() tide.shield(sleep, 2) end,
      function() pcall(sleep, 60) end } do
      assert.same(pack(true, "results"), pack(tide.move_on_after(1, group, function(g)
        g:task(child)
        return "results"
      end)))
    end
    assert.same(pack(true, 5), pack(tide.scope(function(s)
      s:cancel()
      return group(function(g)
        return g:start(function(started) started(5) end)
      end)
    end)))
  end)

  task_it("is not raised at the edge when there is nothing left to wait for", function()
    local after
    local host = tide.task(function()
      local results = pack(group(function()
        tide.current_task():cancel()
        return "results"
      end))
      assert.same(pack("results"), results)
      after = raises(tide.CancelledError, sleep, 0)
      error(after, 0)
    end)
    raises(tide.CancelledError, host.await, host)
    assert.is_table(after)
  end)

  task_it("118: at the edge, and an error: the error first, then the cancel", function()
    local after
    local host = tide.task(function()
      local err = fails(function(g)
        g:task(function() pcall(sleep, 60) error("child", 0) end)
      end)
      assert.equal("child", err)
      assert.equal(1, tide.current_task():cancelling())
      after = raises(tide.CancelledError, sleep, 0)
      error(after, 0)
    end)
    sleep(1)
    host:cancel()
    raises(tide.CancelledError, host.await, host)
    assert.is_true(tide.is_cancelled(after))
  end)

  task_it("118: from outside of the body, and an error: the error wins", function()
    local host = tide.task(group, function(g)
      g:task(function() pcall(sleep, 60) error("child", 0) end)
      sleep(60)
    end)
    sleep(1)
    host:cancel()
    assert.same(pack(false, "child"), pack(pcall(host.await, host)))
    assert.is_false(host:cancelled())
  end)

  task_it("of another's that escapes the body cancels the children and passes on", function()
    local other, child, first = tide.task(sleep, 60), nil, nil
    sleep(0)
    other:cancel("other")
    local err = raises(tide.CancelledError, group, function(g)
      child = g:task(sleep, 60)
      first = raises(tide.CancelledError, other.await, other)
      error(first, 0)
    end)
    assert.equal(first, err)
    assert.is_true(child:cancelled())
    assert.equal("bad", fails(function(g)
      g:task(function() pcall(sleep, 60) error("bad", 0) end)
      sleep(0)
      other:await()
    end))
  end)

  task_it("of a child that the body awaits passes on from the body", function()
    local sibling
    raises(tide.CancelledError, group, function(g)
      local child = g:task(sleep, 60)
      sibling = g:task(sleep, 60)
      tide.loop():call_later(1, function() child:cancel() end)
      child:await()
    end)
    assert.is_true(sibling:cancelled())
    sleep(0)
  end)

  task_it("never stands in an ErrorGroup", function()
    fails_with({ "a", "b" }, function(g)
      for _ = 1, 3 do g:task(sleep, 60) end
      g:task(function() pcall(sleep, 60) error(tide.CancelledError {}) end)
      g:task(error, "a", 0)
      g:task(error, "b", 0)
      sleep(60)
    end)
  end)

  task_it("is swallowed by a child for so long: it is abandoned, and the group ends", function()
    local sibling, reports
    reports = reports_of(function()
      local err = fails(function(g)
        g:task(function() while true do pcall(sleep, 60) end end):set_name("stubborn")
        sibling = g:task(sleep, 60)
        sleep(1)
        g:cancel()
        sleep(60)
      end)
      assert.is_true(tide.is(err, tide.AbandonedError))
    end)
    assert.is_true(sibling:cancelled())
    assert.same({ "stubborn catches its cancellation and goes on" }, reports)
  end)
end)

describe("a group and scopes:", function()
  task_it("T9: children hang on the group's scope, not on the shield of their host", function()
    local child, shielded
    local host = tide.task(group, function(g)
      tide.shield(function()
        child = g:task(sleep, 60)
        sleep(2)
        shielded = { child:cancelled(), now() }
      end)
      sleep(60)
    end)
    sleep(1)
    host:cancel()
    raises(tide.CancelledError, host.await, host)
    assert.same({ true, 2 }, shielded)
  end)

  task_it("T9: and not on a timeout that the body opened inside", function()
    group(function(g)
      local child
      assert.is_false(tide.move_on_after(1, function()
        child = g:task(sleep, 5)
        sleep(60)
      end))
      child:await()
      assert.equal(5, now())
    end)
  end)

  task_it("T6: a group inside a shield is cancelled when that is dropped", function()
    local log = {}
    local host = tide.task(function()
      tide.scope({ shield = true }, function(scope)
        group(function(g)
          g:task(function()
            local ok = pcall(sleep, 60)
            log[#log + 1] = { ok, now() }
          end)
          tide.loop():call_later(3, function() scope.shield = false end)
        end)
      end)
    end)
    sleep(1)
    host:cancel()
    pcall(host.await, host)
    assert.same({ { false, 3 } }, log)
  end)

  task_it("a shield in a child holds the group open until it has returned", function()
    assert.equal("stop", fails(function(g)
      g:task(function()
        tide.shield(sleep, 5)
        error("not reached", tide.is_cancelled(raises(tide.CancelledError, sleep, 0)) and 0 or 0)
      end)
      sleep(1)
      error("stop", 0)
    end).errors[1])
    assert.equal(5, now())
  end)

  task_it("a deadline around it ends body and children in TimeoutError", function()
    local child
    raises(tide.TimeoutError, tide.timeout, 1, group, function(g)
      child = g:task(sleep, 60)
      sleep(60)
    end)
    assert.is_true(child:cancelled())
    assert.equal(1, now())
    assert.is_false(tide.move_on_after(1, group, function() sleep(60) end))
    raises(tide.TimeoutError, tide.wait_for, function()
      group(function(g) g:task(sleep, 60) sleep(60) end)
    end, 1)
  end)

  task_it("a deadline around it, and an error: the error", function()
    assert.same(pack(false, "bad"), pack(pcall(tide.timeout, 1, group, function(g)
      g:task(function() pcall(sleep, 60) error("bad", 0) end)
      sleep(60)
    end)))
  end)

  task_it("deadlines of children and of the body are their own", function()
    local log = {}
    group(function(g)
      for i = 1, 3 do
        g:task(function()
          local in_time = tide.move_on_after(i, sleep, 2.5)
          log[#log + 1] = in_time and i or -i
        end)
      end
      raises(tide.TimeoutError, tide.timeout, 0.5, sleep, 60)
    end)
    assert.same({ -1, -2, 3 }, log)
  end)

  task_it("a deadline that is past when it opens lets nothing in it wait", function()
    local child, ran
    assert.is_false(tide.move_on_after(0, group, function(g)
      child = g:task(function() ran = true sleep(0) end)
      sleep(0)
    end))
    assert.is_true(child:cancelled())
    assert.same({ true, 0 }, { ran, now() })
  end)

  task_it("current_scope in a child is not its group's", function()
    group(function(g)
      assert.is_true(g:task(function() return tide.current_scope() == nil end):await())
      tide.scope(function(scope)
        assert.is_false(g:task(function() return tide.current_scope() == scope end):await())
      end)
    end)
  end)

  -- Minutes, if each cancel, or who asks whose it is, looked at the whole nest.
  task_it("ends a very deep nest, whichever way its tasks wait", function()
    local ended, depth = 0, 50000
    local function nest(n)
      group(function(g)
        if n > 1 then g:task(nest, n - 1) end
        local ok, err
        if n % 2 == 0 then
          ok, err = pcall(sleep, 1000)
        else
          ok, err = pcall(tide.as_completed { tide.task(sleep, 1000) })
        end
        assert(not ok and tide.is_cancelled(err))
        ended = ended + 1
        error(err, 0)
      end)
    end
    tide.task(nest, depth)
    sleep(1)
    for _, task in ipairs(tide.all_tasks()) do
      if task ~= tide.current_task() then task:cancel() end
    end
    sleep(1)
    assert.equal(depth, ended)
  end)
end)
