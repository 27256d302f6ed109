local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local pcall = tide.pcall

local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

--- A task parked on a wake that the test holds: the task, wake, and a log of
-- its aborts. `answer` is what abort returns; a function is called.
local function parked(answer)
  local box = { aborts = 0 }
  box.task = tide.task(function()
    return tide.park(function(wake)
      box.wake = wake
      return function()
        box.aborts = box.aborts + 1
        if type(answer) == "function" then return answer(box) end
        return answer
      end
    end)
  end)
  tide.sleep(0)
  return box
end

local function outcome(task)
  return pack(pcall(task.await, task))
end

local function is_cancelled(results)
  return results[1] == false and tide.is_cancelled(results[2])
end

describe("park", function()
  task_it("returns what wake was given, nils too", function()
    for _, values in ipairs { pack(), pack(nil), pack(1, nil, 3, nil), pack(false) } do
      local p = parked()
      assert.is_true(p.wake((unpack or table.unpack)(values, 1, values.n)))
      assert.same(pack(true, (unpack or table.unpack)(values, 1, values.n)), outcome(p.task))
    end
  end)

  task_it("wake may be called at once", function()
    local again
    assert.same(pack("now", nil), pack(tide.park(function(wake)
      assert.is_true(wake("now", nil))
      again = wake("later")
      return function() error("not called") end
    end)))
    assert.is_false(again)
    assert.equal(0, tide.stats().wakers)
  end)

  it("works in the main program, woken at once and by a callback", function()
    assert.same(pack(1, nil), pack(tide.park(function(wake) wake(1, nil) end)))
    assert.equal("later", tide.park(function(wake)
      tide.loop():call_later(0.001, wake, "later")
    end))
  end)

  task_it("only the first wake counts, a later one is false", function()
    local p = parked()
    assert.is_true(p.wake("first"))
    assert.is_false(p.wake("second"))
    assert.same(pack(true, "first"), outcome(p.task))
    assert.is_false(p.wake("third"))
  end)

  task_it("a wake of the park before does not wake the next", function()
    local old
    local task = tide.task(function()
      tide.park(function(wake) old = wake wake() end)
      return tide.park(function(wake) tide.loop():call_later(2, wake, "own") end)
    end)
    tide.sleep(1)
    assert.is_false(old("stale"))
    assert.equal("own", task:await())
    assert.is_false(old("stale"))
  end)

  task_it("wakes from a callback, from a task and from the woken task's peer", function()
    local a, b = parked(), parked()
    tide.loop():call_soon(a.wake, "callback")
    tide.task(function() b.wake("task") end)
    assert.same(pack(true, "callback"), outcome(a.task))
    assert.same(pack(true, "task"), outcome(b.task))
  end)

  task_it("wake only makes it ready: it never runs inside wake", function()
    local order = {}
    local p = parked()
    tide.task(function() p.task:await() order[#order + 1] = "woken" end)
    tide.sleep(0)
    p.wake()
    order[#order + 1] = "after wake"
    p.task:await()
    tide.sleep(0)
    assert.same({ "after wake", "woken" }, order)
  end)

  task_it("a cancel calls abort once, from the loop, and raises", function()
    local inside = "unset"
    local p = parked(function() inside = tide.current_task() end)
    p.task:cancel("why")
    assert.equal(0, p.aborts)
    local results = outcome(p.task)
    assert.is_true(is_cancelled(results))
    assert.equal("why", results[2].reason)
    assert.equal(1, p.aborts)
    assert.is_nil(inside)
    assert.is_false(p.wake("stale"))
  end)

  task_it("two cancels call abort once", function()
    local p = parked()
    p.task:cancel()
    p.task:cancel()
    assert.is_true(is_cancelled(outcome(p.task)))
    assert.equal(1, p.aborts)
  end)

  task_it("without an abort function a cancel raises, and the wake is stale", function()
    local wake
    local task = tide.task(function() tide.park(function(w) wake = w end) end)
    tide.sleep(0)
    task:cancel()
    assert.is_true(is_cancelled(outcome(task)))
    assert.is_false(wake(1))
  end)

  task_it("an abort function is called although a delayed call was cancelled before", function()
    tide.loop():call_later(60, print):cancel()
    local aborts = 0
    assert.is_false(tide.move_on_after(1, tide.park, function()
      return function() aborts = aborts + 1 end
    end))
    assert.equal(1, aborts)
  end)

  task_it("a callable table is an abort function, too", function()
    local called = 0
    local abort = setmetatable({}, { __call = function() called = called + 1 end })
    local task = tide.task(function() tide.park(function() return abort end) end)
    tide.sleep(0)
    task:cancel()
    assert.is_true(is_cancelled(outcome(task)))
    assert.equal(1, called)
  end)

  task_it("entered in a cancelled scope it raises and does not call fn", function()
    local called = false
    local task = tide.task(function() tide.park(function(wake) called = true wake() end) end)
    task:cancel()
    assert.is_true(is_cancelled(outcome(task)))
    assert.is_false(called)
  end)

  task_it("5: woken, then cancelled: the value is delivered, the next await raises", function()
    local wake, next_raises
    local task = tide.task(function()
      local value = tide.park(function(w) wake = w end)
      next_raises = is_cancelled(pack(pcall(tide.sleep, 0)))
      return value
    end)
    tide.sleep(0)
    wake("granted")
    task:cancel()
    assert.same(pack(true, "granted"), outcome(task))
    assert.is_true(next_raises)
  end)

  task_it("cancelled, then woken before the abort ran: the wake wins", function()
    local p = parked()
    p.task:cancel()
    assert.is_true(p.wake("won"))
    assert.same(pack(true, "won"), outcome(p.task))
    assert.equal(0, p.aborts)
  end)

  task_it("T15: abort that returns false: waits for the wake, delivers its value", function()
    local p = parked(false)
    p.task:cancel()
    tide.sleep(5)
    assert.is_false(p.task:done())
    p.task:cancel()
    tide.sleep(5)
    assert.equal(1, p.aborts)
    assert.is_true(p.wake("slow"))
    assert.same(pack(true, "slow"), outcome(p.task))
  end)

  task_it("T15: a deadline during an operation that cannot be aborted", function()
    local wake
    local task = tide.task(function()
      return tide.move_on_after(1, function()
        local value = tide.park(function(w) wake = w return function() return false end end)
        tide.sleep(0)
        return value
      end)
    end)
    tide.sleep(3)
    assert.is_false(task:done())
    wake("done")
    assert.same(pack(true, false), outcome(task))
  end)

  task_it("nil and true from abort mean: aborted", function()
    for _, answer in ipairs { true, 0, "x" } do
      local p = parked(answer)
      p.task:cancel()
      assert.is_true(is_cancelled(outcome(p.task)))
    end
  end)

  task_it("abort may wake: then that counts", function()
    local p = parked(function(box) box.wake("from abort") end)
    p.task:cancel()
    assert.same(pack(true, "from abort"), outcome(p.task))
    assert.equal(1, p.aborts)
  end)

  task_it("abort may start tasks, cancel others, and be one of many", function()
    local ps, made = {}, 0
    for i = 1, 5 do
      ps[i] = parked(function()
        tide.task(function() made = made + 1 end)
        if ps[i + 1] then ps[i + 1].task:cancel() end
      end)
    end
    ps[1].task:cancel()
    for i = 1, 5 do
      assert.is_true(is_cancelled(outcome(ps[i].task)))
      assert.equal(1, ps[i].aborts)
    end
    tide.sleep(0)
    assert.equal(5, made)
  end)

  task_it("what an abort function cancels is aborted in the next turn", function()
    local second = parked()
    local first = parked(function() second.task:cancel() end)
    first.task:cancel()
    tide.sleep(0)
    assert.same({ 1, 0 }, { first.aborts, second.aborts })
    tide.sleep(0)
    assert.same({ 1, 1 }, { first.aborts, second.aborts })
    assert.is_true(is_cancelled(outcome(second.task)))
  end)

  task_it("aborts are called in the order of the cancels", function()
    local log, tasks = {}, {}
    for i = 1, 3 do
      tasks[i] = parked(function() log[#log + 1] = i end).task
    end
    tasks[3]:cancel()
    tasks[1]:cancel()
    tasks[2]:cancel()
    tide.sleep(0)
    assert.same({ 3, 1, 2 }, log)
  end)

  -- Minutes, if each abort looked at all that are parked.
  task_it("one of many that is aborted looks at no other", function()
    local aborts, tasks = 0, {}
    for i = 1, 100000 do
      tasks[i] = tide.task(tide.park, function() return function() aborts = aborts + 1 end end)
    end
    tide.sleep(0)
    for i = 1, #tasks do
      tasks[i]:cancel()
      tide.sleep(0)
    end
    assert.equal(#tasks, aborts)
    tide.sleep(0)
  end)

  task_it("T16: abort that raises is reported, and no hang", function()
    local reports = {}
    tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
    local p = parked(function() error("broken abort", 0) end)
    p.task:cancel()
    local results = outcome(p.task)
    tide.loop():set_exception_handler(nil)
    assert.is_true(is_cancelled(results))
    assert.equal(1, #reports)
    assert.equal("broken abort", reports[1].error)
    assert.matches("abort function of a park", reports[1].message)
  end)

  task_it("abort cannot await", function()
    local ok, err
    local p = parked(function() ok, err = pcall(tide.sleep, 1) end)
    p.task:cancel()
    assert.is_true(is_cancelled(outcome(p.task)))
    assert.is_false(ok)
    assert.matches("cannot wait in a callback", err)
  end)

  task_it("an error in fn is raised from park, its wake is stale", function()
    local stale
    local object = {}
    local ok, err = pcall(tide.park, function(wake) stale = wake error(object) end)
    assert.is_false(ok)
    assert.equal(object, err)
    assert.is_false(stale())
    assert.equal("x", tide.sleep(1, "x"))
    assert.equal(0, tide.stats().wakers)
  end)

  task_it("an error in fn after it woke is raised, too", function()
    local ok, err = pcall(tide.park, function(wake) wake(1) error("after", 0) end)
    assert.same({ false, "after" }, { ok, err })
    assert.equal("x", tide.sleep(1, "x"))
    assert.equal("y", tide.park(function(wake) wake("y") end))
  end)

  local function cannot_await()
    local results = {}
    for name, await in pairs { sleep = function() tide.sleep(1) end, park = tide.park,
      yield = function() coroutine.yield() end } do
      results[name] = pack(pcall(tide.park, function()
        if name == "park" then await(function(wake) wake() end) else await() end
      end))
    end
    for name, result in pairs(results) do
      assert.is_false(result[1], name)
      if name ~= "yield" then
        assert.matches("cannot wait in the function given to 'park'", result[2])
      end
    end
    assert.equal("x", tide.sleep(0, "x"))
  end
  task_it("fn cannot await (in a task)", cannot_await)
  it("fn cannot await (in the main program)", cannot_await)

  it("fn has no current task", function()
    testing.run(function()
      local inside = "unset"
      tide.park(function(wake) inside = tide.current_task() wake() end)
      assert.is_nil(inside)
    end)
  end)

  task_it("fn may cancel the task that parks", function()
    local me = tide.current_task()
    local aborts = 0
    local results = pack(pcall(tide.park, function()
      me:cancel()
      return function() aborts = aborts + 1 end
    end))
    assert.is_true(is_cancelled(results))
    assert.equal(1, aborts)
    me:uncancel()
  end)

  it("misuse is told at the caller's line", function()
    for _, value in ipairs { 12, "x", {} } do
      local line = debug.getinfo(1, "l").currentline + 1
      local ok, err = pcall(function() tide.park(value) end)
      assert.is_false(ok)
      assert.matches("park_spec.lua:" .. line .. ": bad argument #1 to 'tide.park'", err)
    end
  end)

  task_it("a timeout ends a park whose wake was dropped and collected", function()
    local ok, err = pcall(tide.timeout, 1, tide.park, function() end)
    collectgarbage()
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.TimeoutError))
    assert.equal(0, tide.stats().wakers)
  end)

  task_it("counts as something that may happen: no deadlock", function()
    local p = parked()
    assert.equal(1, tide.stats().wakers)
    p.wake()
    assert.equal(0, tide.stats().wakers)
    p.task:await()
  end)

  it("collecting garbage at every point leaves values and wakes whole", function()
    testing.run(function()
      local wakes = {}
      local tasks = {}
      for i = 1, 50 do
        tasks[i] = tide.task(function()
          local v = tide.park(function(wake)
            wakes[i] = wake
            collectgarbage()
            return function() end
          end)
          collectgarbage()
          return v[1]
        end)
      end
      tide.sleep(0)
      for i = 1, 50 do
        if i % 5 == 0 then tasks[i]:cancel() else wakes[i]({ i }) end
        collectgarbage("step")
      end
      for i = 1, 50 do
        local results = outcome(tasks[i])
        if i % 5 == 0 then
          assert.is_true(is_cancelled(results))
        else
          assert.same(pack(true, i), results)
        end
      end
    end)
  end)

  it("a wake that outlives its loop is false", function()
    local wake
    tide.task(function() tide.park(function(w) wake = w end) end)
    tide.sleep(0)
    assert.is_function(wake)
    tide.loop():close()
    assert.is_false(wake(1))
    tide.sleep(0)
    assert.is_false(wake(2))
  end)
end)
