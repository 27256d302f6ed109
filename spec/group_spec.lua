local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep, group = testing.run, tide.pcall, tide.sleep, tide.group

local start -- of the test that runs

--- Whole seconds since the test began, to the microsecond.
local function now()
  return math.floor((support.now() - start) * 1e6 + 0.5) / 1e6
end

local function task_it(title, fn)
  it(title, function()
    run(function()
      start = support.now()
      fn()
    end)
  end)
end

--- A task body that sleeps and then raises err; without one it returns.
local function sleeper(seconds, err)
  return function()
    sleep(seconds)
    if err ~= nil then error(err, 0) end
  end
end

--- group(fn, ...) must raise: the error.
local function fails(fn, ...)
  local ok, err = pcall(group, fn, ...)
  assert.is_false(ok)
  return err
end

--- group(fn) must raise an ErrorGroup of exactly these.
local function fails_with(errors, fn)
  local err = fails(fn)
  assert.is_true(tide.is(err, tide.ErrorGroup), tostring(err))
  assert.same(errors, err.errors)
  return err
end

--- What the exception handler is told while fn runs, as texts.
local function reports_of(fn)
  local list = {}
  tide.loop():set_exception_handler(function(report)
    list[#list + 1] = report.message .. (report.error ~= nil and ": " .. tostring(report.error) or "")
  end)
  local ok, err = pcall(fn)
  sleep(0)
  tide.loop():set_exception_handler(nil)
  assert(ok, err)
  return list
end

describe("a group", function()
  task_it("returns the results of its function, called with it and the arguments", function()
    assert.same(pack(2, nil, 1, nil), pack(group(function(g, ...)
      assert.matches("^Group<0 tasks>$", tostring(g))
      return select("#", ...), nil, ...
    end, 1, nil)))
    local callable = setmetatable({}, { __call = function(_, g, v) return g ~= nil and v end })
    assert.equal(5, group(callable, 5))
  end)

  task_it("108: returns when all children have ended", function()
    local log = {}
    assert.equal("body", group(function(g)
      for i = 3, 1, -1 do
        g:task(function() sleep(i) log[#log + 1] = i end)
      end
      return "body"
    end))
    assert.same({ 1, 2, 3 }, log)
    assert.equal(3, now())
  end)

  task_it("108: waits for grandchildren, and for those that a child adds as its last act", function()
    local log = {}
    group(function(g)
      g:task(function()
        sleep(1)
        g:task(function()
          sleep(1)
          g:task(function() sleep(1) log[#log + 1] = now() end)
        end)
      end)
    end)
    assert.same({ 3 }, log)
  end)

  task_it("108: waits for a task that comes when the last one has just ended", function()
    local late
    local function add(g) g:task(function() sleep(1) late = now() end) end
    group(function(g)
      local last = g:task(sleep, 1)
      tide.task(function() last:await() add(g) end)
    end)
    assert.equal(2, late)
    group(function(g)
      g:task(sleep, 1):add_done_callback(function() add(g) end)
    end)
    assert.equal(4, late)
  end)

  task_it("108: waits for a task that comes in the turn of an empty group's edge", function()
    local held, late
    tide.task(function()
      held:task(function() sleep(1) late = true end)
    end)
    group(function(g) held = g end)
    assert.is_true(late)
  end)

  task_it("T18: that is empty gives up its turn all the same, once", function()
    local order = {}
    tide.task(function() order[#order + 1] = "other" sleep(0) order[#order + 1] = "later" end)
    group(function() end)
    order[#order + 1] = "group"
    assert.same({ "other", "group" }, order)
    local turned
    tide.task(function() turned = true end)
    pcall(group, error)
    assert.is_true(turned)
    sleep(0)
  end)

  task_it("gives Tasks, which can be awaited, named and called back", function()
    local called
    group(function(g)
      local task = g:task(function(...) sleep(1) return ... end, 1, nil):set_name("child")
      assert.equal("child", task:get_name())
      task:add_done_callback(function(t) called = t end)
      assert.same(pack(1, nil), pack(task:await()))
      assert.equal(task, called)
    end)
  end)

  task_it("runs nothing in g:task itself, and its children in their order", function()
    local log = {}
    group(function(g)
      for i = 1, 3 do g:task(function() log[#log + 1] = i end) end
      log[#log + 1] = "body"
    end)
    assert.same({ "body", 1, 2, 3 }, log)
  end)

  task_it("takes tasks from other tasks and from callbacks, and anything that is called", function()
    local log = {}
    group(function(g)
      tide.task(function() g:task(function() log[#log + 1] = "other" end) end)
      tide.loop():call_soon(function() g:task(function() log[#log + 1] = "callback" end) end)
      g:task(setmetatable({}, { __call = function(_, v) log[#log + 1] = v end }), "callable")
      assert.equal("x", g:task(sleep, 1, "x"):await())
    end)
    table.sort(log)
    assert.same({ "callable", "callback", "other" }, log)
  end)

  it("works in the main program", function()
    local done
    assert.equal(1, group(function(g)
      g:task(function() sleep(0.001) done = true end)
      return 1
    end))
    assert.is_true(done)
    local err = {}
    local ok, raised = pcall(group, function(g)
      g:task(function() sleep(0.001) error(err) end)
      sleep(60)
    end)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  task_it("115: forgets its children as they end", function()
    local weak = setmetatable({}, { __mode = "k" })
    group(function(g)
      for _ = 1, 10 do
        weak[g:task(function() return {} end)] = true
      end
      sleep(1)
      for _ = 1, 3 do collectgarbage() end
      assert.is_nil(next(weak))
      assert.equal("Group<0 tasks>", tostring(g))
    end)
  end)

  task_it("T11: 20,000 children end, fail and are cancelled", function()
    local ended = 0
    group(function(g)
      for _ = 1, 20000 do g:task(function() sleep(1) ended = ended + 1 end) end
    end)
    assert.equal(20000, ended)
    local err = fails(function(g)
      for i = 1, 20000 do g:task(error, { i }) end -- all run once
    end)
    assert.equal(20000, #err.errors)
    assert.equal(20000, err.errors[20000][1])
    assert.equal("stop", fails(function(g)
      for _ = 1, 20000 do g:task(sleep, 60) end
      sleep(1)
      error("stop", 0)
    end))
  end)

  task_it("T11: 5,000 of them nest, end, and are cancelled from outside", function()
    local deepest, cancelled = 0, 0
    local function nest(n)
      group(function(g)
        deepest = deepest + 1
        if n > 1 then
          g:task(nest, n - 1)
        else
          local ok, err = pcall(sleep, 1)
          cancelled = cancelled + (ok and 0 or 1)
          if not ok then error(err, 0) end
        end
      end)
    end
    nest(5000)
    assert.same({ 5000, 0 }, { deepest, cancelled })
    tide.move_on_after(0.5, nest, 5000)
    assert.same({ 10000, 1 }, { deepest, cancelled })
  end)

  task_it("32: a tree of 5^4", function()
    local leaves = 0
    local function grow(depth)
      if depth == 0 then
        sleep(1)
        leaves = leaves + 1
        return
      end
      group(function(g)
        for _ = 1, 5 do g:task(grow, depth - 1) end
      end)
    end
    grow(4)
    assert.equal(625, leaves)
    assert.equal(1, now())
  end)

  task_it("121, T25: leaves nothing behind that only the collector could free", function()
    for _, cancel in ipairs { false, true } do
      local weak = setmetatable({}, { __mode = "k" })
      do
        local err = {}
        weak[err] = true
        local ok, raised = pcall(group, function(g)
          weak[g] = true
          weak[g:task(sleep, 60)] = true
          weak[g:task(function()
            sleep(1)
            if cancel then g:cancel(err) else error(err) end
          end)] = true
          sleep(60)
        end)
        assert.equal(cancel, ok)
        assert(cancel or raised == err)
      end
      for _ = 1, 5 do sleep(0) collectgarbage() end
      assert.is_nil(next(weak))
    end
  end)
end)

describe("an error in a group", function()
  task_it("110: of a child cancels its siblings and the body, and is raised unchanged", function()
    local err, log = {}, {}
    local function victim(name)
      return function()
        local e = raises(tide.CancelledError, sleep, 60)
        log[#log + 1] = name
        error(e, 0)
      end
    end
    assert.equal(err, fails(function(g)
      g:task(victim("sibling"))
      g:task(sleeper(1, err))
      victim("body")()
    end))
    assert.same({ "body", "sibling" }, log)
    assert.equal(1, now())
  end)

  task_it("110: reaches the body at the edge, too, and throws its results away", function()
    assert.equal("late", fails(function(g)
      g:task(sleeper(1, "late"))
      return "results"
    end))
  end)

  task_it("111: of the body cancels the children and waits for them", function()
    local cleaned
    assert.equal("body", fails(function(g)
      g:task(function()
        pcall(sleep, 60)
        tide.shield(sleep, 2)
        cleaned = now()
      end)
      sleep(1)
      error("body", 0)
    end))
    assert.equal(3, cleaned)
  end)

  task_it("110: that is one of several comes with them in an ErrorGroup, in their order", function()
    local a, b = { "a" }, { "b" }
    local err = fails_with({ a, b, "c" }, function(g)
      g:task(sleeper(1, a))
      g:task(function() pcall(sleep, 60) error(b) end)
      local ok = pcall(sleep, 60)
      assert(not ok)
      tide.shield(sleep, 1)
      error("c", 0)
    end)
    assert.equal(a, err.errors[1])
    assert.equal(b, err.errors[2])
    assert.matches("^ErrorGroup: 3 errors, the first: table:", tostring(err))
    local seen = {}
    for e in tide.errors(err) do seen[#seen + 1] = e end
    assert.same({ a, b, "c" }, seen)
  end)

  task_it("counts once when the body, or a sibling, raises what it awaited", function()
    local err = {}
    assert.equal(err, fails(function(g)
      g:task(sleeper(1, err)):await()
    end))
    assert.equal(err, fails(function(g)
      local bad = g:task(sleeper(1, err))
      g:task(function() tide.shield(bad.await, bad) end)
    end))
  end)

  task_it("may be any value", function()
    for _, value in ipairs { 5, true, false, print, "text", 0 / 0 } do
      local raised = fails(function(g) g:task(error, value, 0) end)
      assert.is_true(raised == value or value ~= value and raised ~= raised)
    end
    assert.equal("<no error object>", fails(function(g) g:task(error) end))
    fails(function(g) g:task(error, 0 / 0) g:task(error, 0 / 0) end)
    assert.equal("bad __tostring", fails(function(g)
      g:task(error, setmetatable({}, { __tostring = error }))
      g:task(error, "second", 0)
    end) and "bad __tostring")
  end)

  task_it("113: of an inner group is one error of the outer; an outer one cancels the inner", function()
    local a, b = {}, {}
    local err = fails(function(outer)
      outer:task(function()
        group(function(inner) inner:task(error, a) inner:task(error, b) end)
      end)
      sleep(60)
    end)
    assert.same({ a, b }, err.errors)
    err = fails_with({ err, "outer" }, function(outer)
      outer:task(error, err)
      outer:task(error, "outer", 0)
    end)
    assert.is_true(tide.is(err.errors[1], tide.ErrorGroup))
    local inside
    assert.equal("outer", fails(function(outer)
      outer:task(function()
        group(function(inner)
          inner:task(function() inside = raises(tide.CancelledError, sleep, 60) error(inside, 0) end)
          sleep(60)
        end)
        error("not reached")
      end)
      outer:task(sleeper(1, "outer"))
    end))
    assert.is_true(tide.is_cancelled(inside))
  end)

  task_it("is not reported as one that nobody awaited", function()
    assert.same({}, reports_of(function()
      pcall(group, function(g)
        g:task(error, {})
        g:task(error, {})
      end)
      for _ = 1, 3 do collectgarbage() sleep(0) end
    end))
  end)

  task_it("keeps its traceback in the child's Task", function()
    local bad
    pcall(group, function(g) bad = g:task(function() error "here" end) end)
    assert.matches("group_spec.lua", bad:traceback())
    assert.matches("here", bad:exception())
  end)

  task_it("117: is not hidden by tasks added after it: those fail at their first await", function()
    local ran, awaited
    assert.equal("first", fails(function(g)
      g:task(error, "first", 0)
      pcall(sleep, 1)
      g:task(function()
        ran = true
        sleep(0)
        awaited = true
      end)
    end))
    assert.same({ true, nil }, { ran, awaited })
  end)
end)

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

  task_it("109: a child that raises a CancelledError of its own making ends just cancelled", function()
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

  task_it("T5: a task spawned into a cancelled group starts and fails at its first await", function()
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

  task_it("at the edge cancels the children, returns, and raises at the next await", function()
    local child, returned, after
    local host = tide.task(function()
      returned = group(function(g)
        child = g:task(sleep, 60)
        return "results"
      end)
      after = raises(tide.CancelledError, sleep, 60)
      error(after, 0)
    end)
    sleep(1)
    host:cancel("why")
    raises(tide.CancelledError, host.await, host)
    assert.is_true(child:cancelled())
    assert.same({ "results", "why" }, { returned, after.reason })
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
end)

describe("a group in a ring of awaits", function()
  --- A host, in whose group ring(g, host) runs; cancelled after a second it ends.
  local function ends(title, ring)
    task_it(title, function()
      local host
      host = tide.task(function()
        group(function(g)
          ring(g, function() return host end)
          sleep(60)
        end)
      end)
      sleep(1)
      host:cancel()
      raises(tide.CancelledError, tide.shield, host)
      assert.equal(1, now())
      for _ = 1, 3 do sleep(0) end
      assert.equal(1, tide.stats().tasks)
    end)
  end

  ends("ends when cancelled: children that await the host", function(g, host)
    g:task(function() host():await() end)
    g:task(function() host():await() end)
  end)

  ends("ends when cancelled: children that gather, race and wait for the host", function(g, host)
    g:task(function() tide.gather(host(), tide.sleep and function() sleep(60) end) end)
    g:task(function() tide.race(host()) end)
    g:task(function() tide.wait { host() } end)
    g:task(function() tide.wait_for(host(), 60) end)
    g:task(function() tide.shield(host()) end)
  end)

  ends("ends when cancelled: the ring goes through a task outside", function(g, host)
    local outside = tide.task(function() tide.gather(host()) end)
    g:task(function() outside:await() end)
  end)

  ends("ends when cancelled: a grandchild awaits its grandparent", function(g, host)
    g:task(function()
      group(function(inner)
        inner:task(function() host():await() end)
        inner:task(function() tide.gather(host()) end)
        sleep(60)
      end)
    end)
  end)

  ends("ends when cancelled: a task that is being started awaits the host", function(g, host)
    g:task(function() g:start(function() host():await() end) end)
  end)

  task_it("ends when its grandchild alone is cancelled, and so cancels its grandparent", function()
    local host, child
    host = tide.task(function()
      group(function(g)
        g:task(group, function(inner)
          child = inner:task(function() host:await() end)
          sleep(60)
        end)
      end)
    end)
    sleep(1)
    child:cancel()
    tide.wait { host }
    assert.equal(1, now())
  end)

  task_it("ends when the starter is cancelled, who waits for one that awaits the host", function()
    local held
    local host = tide.task(group, function(g) held = g sleep(0) end)
    sleep(0)
    local starter = tide.task(function()
      held:start(function() host:await() end)
    end)
    sleep(1)
    starter:cancel()
    raises(tide.CancelledError, tide.shield, starter)
    tide.shield(host)
    assert.equal(1, now())
  end)

  task_it("of body and child is a deadlock, told once", function()
    local child
    raises(tide.DeadlockError, group, function(g)
      local host = tide.current_task()
      child = g:task(function() host:await() end)
      child:await()
    end)
    assert.is_true(child:cancelled())
  end)
end)

describe("a deadlock in a group", function()
  it("is raised once, and its children are cancelled", function()
    local child
    local err = raises(tide.DeadlockError, run, function()
      group(function(g)
        child = g:task(function() tide.event():wait() end)
        g:task(function() tide.semaphore(0):acquire() end)
      end)
    end)
    assert.matches("in event", err.message)
    assert.is_true(child:cancelled())
  end)

  it("in the body is raised as well", function()
    raises(tide.DeadlockError, run, function()
      group(function(g)
        g:task(function() tide.event():wait() end)
        tide.event():wait()
      end)
    end)
  end)

  it("of a child that no cancel reaches is raised once; that one is left and reported", function()
    run(function()
      local reports = reports_of(function()
        raises(tide.DeadlockError, group, function(g)
          g:task(tide.shield, function() tide.event():wait() end)
        end)
      end)
      assert.same({ "a group ended where it could not wait for its tasks: 1 were cancelled" }, reports)
      tide.loop():set_exception_handler(function() end) -- run abandons it
    end)
    tide.loop():set_exception_handler(nil)
  end)

  it("in the main program is raised there", function()
    raises(tide.DeadlockError, group, function(g)
      g:task(function() tide.event():wait() end)
    end)
  end)
end)

describe("an abandoned host", function()
  task_it("leaves children that are cancelled, and what it had to raise is reported", function()
    local child, host
    local reports = reports_of(function()
      host = tide.task(function()
        group(function(g)
          g:task(error, "early", 0)
          child = g:task(function() tide.shield(sleep, 60) sleep(60) end)
          while true do pcall(sleep, 60) end
        end)
      end):set_name("host")
      sleep(1)
      host:cancel()
      raises(tide.AbandonedError, host.await, host)
    end)
    assert.same({ "host catches its cancellation and goes on",
      "a group ended where it could not wait for its tasks: 1 were cancelled: early" }, reports)
    tide.wait { child }
    assert.is_true(child:cancelled())
    assert.equal(60, now())
  end)

  it("at the end of run, parked at its edge, does not crash", function()
    local quiet = function() end
    run(function()
      tide.loop():set_exception_handler(quiet)
      tide.loop():set_grace(1)
      tide.task(group, function(g)
        g:task(function()
          tide.shield(function() while true do pcall(sleep, 60) end end)
        end)
        g:task(group, function(inner)
          inner:task(tide.shield, function() tide.event():wait() end)
        end)
      end)
      sleep(0)
    end)
    assert.equal(0, tide.stats().tasks)
    tide.loop():set_exception_handler(nil)
    tide.loop():set_grace(5)
  end)
end)

describe("a group in a tide.coroutine", function()
  task_it("stays open while that is suspended, and ends where it is resumed", function()
    local log = {}
    local co = tide.coroutine.create(function()
      return group(function(g)
        g:task(function() sleep(1) log[#log + 1] = "child" end)
        tide.coroutine.yield("yielded")
        return "end"
      end)
    end)
    assert.same(pack(true, "yielded"), pack(tide.coroutine.resume(co)))
    local other = tide.task(function() return tide.coroutine.resume(co) end)
    assert.same(pack(true, "end"), pack(other:await()))
    assert.same({ "child" }, log)
  end)

  task_it("121: dropped with it: its children are cancelled, and it is reported", function()
    local child
    local reports = reports_of(function()
      local co = tide.coroutine.wrap(function()
        group(function(g)
          g:task(error, "early", 0)
          child = g:task(function() tide.shield(sleep, 1) sleep(60) end)
          tide.coroutine.yield()
        end)
      end)
      co()
      sleep(0)
      co = nil -- luacheck: ignore
      for _ = 1, 5 do collectgarbage() end
      sleep(0)
    end)
    assert.same({ "a group ended where it could not wait for its tasks: 1 were cancelled: early" },
      reports)
    tide.wait { child }
    assert.is_true(child:cancelled())
  end)

  if tide.coroutine.close then
    task_it("closed with it: its children are cancelled, and it is reported", function()
      local child
      local reports = reports_of(function()
        local co = tide.coroutine.create(function()
          group(function(g)
            child = g:task(sleep, 60)
            tide.coroutine.yield()
          end)
        end)
        tide.coroutine.resume(co)
        assert.is_true((tide.coroutine.close(co)))
        sleep(0)
      end)
      assert.same({ "a group ended where it could not wait for its tasks: 1 were cancelled" }, reports)
      assert.is_true(child:cancelled())
    end)
  end
end)

describe("a group used after its end", function()
  task_it("117: raises at the caller's line and runs nothing", function()
    local ran
    local function body() ran = true end
    local function check(g)
      misuse("'Group:task': the group has ended", function() g:task(body) end)
      misuse("'Group:start': the group has ended", function() g:start(body) end)
      assert.is_false(g:cancel())
      assert.equal("Group<ended>", tostring(g))
    end
    local held
    group(function(g) held = g end)
    check(held)
    pcall(group, function(g) held = g error("bad") end)
    check(held)
    group(function(g) held = g g:cancel() sleep(0) end)
    check(held)
    for _ = 1, 3 do sleep(0) end
    assert.is_nil(ran)
  end)

  it("of a closed loop does, too", function()
    local held
    group(function(g) held = g end)
    local co = coroutine.wrap(function() end)
    co()
    tide.loop():close()
    misuse("the group has ended", function() held:task(print) end)
    tide.loop()
    misuse("the group has ended", function() held:task(print) end)
    assert.is_false(held:cancel())
  end)

  it("that was open when its loop was closed does, too", function()
    local held
    tide.task(group, function(g) held = g sleep(60) end)
    tide.loop():step()
    assert.equal("Group<0 tasks>", tostring(held))
    tide.loop():close()
    misuse("the group has ended", function() held:task(print) end)
    assert.is_false(held:cancel())
    run(function()
      misuse("the group has ended", function() held:start(print) end)
      assert.equal("Group<ended>", tostring(held))
    end)
  end)
end)

describe("a group is misused at the caller's line:", function()
  task_it("without a function", function()
    for _, bad in ipairs { 1, "x", {}, true } do
      misuse("bad argument #1 to 'tide.group' %(function", function() group(bad) end)
    end
    misuse("bad argument #1 to 'tide.group'", function() group(nil, 1) end)
    group(function(g)
      for _, bad in ipairs { 1, "x", {}, false, g } do
        misuse("bad argument #1 to 'Group:task' %(function", function() g:task(bad) end)
        misuse("bad argument #1 to 'Group:start' %(function", function() g:start(bad) end)
      end
      misuse("bad argument #1 to 'Group:task'", function() g:task() end)
      misuse("bad argument #1 to 'Group:start'", function() g:start() end)
      assert.equal("Group<0 tasks>", tostring(g))
    end)
  end)

  task_it("a method on something else", function()
    local methods
    group(function(g) methods = getmetatable(g).__index end)
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() } do
        misuse("'Group:" .. name .. "'.*Group expected", function() method(other, print) end)
      end
      misuse("Group:" .. name, function() method() end)
    end
  end)

  task_it("in a callback and in a plain coroutine, and nothing is opened", function()
    local err
    tide.loop():call_soon(function() err = select(2, pcall(group, print)) end)
    sleep(0)
    assert.matches("'tide.group' cannot wait in a callback", err)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() group(print) end))
    assert.is_nil(tide.current_scope())
  end)

  task_it("in a C function that cannot be suspended, and its function is not called", function()
    local ran
    local ok, err = pcall(table.sort, { 1, 2 }, function()
      group(function() ran = true end)
    end)
    assert.is_false(ok)
    assert.matches("'tide.group' cannot wait inside the C function 'table.sort'", err)
    assert.is_nil(ran)
    assert.is_nil(tide.current_scope())
  end)

  task_it("T10: closed by a task that has not opened it", function()
    assert.equal("kept", fails(function(g)
      g:task(sleep, 1)
      g:task(error, "kept", 0)
      local close = getmetatable(g).__close
      local other = tide.task(function() close(g) end)
      tide.shield(function()
        local ok, err = pcall(other.await, other)
        assert.is_false(ok)
        assert.matches("not open in this task", err)
      end)
    end))
  end)
end)
