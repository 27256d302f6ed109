local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, misuse, pack, raises = support.elapsed, support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

--- Tasks that await the future, parked in it.
local function awaiters(future, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = tide.task(function() return i, future:await() end)
  end
  sleep(0)
  return tasks
end

describe("a future", function()
  it("54: is pending, until it is set to results", function()
    local future = tide.future()
    assert.equal("Future<pending>", tostring(future))
    assert.same({ false, false }, { future:done(), future:cancelled() })
    raises(tide.InvalidStateError, future.result, future)
    raises(tide.InvalidStateError, future.exception, future)
    assert.same(pack(true), pack(future:set_result(1, nil, "x", nil)))
    assert.equal("Future<finished>", tostring(future))
    assert.same({ true, false }, { future:done(), future:cancelled() })
    assert.same(pack(1, nil, "x", nil), pack(future:result()))
    assert.same(pack(1, nil, "x", nil), pack(future:await()))
    assert.same(pack(nil), pack(future:exception()))
    assert.is_false(future:cancel())
  end)

  it("keeps results of every kind", function()
    for _, values in ipairs { pack(), pack(nil), pack(nil, nil), pack(false), pack(true), pack(0),
      pack(2 ^ 53), pack(-1.5), pack("text"), pack({}), pack(print), pack(tide.future()) } do
      for callbacks = 0, 1 do -- with a table of its own, and without
        local future = tide.future()
        if callbacks > 0 then future:add_done_callback(print) future:remove_done_callback(print) end
        future:set_result((table.unpack or unpack)(values, 1, values.n))
        assert.same(values, pack(future:result()))
        assert.same(values, pack(future:await()))
      end
    end
    local many = { n = 200 }
    for i = 1, many.n do many[i] = i end
    local future = tide.future()
    future:set_result((table.unpack or unpack)(many, 1, many.n))
    assert.same(many, pack(future:await()))
  end)

  it("is set to an error, which is raised unchanged, each time", function()
    for _, err in ipairs { {}, "text", 7, false, tide.TimeoutError("late") } do
      local future = tide.future()
      assert.same(pack(true), pack(future:set_exception(err)))
      for _ = 1, 2 do
        assert.same(pack(false, err), pack(pcall(future.await, future)))
        assert.same(pack(false, err), pack(pcall(future.result, future)))
        assert.equal(err, future:exception())
      end
      assert.equal("Future<failed>", tostring(future))
      assert.same({ true, false }, { future:done(), future:cancelled() })
    end
  end)

  it("63: set_exception of nil is a described error", function()
    local future = tide.future()
    future:set_exception(nil)
    assert.equal("<no error object>", future:exception())
  end)

  it("54: set twice is an InvalidStateError, and changes nothing", function()
    local good, bad = tide.future(), tide.future()
    good:set_result("first")
    bad:set_exception("first")
    for _, future in ipairs { good, bad } do
      raises(tide.InvalidStateError, future.set_result, future, "second")
      raises(tide.InvalidStateError, future.set_exception, future, "second")
      assert.is_false(future:cancel())
    end
    assert.same({ "first", "first" }, { good:result(), bad:exception() })
  end)

  it("58: cancelled takes no result any more, without an error", function()
    local future = tide.future()
    assert.is_true(future:cancel("why"))
    assert.same({ false, false, false }, { future:cancel("late"), future:set_result(1),
      future:set_exception("bad") })
    assert.same({ true, true }, { future:done(), future:cancelled() })
    assert.equal("Future<cancelled>", tostring(future))
    for _, method in ipairs { "await", "result", "exception" } do
      assert.equal("why", raises(tide.CancelledError, future[method], future).reason)
    end
    sleep(0) -- who awaited it is not cancelled
    local other = tide.future()
    other:set_exception(tide.CancelledError("as if"))
    assert.is_true(other:cancelled())
  end)

  it("wakes all that await it, in order, with its results or error", function()
    for _, how in ipairs { "set_result", "set_exception" } do
      local future = tide.future()
      local tasks = awaiters(future, 3)
      tide.loop():call_later(1, function() future[how](future, "value") end)
      assert.equal(1, elapsed(function() tide.wait(tasks) end))
      for i, task in ipairs(tasks) do
        if how == "set_result" then
          assert.same(pack(i, "value"), pack(task:result()))
        else
          assert.equal("value", task:exception())
        end
      end
    end
  end)

  it("never wakes inside set_result", function()
    local order, future = {}, tide.future()
    tide.task(function() future:await() order[#order + 1] = "woken" end)
    sleep(0)
    future:set_result()
    order[#order + 1] = "set"
    sleep(0)
    assert.same({ "set", "woken" }, order)
  end)

  it("is set and awaited in the main program, and without a setter is a deadlock",
  { task = false }, function()
    local future = tide.future()
    tide.loop():call_later(0.001, function() future:set_result("set") end)
    assert.equal("set", future:await())
    local never = tide.future()
    raises(tide.DeadlockError, never.await, never)
    assert.is_false(never:done())
  end)

  it("is awaited in a tide.coroutine, in a callback that is an error", function()
    local future, err = tide.future(), nil
    tide.loop():call_later(1, function()
      err = select(2, pcall(function() future:await() end))
      future:set_result("set")
    end)
    assert.equal("set", tide.coroutine.wrap(function() return future:await() end)())
    assert.matches("future_spec.lua:%d+: 'Future:await' cannot wait in a callback", err)
    local pending = tide.future()
    misuse("in a plain coroutine", coroutine.wrap(function() pending:await() end))
  end)

  it("lives as long as a task awaits it", function()
    local weak, got = setmetatable({}, { __mode = "v" }), nil
    local function begin()
      local future = tide.future()
      weak[1] = future
      tide.task(function() got = weak[1]:await() end)
      sleep(0)
    end
    tide.task(begin):await()
    support.collect()
    weak[1]:set_result("set")
    sleep(0)
    assert.equal("set", got)
    support.collect()
    assert.is_nil(weak[1]) -- T25
  end)
end)

describe("the await of a future", function()
  it("62, T19: of one that is set keeps its turn, and is a cancel point", function()
    local order, future = {}, tide.future()
    future:set_result("set")
    tide.task(function() order[#order + 1] = "other" end)
    future:await()
    order[#order + 1] = "awaited"
    sleep(0)
    assert.same({ "awaited", "other" }, order)
    assert.is_false(tide.scope(function(s) s:cancel() future:await() end))
  end)

  it("the last that counts cancels it when it is cancelled", function()
    local future = tide.future()
    local tasks = awaiters(future, 2)
    local watcher = tide.task(function() return pcall(tide.shield, future) end)
    local waiter = tide.task(tide.wait, { future })
    sleep(0)
    tasks[1]:cancel()
    sleep(0)
    assert.same({ true, false }, { tasks[1]:done(), future:done() })
    tasks[2]:cancel("why")
    assert.is_true(future:cancelled()) -- at once
    assert.is_false(future:set_result("late"))
    assert.equal("why", raises(tide.CancelledError, tasks[2].await, tasks[2]).reason)
    assert.is_false((watcher:await()))
    assert.same({ future }, (waiter:await()))
    assert.is_true(tasks[2]:cancelled())
  end)

  it("entered cancelled leaves it alone", function()
    local future = tide.future()
    assert.is_false(tide.scope(function(s) s:cancel() future:await() end))
    assert.is_false(tide.scope(function(s) s:cancel() tide.shield(future) end))
    assert.is_false(future:done())
  end)

  it("set, and then cancelled in the same turn: the result is delivered", function()
    local future = tide.future()
    local task = tide.task(function()
      local got = future:await()
      raises(tide.CancelledError, sleep, 0)
      return got
    end)
    sleep(0)
    future:set_result("set")
    task:cancel()
    assert.equal("set", task:await())
  end)

  it("cancelled, and then set in the same turn: it is too late", function()
    local future = tide.future()
    local task = awaiters(future, 1)[1]
    task:cancel()
    assert.is_false(future:set_result("set"))
    raises(tide.CancelledError, task.await, task)
  end)

  it("6: a cancel of the future raises in who awaits, who is not cancelled", function()
    local future = tide.future()
    local task = tide.task(function()
      local err = raises(tide.CancelledError, future.await, future)
      sleep(0)
      return err.reason
    end)
    sleep(0)
    future:cancel("why")
    assert.equal("why", task:await())
    assert.equal(0, task:cancelling())
  end)

  it("a cancel runs down a chain of awaits to the future, and its callbacks run", function()
    local future, called = tide.future(), nil
    future:add_done_callback(function(f) called = f:cancelled() end)
    local inner = tide.task(future.await, future)
    local outer = tide.task(tide.gather, function() return inner:await() end)
    sleep(1)
    outer:cancel()
    raises(tide.CancelledError, outer.await, outer)
    sleep(0)
    assert.same({ true, true, true }, { inner:cancelled(), future:cancelled(), called })
  end)
end)

describe("a future's done callbacks", function()
  it("55: are called from the loop with it, in order, never inline", function()
    for _, how in ipairs { "set_result", "set_exception", "cancel" } do
      local future, log = tide.future(), {}
      for i = 1, 3 do
        future:add_done_callback(function(...)
          log[#log + 1] = i
          assert.same(pack(future), pack(...))
          assert.is_nil(tide.current_task())
        end)
      end
      future[how](future, "value")
      future:add_done_callback(function() log[#log + 1] = "late" end)
      assert.same({}, log)
      sleep(0)
      assert.same({ 1, 2, 3, "late" }, log)
      pcall(future.await, future)
    end
  end)

  it("run when its last awaiter, cancelled, has cancelled it", function()
    for _, wait in ipairs { "await", "gather", "race", "as_completed", "wait_for" } do
      local future, calls = tide.future(), 0
      future:add_done_callback(function() calls = calls + 1 end)
      local task = tide.task(function()
        if wait == "await" then
          future:await()
        elseif wait == "as_completed" then
          tide.as_completed { future }()
        else
          tide[wait](future, wait == "wait_for" and 9 or future)
        end
      end)
      sleep(0)
      task:cancel()
      raises(tide.CancelledError, task.await, task)
      sleep(0)
      assert.same({ 1, true }, { calls, future:cancelled() }, wait)
    end
  end)

  it("56: remove_done_callback removes all that are equal, and tells how many", function()
    local future, log = tide.future(), {}
    local function a() log[#log + 1] = "a" end
    local function b() log[#log + 1] = "b" end
    for _, f in ipairs { a, b, a, a } do future:add_done_callback(f) end
    assert.same({ 3, 0, 0 }, { future:remove_done_callback(a), future:remove_done_callback(a),
      tide.future():remove_done_callback(a) })
    future:set_result()
    sleep(0)
    assert.same({ "b" }, log)
    assert.equal(0, future:remove_done_callback(b))
  end)

  it("that fail are reported, and hurt neither the others nor the result", function()
    local future, called = tide.future(), false
    local reports = support.reports(function()
      future:add_done_callback(function() error("callback", 0) end)
      future:add_done_callback(function() called = true end)
      future:set_result("set")
      sleep(0)
    end)
    assert.same({ 1, "callback", true }, { #reports, reports[1].error, called })
    assert.equal("set", future:result())
  end)

  it("may set another future, and await nothing", function()
    local a, b, err = tide.future(), tide.future(), nil
    a:add_done_callback(function(f)
      err = select(2, pcall(function() b:await() end))
      b:set_result(f:result() + 1)
    end)
    a:set_result(1)
    assert.equal(2, b:await())
    assert.matches("cannot wait in a callback", err)
  end)
end)

describe("an error of a future that nobody asks for", function()
  it("24: is reported once, when it is collected", function()
    local reports = support.reports(function(reports)
      local future = tide.task(function()
        local bad = tide.future()
        bad:set_exception("bad")
        return bad
      end):await()
      assert.equal(0, #reports)
      assert.is_true(future:done())
    end)
    assert.equal(1, #reports)
    assert.same({ "a future failed and nobody awaited it", "bad" },
      { reports[1].message, reports[1].error })
  end)

  it("24: is not reported if anybody saw it, or it was cancelled", function()
    local reports = support.reports(function()
      for _, look in ipairs { "await", "result", "exception", "gather", "race", "shield",
        "return_exceptions" } do
        local future = tide.future()
        future:set_exception("bad")
        if look == "return_exceptions" then
          tide.gather({ future }, { return_exceptions = true })
        else
          pcall(tide[look] or future[look], future)
        end
      end
      local parked = tide.future()
      local task = tide.task(pcall, parked.await, parked)
      sleep(0)
      parked:set_exception("bad")
      task:await()
      tide.future():cancel()
    end)
    assert.same({}, reports)
  end)

  it("24: is reported at the end of run", { task = false }, function()
    local kept
    local reports = support.reports(function()
      run(function()
        tide.future():set_exception("dropped")
        kept = tide.future()
        kept:set_exception("kept")
      end)
    end)
    assert.same({ 1, "dropped" }, { #reports, reports[1].error })
    assert.equal("kept", kept:exception())
  end)
end)

describe("a future is misused at the caller's line:", function()
  it("a method on something else", function()
    local future = tide.future()
    local methods = getmetatable(future).__index
    local others = { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do -- 60
        misuse("'Future:" .. name .. "'.*Future expected", function() method(other, print) end)
      end
      misuse("Future:" .. name, function() method() end)
    end
    misuse("Task:await.*Task expected", function() tide.current_task().await(future) end)
    assert.is_nil(tide.current_task().set_result) -- 20
    assert.is_false(pcall(getmetatable(future).__tostring, 5))
  end)

  it("callbacks that are none", function()
    local future = tide.future()
    for _, bad in ipairs { 5, "x", {}, true } do
      misuse("#1 to 'Future:add_done_callback' %(fun", function() future:add_done_callback(bad) end)
      misuse("#1 to 'Future:remove_done_callback'", function() future:remove_done_callback(bad) end)
    end
    misuse("#1 to 'Future:add_done_callback'", function() future:add_done_callback() end)
  end)

  it("19, 88: one of a loop that was closed", { task = false }, function()
    local future, set, failed = tide.future(), tide.future(), tide.future()
    future:add_done_callback(print)
    set:set_result("set")
    failed:set_exception("failed")
    tide.loop():close()
    local function each()
      misuse("'Future:set_result': the loop is closed", function() future:set_result() end)
      misuse("'Future:set_exception': the loop is closed", function() future:set_exception() end)
      misuse("the loop is closed", function() future:add_done_callback(print) end)
      for _, method in ipairs { "await", "result", "exception" } do
        local err = raises(tide.InvalidStateError, future[method], future)
        assert.matches("the loop was closed before it ended", err.message)
        assert.equal("set", method ~= "exception" and set[method](set) or "set")
      end
      raises(tide.InvalidStateError, tide.shield, future)
      raises(tide.InvalidStateError, tide.wait_for, future, 1)
      assert.same({ true, false, false }, { future:done(), future:cancelled(), future:cancel() })
      assert.equal("Future<closed>", tostring(future))
      future:remove_done_callback(print)
      assert.equal("failed", failed:exception())
    end
    each()
    run(each)
  end)

  it("88: closed while tasks await it, all are let go", { task = false }, function()
    local weak = setmetatable({}, { __mode = "v" })
    local function await_another(i) -- nothing of it stays on the stack
      local future = tide.future()
      weak[i] = future
      tide.task(function() return i == 1 and future:await() or tide.gather(future, print) end)
    end
    for i = 1, 2 do
      await_another(i)
    end
    tide.loop():step(0)
    tide.loop():close()
    support.collect()
    assert.is_nil(next(weak))
  end)
end)
