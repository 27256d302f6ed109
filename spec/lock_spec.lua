local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

--- A task that appends its name to log with the lock held, which it keeps for
-- a second.
local function locker(lock, log, name)
  return tide.task(function()
    lock:with(function()
      log[#log + 1] = name
      sleep(1)
    end)
  end)
end

--- As many as there are names, parked in the lock, which is taken.
local function lockers(lock, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = locker(lock, log, name)
  end
  sleep(0)
  return tasks
end

--- A task that takes the lock, and ends a second later without releasing it.
local function breaker(lock)
  local task = tide.task(function()
    lock:acquire()
    sleep(1)
  end)
  sleep(0)
  return task
end

local function said(log)
  return table.concat(log, " ")
end

describe("a lock", function()
  it("82: has one owner", function()
    local lock = tide.lock()
    assert.same(pack(false), pack(lock:locked()))
    assert.equal("Lock<unlocked, 0 waiting>", tostring(lock))
    assert.same(pack(lock), pack(lock:acquire()))
    assert.is_true(lock:locked())
    local other = tide.task(function() return lock:acquire_nowait() end)
    assert.same(pack(nil, "locked"), pack(other:await()))
    assert.same(pack(), pack(lock:release()))
    assert.is_false(lock:locked())
    assert.same(pack(true), pack(lock:acquire_nowait()))
    assert.is_true(lock:locked())
    lock:release()
  end)

  it("tells who has it and how many wait", function()
    local lock = tide.lock()
    local me = tide.current_task():get_name()
    lock:acquire()
    assert.equal(("Lock<locked by %s, 0 waiting>"):format(me), tostring(lock))
    lockers(lock, {}, "a b")
    assert.equal(("Lock<locked by %s, 2 waiting>"):format(me), tostring(lock))
    tide.current_task():set_name("writer")
    assert.equal("Lock<locked by writer, 2 waiting>", tostring(lock))
    lock:release()
    assert.matches("^Lock<locked by task%-%d+, 1 waiting>$", tostring(lock))
    sleep(3)
  end)

  it("62, T19: acquire of a free one is a cancel point that keeps its turn", function()
    local lock, order = tide.lock(), {}
    tide.task(function() order[#order + 1] = "other" end)
    lock:acquire()
    order[#order + 1] = "acquired"
    sleep(0)
    assert.same({ "acquired", "other" }, order)
    lock:release()
    local task = tide.task(function()
      tide.current_task():cancel("why")
      return lock:acquire()
    end)
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.is_false(lock:locked())
  end)

  it("82: is handed over in the order of the requests", function()
    local lock, log = tide.lock(), {}
    lock:acquire()
    local tasks = lockers(lock, log, "a b c d")
    lock:release()
    tasks[4]:await()
    assert.equal("a b c d", said(log))
    assert.equal("Lock<unlocked, 0 waiting>", tostring(lock))
  end)

  it("82: who comes after the release does not overtake who waits", function()
    local lock, log = tide.lock(), {}
    lock:acquire()
    lockers(lock, log, "a b")
    lock:release()
    -- a has not run yet, but the lock is its own
    assert.is_true(lock:locked())
    assert.same(pack(nil, "locked"), pack(lock:acquire_nowait()))
    lock:acquire()
    assert.equal("a b", said(log))
    lock:release()
  end)

  it("a task owns it also in a coroutine of its own, plain or tide's", function()
    local lock = tide.lock()
    lock:acquire()
    for _, wrap in ipairs { coroutine.wrap, tide.coroutine.wrap } do
      wrap(function()
        misuse("has the lock already", function() lock:acquire_nowait() end)
        lock:release()
        assert.is_true(lock:acquire_nowait())
      end)()
      assert.is_true(lock:locked())
    end
    tide.coroutine.wrap(function()
      lock:release()
      sleep(1)
      lock:acquire()
    end)()
    lock:release()
    assert.is_false(lock:locked())
  end)

  it("is the main program's outside of run, which is no task", { task = false }, function()
    local lock = tide.lock()
    assert.equal(lock, lock:acquire())
    assert.equal("Lock<locked by the main program, 0 waiting>", tostring(lock))
    misuse("the task has the lock already", function() lock:acquire() end)
    misuse("the task has the lock already", function() lock:acquire_nowait() end)
    run(function()
      assert.same(pack(nil, "locked"), pack(lock:acquire_nowait()))
      misuse("another's, locked by the main program", function() lock:release() end)
    end)
    raises(tide.DeadlockError, run, function() lock:acquire() end)
    assert.same(pack(), pack(lock:release()))
    assert.is_true(lock:acquire_nowait())
    lock:release()
  end)

  it("is handed over to the main program, and by it", { task = false }, function()
    local lock, log = tide.lock(), {}
    local function hold(name)
      lock:with(function()
        log[#log + 1] = name
        sleep(0)
      end)
    end
    local a = tide.task(hold, "a")
    sleep(0)
    local b = tide.task(hold, "b")
    hold("main")
    b:await()
    assert.is_true(a:done())
    assert.equal("a main b", said(log))
    assert.is_false(lock:locked())
  end)

  it("lives as long as a task waits for it or for its owner to end", function()
    local done
    local weak = setmetatable({}, { __mode = "v" })
    tide.task(function()
      local lock = tide.lock()
      weak[1] = lock
      lock:acquire()
      tide.task(function()
        weak[1]:acquire()
        done = weak[1]
      end)
      sleep(1)
      lock:release()
      lock = nil -- luacheck: ignore
      sleep(1)
    end)
    sleep(0)
    support.collect()
    sleep(3)
    assert.is_truthy(done)
  end)

  it("that an ended task had and nobody knows any more does no harm", function()
    for _ = 1, 20 do
      tide.task(function() tide.lock():acquire() end)
      sleep(0)
      collectgarbage()
    end
  end)
end)

describe("the wait for a lock", function()
  it("84: cancelled is removed, from anywhere, and the others go on in order", function()
    for gone = 1, 4 do
      local lock, log = tide.lock(), {}
      lock:acquire()
      local tasks, expected = lockers(lock, log, "1 2 3 4"), {}
      for i = 1, 4 do
        expected[#expected + 1] = i ~= gone and tostring(i) or nil
      end
      tasks[gone]:cancel()
      lock:release()
      sleep(5)
      assert.same(expected, log)
      assert.is_true(tasks[gone]:cancelled())
      assert.equal("Lock<unlocked, 0 waiting>", tostring(lock))
    end
  end)

  it("86: cancelled and then released in the same turn: the next has it", function()
    local lock, log = tide.lock(), {}
    lock:acquire()
    local tasks = lockers(lock, log, "a b")
    tasks[1]:cancel()
    lock:release()
    tasks[2]:await()
    assert.equal("b", said(log))
    assert.is_true(tasks[1]:cancelled())
    assert.is_false(lock:locked())
  end)

  it("86: released and then cancelled in the same turn: it has it, once", function()
    local lock, log = tide.lock(), {}
    lock:acquire()
    local a = tide.task(function()
      assert.equal(lock, lock:acquire())
      log[#log + 1] = "a"
      local err = raises(tide.CancelledError, sleep, 0)
      log[#log + 1] = "raised"
      lock:release()
      error(err, 0)
    end)
    sleep(0)
    local b = lockers(lock, log, "b")[1]
    lock:release()
    a:cancel()
    b:await()
    assert.equal("a raised b", said(log))
    assert.is_true(a:cancelled())
    assert.is_false(lock:locked())
  end)

  it("86: all cancelled, the lock is free", function()
    local lock = tide.lock()
    lock:acquire()
    for _, task in ipairs(lockers(lock, {}, "a b c")) do task:cancel() end
    lock:release()
    assert.is_false(lock:locked())
    sleep(0)
    sleep(0)
    assert.is_false(lock:locked())
  end)

  it("a deadline that passes in the turn of the release loses nothing", function()
    for first = 1, 2 do
      local lock = tide.lock()
      local owner = tide.task(function() lock:with(sleep, 1) end)
      if first == 1 then sleep(0) end
      local task = tide.task(function()
        return tide.move_on_after(1, lock.with, lock, function() return "got" end)
      end)
      if first == 2 then sleep(0) end
      task:await()
      owner:await()
      assert.equal("Lock<unlocked, 0 waiting>", tostring(lock))
    end
  end)

  it("that nobody can end is a deadlock, and leaves the queue", { task = false }, function()
    local lock
    raises(tide.DeadlockError, run, function()
      lock = tide.lock()
      tide.task(function() lock:acquire() tide.event():wait() end)
      sleep(0)
      raises(tide.DeadlockError, lock.acquire, lock)
      assert.matches("0 waiting", tostring(lock))
      lock:acquire()
    end)
  end)
end)

describe("Lock:with", function()
  it("89: calls the function with the lock held, its arguments and results", function()
    local lock = tide.lock()
    assert.same(pack(true, 3, nil, 1, nil, nil), pack(lock:with(function(...)
      return lock:locked(), select("#", ...), nil, ...
    end, 1, nil, nil)))
    assert.same(pack(), pack(lock:with(function() end)))
    assert.is_false(lock:locked())
    assert.equal(2, lock:with(setmetatable({}, { __call = function(_, v) return v end }), 2))
  end)

  it("97: releases when the function fails, and raises the same error object", function()
    local lock, err = tide.lock(), {}
    local ok, got = pcall(lock.with, lock, error, err)
    assert.is_true(not ok and got == err)
    assert.is_false(lock:locked())
    assert.is_false((pcall(lock.with, lock, error)))
    assert.is_false(lock:locked())
  end)

  it("89: releases when the task is cancelled inside, and takes nothing before", function()
    local lock, called = tide.lock(), 0
    local function body() called = called + 1 sleep(5) end
    assert.is_false(tide.move_on_after(1, lock.with, lock, body))
    assert.is_false(lock:locked())
    local owner = breaker(lock)
    assert.is_false(tide.move_on_after(0.5, lock.with, lock, body))
    assert.equal(1, called)
    owner:await()
  end)

  it("89: an error is not replaced by that of a lock that is held no more", function()
    local lock = tide.lock()
    local ok, err = pcall(lock.with, lock, function()
      lock:release()
      error("first", 0)
    end)
    assert.same({ false, "first" }, { ok, err })
    misuse("the lock is not locked", function() lock:with(lock.release, lock) end)
  end)
end)

describe("a lock as a variable to be closed", function()
  it("89: its __close releases it, or after an error nothing that is not held", function()
    local lock = tide.lock()
    local close = getmetatable(lock).__close
    close(lock:acquire(), nil)
    assert.is_false(lock:locked())
    close(lock, "an error")
    misuse("the lock is not locked", function() close(lock, nil) end)
    close(lock:acquire(), false)
    assert.is_false(lock:locked())
  end)

  if not has_close then
    return
  end
  local held = load([[
    local lock, fn, a = ...
    local _ <close> = lock:acquire()
    return fn(a)]])

  it("89: releases at the end of the block, on errors and cancels, too", function()
    local lock = tide.lock()
    assert.is_true(held(lock, lock.locked, lock))
    assert.is_false(lock:locked())
    assert.same(pack(false, "bad"), pack(pcall(held, lock, function() error("bad", 0) end)))
    assert.is_false(lock:locked())
    assert.is_false(tide.move_on_after(1, held, lock, sleep, 5))
    assert.is_false(lock:locked())
  end)
end)

describe("a lock is misused at the caller's line:", function()
  it("82, 83: acquired again by its owner, released by another or once too often", function()
    local lock = tide.lock()
    misuse("'Lock:release': the lock is not locked", function() lock:release() end)
    lock:acquire()
    misuse("'Lock:acquire': the task has the lock already", function() lock:acquire() end)
    misuse("'Lock:acquire_nowait': the task has", function() lock:acquire_nowait() end)
    misuse("'Lock:acquire': the task has", function() lock:with(print) end)
    local name = tide.current_task():get_name()
    tide.task(function()
      misuse("another's, locked by " .. name:gsub("%-", "%%-"), function() lock:release() end)
    end):await()
    assert.is_true(lock:locked())
    lock:release()
    misuse("'Lock:release': the lock is not locked", function() lock:release() end)
  end)

  it("60: a method on something else", function()
    local methods = getmetatable(tide.lock()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.semaphore(), tide.condition() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse("'Lock:" .. name .. "'.*Lock expected", function() method(other, print) end)
      end
      misuse("Lock:" .. name, function() method() end)
    end
  end)

  it("with without a function, and nothing is taken", function()
    local lock = tide.lock()
    for _, bad in ipairs { 1, "x", {}, false, lock } do
      misuse("bad argument #1 to 'Lock:with' %(function", function() lock:with(bad) end)
    end
    misuse("bad argument #1 to 'Lock:with'", function() lock:with() end)
    assert.is_false(lock:locked())
  end)

  it("in a callback, which owns none", function()
    local lock, errors = tide.lock(), {}
    local calls = {
      function() lock:acquire() end,
      function() lock:acquire_nowait() end,
      function() lock:release() end,
    }
    for i, call in ipairs(calls) do
      tide.loop():call_soon(function() errors[i] = select(2, pcall(call)) end)
    end
    sleep(1)
    assert.matches("lock_spec.lua:%d+: 'Lock:acquire' cannot wait in a callback", errors[1])
    assert.matches("lock_spec.lua:%d+: 'Lock:acquire_nowait' cannot be called in a callback",
      errors[2])
    assert.matches("lock_spec.lua:%d+: 'Lock:release' cannot be called in a callback", errors[3])
    tide.park(function(wake)
      misuse("'Lock:acquire_nowait' cannot be called", function() lock:acquire_nowait() end)
      wake()
    end)
    assert.is_false(lock:locked())
  end)

  it("acquire in a plain coroutine, free or not", function()
    local lock = tide.lock()
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() lock:acquire() end))
    assert.is_false(lock:locked())
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = tide.lock()
    tide.loop():close()
    local function each()
      for _, name in ipairs { "acquire", "acquire_nowait", "release", "locked", "with" } do
        misuse("the loop is closed", function() old[name](old, print) end)
      end
      misuse("the loop is closed", function() getmetatable(old).__close(old) end)
      misuse("the loop is closed", function() tide.condition(old) end)
    end
    each()
    run(each)
  end)

  it("88: closed while tasks wait and one was granted, it is let go", { task = false }, function()
    local log = {}
    local lock = tide.lock()
    lock:acquire()
    for i = 1, 3 do
      tide.task(function() lock:acquire() log[#log + 1] = i end)
    end
    tide.loop():step(0)
    lock:release()
    tide.loop():close()
    lock = setmetatable({ lock }, { __mode = "v" })
    support.collect()
    assert.is_nil(lock[1])
    assert.same({}, log)
    assert.equal(0, tide.stats().tasks)
  end)
end)
