-- Locks whose owner ended without releasing them.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local raises = support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

local function task_it(title, fn)
  it(title, function()
    tide.loop():set_exception_handler(function() end) -- abandoned tasks are reported
    run(fn)
    tide.loop():set_exception_handler(nil)
  end)
end

--- A task that takes the lock and then does what fn does, while a, b and c wait.
local function contended(fn, ...)
  local lock = tide.lock()
  local owner = tide.task(function(...)
    lock:acquire()
    fn(...)
  end, ...)
  sleep(0)
  local waiters = {}
  for i = 1, 3 do
    waiters[i] = tide.task(lock.with, lock, error, "never called")
  end
  sleep(0)
  return lock, owner, waiters
end

local function stubborn()
  while true do pcall(sleep, 60) end
end

local function assert_names(err, owner)
  assert.equal(("the owner, %s, ended without releasing it"):format(owner:get_name()),
    err.message)
end

--- The lock is broken for all that come, and the error names the owner.
local function assert_broken(lock, owner)
  assert.equal("Lock<broken>", tostring(lock))
  assert.is_true(lock:locked())
  for _, name in ipairs { "acquire", "acquire_nowait", "release", "with" } do
    assert_names(raises(tide.BrokenLockError, lock[name], lock, print), owner)
  end
end

local function assert_raised(waiters, owner)
  for _, waiter in ipairs(waiters) do
    assert_names(raises(tide.BrokenLockError, waiter.await, waiter), owner)
  end
end

describe("T42: a lock is broken by an owner that", function()
  task_it("returns", function()
    local lock, owner, waiters = contended(sleep, 1)
    owner:await()
    assert_raised(waiters, owner)
    assert_broken(lock, owner)
  end)

  task_it("fails", function()
    local bad = {}
    local lock, owner, waiters = contended(error, bad)
    assert_raised(waiters, owner)
    assert_broken(lock, owner)
    assert.equal(bad, owner:exception())
  end)

  task_it("is cancelled", function()
    local lock, owner, waiters = contended(sleep, 1)
    owner:cancel()
    assert_raised(waiters, owner)
    assert.is_true(owner:cancelled())
    assert_broken(lock, owner)
  end)

  task_it("is abandoned", function()
    local lock, owner, waiters = contended(stubborn)
    owner:cancel()
    assert_raised(waiters, owner)
    raises(tide.AbandonedError, owner.await, owner)
    assert_broken(lock, owner)
  end)

  task_it("is abandoned inside `with`", function()
    local lock = tide.lock()
    local owner = tide.task(lock.with, lock, stubborn)
    sleep(0)
    owner:cancel()
    raises(tide.BrokenLockError, lock.acquire, lock)
    assert_broken(lock, owner)
    raises(tide.AbandonedError, owner.await, owner)
  end)

  if has_close then
    task_it("is abandoned with it in a variable to be closed: the others are closed", function()
      local lock, closed = tide.lock(), {}
      local owner = tide.task(load [[
        local lock, closed, fn = ...
        local _ <close> = setmetatable({}, { __close = function(_, e) closed[1] = tostring(e) end })
        local _ <close> = lock:acquire()
        fn()]], lock, closed, stubborn)
      sleep(0)
      owner:cancel()
      raises(tide.BrokenLockError, lock.acquire, lock)
      raises(tide.AbandonedError, owner.await, owner)
      assert.same({ "nil" }, closed)
      assert_broken(lock, owner)
    end)
  end

  it("is left at the end of run", function()
    local lock, waiter
    run(function()
      lock = tide.lock()
      tide.task(function() lock:acquire() sleep(60) end)
      sleep(0)
      waiter = tide.task(lock.acquire, lock)
      sleep(0)
    end)
    assert.is_true(waiter:cancelled())
    assert.equal("Lock<broken>", tostring(lock))
    raises(tide.BrokenLockError, lock.acquire, lock)
  end)
end)

describe("a broken lock", function()
  task_it("is found to be one also where nobody waited, and the record is another's", function()
    local lock = tide.lock()
    local owner = tide.task(lock.acquire, lock)
    owner:await()
    assert_broken(lock, owner)
    for _ = 1, 5 do tide.task(assert_broken, lock, owner):await() end
  end)

  task_it("is told to a waiter that is cancelled in that turn, too", function()
    local _, owner, waiters = contended(sleep, 1)
    owner:add_done_callback(function() waiters[1]:cancel() end)
    assert_raised(waiters, owner)
  end)

  task_it("62: does not hide a cancellation", function()
    local lock = tide.lock()
    tide.task(lock.acquire, lock):await()
    assert.is_false(tide.move_on_after(0, lock.acquire, lock))
  end)

  task_it("one of several of its owner's does not touch what was released", function()
    local kept, released, free = tide.lock(), tide.lock(), tide.lock()
    local owner = tide.task(function()
      for _, lock in ipairs { kept, released, free } do lock:acquire() end
      sleep(1)
      released:release()
      free:release()
    end)
    sleep(0)
    local waiters = {}
    for i, lock in ipairs { kept, released, kept, released } do
      waiters[i] = tide.task(lock.with, lock, sleep, 1)
    end
    owner:await()
    assert_raised({ waiters[1], waiters[3] }, owner)
    waiters[2]:await()
    waiters[4]:await()
    assert.equal("Lock<unlocked, 0 waiting>", tostring(released))
    assert.equal("Lock<unlocked, 0 waiting>", tostring(free))
    assert_broken(kept, owner)
  end)

  task_it("ends the waits in its conditions, wherever they had come to", function()
    for _, at in ipairs { "waiting", "notified", "leaving" } do
      local cond = tide.condition()
      local waiter = tide.task(cond.with, cond, cond.wait, cond)
      sleep(0)
      local owner = tide.task(function()
        cond:acquire()
        if at == "notified" then cond:notify() end
        if at == "leaving" then waiter:cancel() end
        sleep(1)
      end)
      assert_raised({ waiter }, owner)
      assert.equal("Condition<broken>", tostring(cond))
      for _, name in ipairs { "acquire", "wait", "notify", "notify_all", "release" } do
        assert_names(raises(tide.BrokenLockError, cond[name], cond), owner)
      end
    end
  end)

  task_it("is not one whose owner released it in its last turn", function()
    local lock = tide.lock()
    local owner = tide.task(function()
      lock:acquire()
      sleep(0)
      lock:release()
    end)
    sleep(0)
    lock:acquire()
    assert.is_true(owner:done())
    lock:release()
  end)

  task_it("is not one for which an ended task only waited", function()
    local lock = tide.lock()
    lock:acquire()
    for _ = 1, 3 do
      local waiter = tide.task(lock.acquire, lock)
      sleep(0)
      waiter:cancel()
      raises(tide.CancelledError, waiter.await, waiter)
      tide.task(function() end):await()
    end
    lock:release()
    assert.equal("Lock<unlocked, 0 waiting>", tostring(lock))
  end)

  task_it("that nobody holds any more is collected", function()
    local locks = setmetatable({}, { __mode = "v" })
    for i = 1, 20 do
      tide.task(function()
        locks[i] = tide.lock()
        locks[i]:acquire()
      end):await()
    end
    support.collect()
    assert.is_nil(next(locks))
  end)
end)
