local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

--- Calls fn while the exception handler collects the reports, which it returns.
local function reports_of(fn)
  local reports = {}
  tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
  local ok, err = pcall(fn)
  tide.loop():set_exception_handler(nil)
  assert(ok, err)
  return reports
end

local function assert_fails(pattern, f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  assert.matches(pattern, tostring(err))
end

describe("loop() callbacks", function()
  task_it("164: call_soon is FIFO, what a callback adds runs next turn", function()
    local order, loop = {}, tide.loop()
    local function add(v) order[#order + 1] = v end
    loop:call_soon(function()
      add(1)
      loop:call_soon(add, 4)
    end)
    loop:call_soon(add, 2)
    loop:call_soon(add, 3)
    tide.sleep(0)
    assert.same({ 1, 2, 3 }, order)
    tide.sleep(0)
    assert.same({ 1, 2, 3, 4 }, order)
  end)

  task_it("arguments pass, nils too", function()
    local got
    tide.loop():call_soon(function(...) got = { n = select("#", ...), ... } end, nil, 2, nil)
    tide.sleep(0)
    assert.same({ n = 3, nil, 2, nil }, got)
    tide.loop():call_later(1, function(...) got = { n = select("#", ...), ... } end, 1, nil)
    tide.sleep(2)
    assert.same({ n = 2, 1, nil }, got)
  end)

  task_it("a callable table is a callback, with and without arguments", function()
    local got = {}
    local function call(_, v) got[#got + 1] = v or 0 end
    local f = setmetatable({ n = 2, "x", "y" }, { __call = call })
    tide.loop():call_soon(f)
    tide.loop():call_soon(f, 1)
    tide.loop():call_later(1, f)
    tide.sleep(2)
    assert.same({ 0, 1, 0 }, got)
  end)

  task_it("164: call_later and call_at run in the order of time, ties in the order set", function()
    local order, loop = {}, tide.loop()
    local now = loop:time()
    local function add(v) order[#order + 1] = v end
    loop:call_later(3, add, "3")
    loop:call_at(now + 2, add, "2a")
    loop:call_later(1, add, "1")
    loop:call_at(now + 2, add, "2b")
    loop:call_at(now - 1, add, "past")
    loop:call_later(-5, add, "-5")
    loop:call_later(-0.5, add, "-0.5")
    tide.sleep(4)
    assert.same({ "-5", "past", "-0.5", "1", "2a", "2b", "3" }, order)
  end)

  task_it("a delayed one is never early, time() says when", function()
    local loop, at = tide.loop(), nil
    local due = loop:time() + 1.5
    local handle = loop:call_at(due, function() at = loop:time() end)
    assert.is_true(math.abs(handle:when() - due) < 1e-6)
    tide.sleep(1.4)
    assert.is_nil(at)
    tide.sleep(0.2)
    assert.is_true(at >= due)
  end)

  task_it("164: one that is cancelled is not called, also in the turn it is due", function()
    local loop, called = tide.loop(), {}
    local second
    local later = loop:call_later(1, function() called[#called + 1] = "later" end)
    loop:call_soon(function() second:cancel() end)
    second = loop:call_soon(function() called[#called + 1] = "second" end)
    assert.is_false(later:cancelled())
    later:cancel()
    later:cancel()
    assert.is_true(later:cancelled())
    assert.equal(0, tide.stats().timers)
    tide.sleep(2)
    assert.is_true(second:cancelled())
    assert.same({}, called)
  end)

  task_it("cancel after it ran does nothing, not even to the one that took its place", function()
    local loop, calls = tide.loop(), 0
    local handle = loop:call_later(1, function() calls = calls + 1 end)
    tide.sleep(2)
    handle:cancel()
    assert.is_false(handle:cancelled())
    local next_one = loop:call_later(1, function() calls = calls + 1 end)
    handle:cancel()
    tide.sleep(2)
    assert.equal(2, calls)
    assert.is_false(next_one:cancelled())
  end)

  task_it("a delay for ever never runs and holds no time", function()
    local handle = tide.loop():call_later(math.huge, error)
    tide.sleep(1e6)
    handle:cancel()
  end)

  task_it("there is no current task, and it cannot await", function()
    local inside, ok, err = "unset", nil, nil
    local line
    tide.loop():call_soon(function()
      inside = tide.current_task()
      line = debug.getinfo(1, "l").currentline + 1
      ok, err = pcall(function() tide.sleep(0) end)
    end)
    tide.sleep(0)
    assert.is_nil(inside)
    assert.is_false(ok)
    assert.matches("loop_spec.lua:" .. line .. ": 'tide.sleep' cannot wait in a callback", err)
  end)

  task_it("it can start and cancel tasks, and not step, run or close the loop", function()
    local errors, task = {}, nil
    local loop = tide.loop()
    loop:call_soon(function()
      task = tide.task(function() return "ran" end)
      for _, f in ipairs { function() loop:step() end, function() loop:close() end,
        function() tide.run(print) end } do
        errors[#errors + 1] = select(2, pcall(f))
      end
    end)
    tide.sleep(0)
    assert.equal("ran", task:await())
    assert.matches("'Loop:step': the loop is running", errors[1])
    assert.matches("'Loop:close': the loop is running", errors[2])
    assert.matches("'tide.run' cannot be called while the loop runs", errors[3])
  end)

  task_it("an error goes to the exception handler and no further", function()
    local object, after = {}, false
    local reports = reports_of(function()
      tide.loop():call_soon(function() error(object) end)
      tide.loop():call_soon(function() after = true end)
      tide.loop():call_later(1, function() error("later", 0) end)
      tide.sleep(2)
    end)
    assert.is_true(after)
    assert.equal(2, #reports)
    assert.equal(object, reports[1].error)
    assert.equal("error in a callback", reports[1].message)
    assert.equal("later", reports[2].error)
    assert.matches("loop_spec.lua", reports[2].traceback)
  end)

  task_it("a yield in one is an error, too", function()
    local reports = reports_of(function()
      tide.loop():call_soon(coroutine.yield)
      tide.sleep(0)
    end)
    assert.equal(1, #reports)
    assert.matches("yield", reports[1].error)
  end)

  it("misuse names the argument and the caller's line", function()
    local loop = tide.loop()
    local line = debug.getinfo(1, "l").currentline + 1
    assert_fails("loop_spec.lua:" .. line .. ": bad argument", function() loop:call_soon(1) end)
    assert_fails("number expected", function() loop:call_later("x", print) end)
    assert_fails("function expected", function() loop:call_later(1) end)
    assert_fails("NaN", function() loop:call_later(0 / 0, print) end)
    assert_fails("NaN", function() loop:call_at(0 / 0, print) end)
    assert_fails("Loop expected", function() loop.call_soon(print) end)
    assert_fails("Handle expected", function() loop:call_soon(print).cancel(loop) end)
    assert_fails("function expected", function() loop:set_exception_handler(1) end)
    assert_fails("boolean expected", function() loop:set_blocking() end)
    assert_fails("boolean expected", function() loop:set_debug(1) end)
    assert_fails("number expected", function() loop:set_grace() end)
    assert_fails("no field 'x'", function() loop.x = 1 end)
    assert_fails("number expected", function() loop.slow_callback_duration = "x" end)
    tide.sleep(0)
  end)
end)

describe("the exception handler", function()
  task_it("164: that raises is itself caught, and the loop goes on", function()
    local calls = 0
    tide.loop():set_exception_handler(function(report)
      calls = calls + 1
      assert.is_nil(tide.current_task())
      report.error = nil
      error(setmetatable({}, { __tostring = function() return "[handler error of a spec]" end }))
    end)
    tide.loop():call_soon(error, "[callback error of a spec]")
    tide.sleep(0)
    tide.loop():set_exception_handler(nil)
    assert.equal(1, calls)
    assert.equal("x", tide.sleep(1, "x"))
  end)

  task_it("cannot await, may start tasks, may replace itself", function()
    local ok, err, task
    local second = {}
    local loop = tide.loop()
    loop:set_exception_handler(function()
      ok, err = pcall(tide.sleep, 0)
      task = tide.task(function() return "started" end)
      loop:set_exception_handler(function(report) second[#second + 1] = report.error end)
    end)
    loop:call_soon(error, "first", 0)
    loop:call_soon(error, "second", 0)
    tide.sleep(0)
    loop:set_exception_handler(nil)
    assert.is_nil(loop:get_exception_handler())
    assert.is_false(ok)
    assert.matches("cannot wait in a callback", err)
    assert.equal("started", task:await())
    assert.same({ "second" }, second)
  end)
end)

describe("a host's loop", function()
  local loop
  local function fresh()
    loop = tide.loop()
  end
  before_each(fresh)
  after_each(function()
    if not loop:is_closed() then loop:close() end
    tide.loop():set_blocking(true)
  end)

  it("T22: step runs one turn, and says whether work is ready", function()
    local order = {}
    tide.task(function()
      for i = 1, 3 do
        order[#order + 1] = i
        tide.sleep(0)
      end
    end)
    assert.equal(0, loop:next_timeout())
    assert.is_true(loop:alive())
    assert.is_true(loop:step())
    assert.same({ 1 }, order)
    assert.is_true(loop:step(0))
    assert.same({ 1, 2 }, order)
    assert.is_false(loop:step(1))
    assert.same({ 1, 2, 3 }, order)
    assert.is_false(loop:alive())
    assert.equal(math.huge, loop:next_timeout())
    assert.is_false(loop:step())
  end)

  it("next_tick waits for the next step, whatever its budget", function()
    local ticks = 0
    tide.task(function()
      for _ = 1, 3 do
        tide.next_tick()
        ticks = ticks + 1
      end
    end)
    loop:step()
    for i = 1, 3 do
      assert.equal(0, loop:next_timeout())
      loop:step(1)
      assert.equal(i, ticks)
    end
  end)

  it("T22: next_timeout tells the first deadline, an idle one has none", function()
    local handle = loop:call_later(100, print)
    local task = tide.task(tide.sleep, 50)
    loop:step()
    local timeout = loop:next_timeout()
    assert.is_true(timeout > 40 and timeout <= 50)
    task:cancel()
    loop:step(1)
    timeout = loop:next_timeout()
    assert.is_true(timeout > 90 and timeout <= 100)
    handle:cancel()
    assert.equal(math.huge, loop:next_timeout())
    assert.is_false(loop:alive())
  end)

  it("fd is a number where there is one", function()
    local fd = loop:fd()
    assert.is_true(fd == nil or fd >= 0)
  end)

  it("step inside a task is refused, the task goes on", function()
    local ok, err
    tide.task(function()
      ok, err = pcall(loop.step, loop)
      tide.sleep(0)
    end)
    loop:step(1)
    assert.is_false(ok)
    assert.matches("'Loop:step': the loop is running.*run the script with 'lua'", err)
  end)

  it("once stepped, the main program does not await or run", function()
    local task = tide.task(tide.sleep, 0)
    loop:step(1)
    local line = debug.getinfo(1, "l").currentline + 1
    assert_fails(line .. ": .*a host steps the loop", function() tide.sleep(0) end)
    assert_fails("a host steps the loop", task.await, task)
    assert_fails("a host steps the loop", tide.run, print)
    assert_fails("a host steps the loop", tide.park, print)
    assert.equal(0, tide.stats().wakers)
  end)

  it("a new loop after close may be awaited again", function()
    loop:step()
    loop:close()
    assert.equal("x", tide.sleep(0, "x"))
  end)

  it("set_blocking(false): the main program does not await or run", function()
    loop:set_blocking(false)
    assert_fails("it must not block", tide.sleep, 0)
    assert_fails("set_blocking%(false%) was called", tide.run, print)
    loop:set_blocking(true)
    assert.equal("x", tide.sleep(0, "x"))
  end)

  it("162: close twice is fine, use after close is an error, close while running too", function()
    local refused
    tide.task(function() refused = { pcall(loop.close, loop) } end)
    loop:step(1)
    assert.is_false(refused[1])
    assert.matches("the loop is running", refused[2])
    loop:close()
    loop:close()
    assert.is_true(loop:is_closed())
    for _, name in ipairs { "time", "step", "fd", "next_timeout", "alive", "get_debug" } do
      assert_fails("'Loop:" .. name .. "': the loop is closed", function() loop[name](loop) end)
    end
    assert_fails("the loop is closed", function() loop:call_soon(print) end)
    assert_fails("the loop is closed", function() loop:set_debug(true) end)
    assert.not_equal(loop, tide.loop())
    assert.equal(tide.loop(), tide.loop())
  end)

  it("51, 88: objects of a closed loop raise or answer", function()
    local handle, scope, timer, finished
    finished = tide.task(function() return "result", nil end)
    handle = tide.task(function()
      tide.scope(function(s) scope = s tide.sleep(100) end)
    end)
    timer = loop:call_later(100, error)
    loop:step(1)
    loop:close()
    assert.is_true(handle:done())
    assert.is_false(handle:cancelled())
    assert.is_false(handle:cancel())
    assert.equal(0, handle:cancelling())
    assert.equal(0, handle:uncancel())
    assert.matches("Task<task%-%d+ closed>", tostring(handle))
    assert.is_nil(handle:traceback())
    local ok, err = pcall(handle.result, handle)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.InvalidStateError))
    ok, err = pcall(handle.await, handle)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.InvalidStateError))
    ok, err = pcall(handle.exception, handle)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.InvalidStateError))
    assert.same({ "result", nil }, { finished:await() })
    timer:cancel()
    assert.is_false(scope.expired and scope:expired() or false)
    pcall(scope.cancel, scope)
    pcall(scope.reschedule, scope, 1)
    pcall(function() return scope.deadline end)
    tide.sleep(0)
  end)

  it("161: a loop that closes reports what failed and nobody saw", function()
    local seen = {}
    loop:set_exception_handler(function(report) seen[#seen + 1] = report.error end)
    do
      tide.task(error, "unseen", 0)
    end
    loop:step(1)
    loop:step(1)
    loop:close()
    tide.loop():set_exception_handler(nil)
    assert.same({ "unseen" }, seen)
  end)
end)

describe("set_debug", function()
  after_each(function() tide.loop():set_debug(false) end)

  task_it("gives CancelledErrors the traceback of where they were raised", function()
    local function interrupted_here() tide.sleep(10) return 1 end
    local function cancelled()
      local task = tide.task(function() return interrupted_here() + 1 end)
      tide.sleep(0)
      task:cancel()
      local _, err = pcall(task.await, task)
      return err
    end
    assert.is_nil(cancelled().traceback)
    tide.loop():set_debug(true)
    assert.is_true(tide.loop():get_debug())
    local err = cancelled()
    assert.is_true(tide.is_cancelled(err))
    assert.matches("interrupted_here", err.traceback)
  end)

  task_it("reports a task that does not pause for slow_callback_duration", function()
    local loop = tide.loop()
    local before = loop.slow_callback_duration
    assert.equal(0.1, before)
    local reports = reports_of(function()
      loop:set_debug(true)
      loop.slow_callback_duration = 0
      tide.task(function() end):await()
      loop.slow_callback_duration = before
      loop:set_debug(false)
    end)
    assert.is_true(#reports >= 1)
    assert.matches("ran for .* seconds without a pause", reports[1].message)
  end)

  task_it("reports a failure at once", function()
    local reports = reports_of(function()
      tide.loop():set_debug(true)
      local task = tide.task(error, "at once", 0)
      tide.sleep(0)
      tide.sleep(0)
      pcall(task.await, task)
    end)
    assert.equal(1, #reports)
    assert.equal("at once", reports[1].error)
  end)
end)

describe("the main program is a root task:", function()
  it("every awaiting call works", function()
    local task = tide.task(function(v) return tide.sleep(0.001, v) end, "v")
    assert.equal("v", task:await())
    assert.equal("s", tide.sleep(0.001, "s"))
    tide.next_tick()
    assert.equal("p", tide.park(function(wake) tide.loop():call_soon(wake, "p") end))
    assert.equal("t", tide.timeout(1, tide.sleep, 0, "t"))
    assert.same({ false }, { tide.move_on_after(0.001, tide.sleep, 5) })
    assert.equal("w", tide.wait_for(function() return tide.sleep(0, "w") end, 1))
    assert.same({ true, "sc" }, { tide.scope(function() return tide.sleep(0, "sc") end) })
    assert.equal("sh", tide.shield(function() return tide.sleep(0, "sh") end))
    assert.equal("f", tide.finally(function() return tide.sleep(0, "f") end, tide.next_tick))
    local ok, err = pcall(tide.timeout, 0.001, tide.sleep, math.huge)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.TimeoutError))
  end)

  it("it is no task: current_task is nil, all_tasks does not list it", function()
    assert.is_nil(tide.current_task())
    assert.same({}, tide.all_tasks())
    tide.sleep(0)
    assert.same({}, tide.all_tasks())
    local inside
    local task = tide.task(function() inside = tide.all_tasks() end)
    task:await()
    assert.same({ task }, inside)
  end)

  it("an await that nothing can end raises DeadlockError with the task tree", function()
    local stuck
    local function knot() stuck:await() end
    stuck = tide.task(function() tide.task(knot):set_name("knot"):await() end)
    stuck:set_name("stuck")
    local ok, err = pcall(stuck.await, stuck)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.DeadlockError))
    assert.matches("knot", err.message)
    assert.matches("stuck", err.message)
    for _, task in ipairs(tide.all_tasks()) do task:cancel() end
    pcall(stuck.await, stuck)
    tide.sleep(0)
  end)
end)
