local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local pack, raises = support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

--- Whether the running task has the lock of the condition.
local function owns(cond)
  return tostring(cond):find("locked by " .. tide.current_task():get_name() .. ",", 1, true) ~= nil
end

--- A task that waits, and appends its name to log; then, or when the wait
-- raises, it owns the lock, and keeps it for a second.
local function waiter(cond, log, name)
  return tide.task(cond.with, cond, function()
    local ok, result = pcall(cond.wait, cond)
    log[#log + 1] = ok and name or name .. "!"
    assert.is_true(owns(cond))
    if not ok then
      error(result, 0)
    end
    assert.is_true(result)
    sleep(1)
  end)
end

--- As many as there are names, waiting.
local function waiters(cond, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = waiter(cond, log, name)
  end
  sleep(0)
  return tasks
end

local function notify(cond, n)
  cond:with(cond.notify, cond, n)
end

local function said(log)
  return table.concat(log, " ")
end

--- Nobody waits, and the lock is free.
local function assert_idle(cond)
  assert.equal("Condition<unlocked, 0 waiting>", tostring(cond))
end

describe("a condition", function()
  it("has a lock of its own, or the one it is given", function()
    local own = tide.condition()
    assert_idle(own)
    assert.same(pack(own), pack(own:acquire()))
    assert.is_true(own:locked())
    assert.is_true(owns(own))
    assert.same(pack(), pack(own:release()))
    assert.is_false(own:locked())

    local lock = tide.lock()
    local first, second = tide.condition(lock), tide.condition(lock)
    first:acquire()
    assert.same({ true, true, true }, { lock:locked(), first:locked(), second:locked() })
    second:release()
    assert.is_false(lock:locked())
    lock:with(function() assert.is_true(owns(first)) end)
    local weak = setmetatable({ lock }, { __mode = "v" })
    lock = nil -- luacheck: ignore
    support.collect()
    assert.is_not_nil(weak[1])
    first:with(function() assert.is_true(second:locked()) end)
  end)

  it("tells how many wait to be notified, and who has the lock", function()
    local cond, log = tide.condition(), {}
    waiters(cond, log, "a b")
    assert.equal("Condition<unlocked, 2 waiting>", tostring(cond))
    cond:acquire()
    cond:notify()
    assert.matches("^Condition<locked by test, 1 waiting>$", tostring(cond))
    cond:notify()
    cond:release()
    sleep(3)
    assert_idle(cond)
  end)

  it("wait releases the lock, and has it again when it returns true", function()
    local cond, log = tide.condition(), {}
    local task = waiter(cond, log, "a")
    sleep(0)
    assert.is_false(cond:locked())
    notify(cond)
    assert.is_true(cond:locked()) -- it is handed over
    assert.equal("", said(log))
    task:await()
    assert.equal("a", said(log))
    assert_idle(cond)
  end)

  it("94: notify(n) wakes the first n, one by default, each with the lock", function()
    local cond, log = tide.condition(), {}
    waiters(cond, log, "a b c d e f")
    cond:with(cond.notify, cond, 0)
    sleep(3)
    assert.equal("", said(log))
    notify(cond)
    sleep(3)
    assert.equal("a", said(log))
    notify(cond, 2)
    sleep(0)
    assert.equal("a b", said(log)) -- c waits for the lock
    sleep(3)
    assert.equal("a b c", said(log))
    notify(cond, 2 ^ 53)
    sleep(5)
    assert.equal("a b c d e f", said(log))
    notify(cond, 3)
    assert_idle(cond)
  end)

  it("94: notify_all wakes all that wait, and none that come later", function()
    local cond, log = tide.condition(), {}
    waiters(cond, log, "a b c")
    cond:acquire()
    assert.same(pack(), pack(cond:notify_all()))
    assert.same(pack(), pack(cond:notify()))
    cond:release()
    sleep(4)
    assert.equal("a b c", said(log))
    local late = waiters(cond, log, "late")[1]
    assert.is_false(late:done())
    notify(cond)
    late:await()
  end)

  it("94: who is notified queues behind who waits for the lock already", function()
    local cond, log = tide.condition(), {}
    waiters(cond, log, "a")
    cond:acquire()
    local other = tide.task(cond.with, cond, function() log[#log + 1] = "other" end)
    sleep(0)
    cond:notify()
    cond:release()
    other:await()
    sleep(2)
    assert.equal("other a", said(log))
  end)

  it("two on one lock are notified apart", function()
    local lock, log = tide.lock(), {}
    local full, empty = tide.condition(lock), tide.condition(lock)
    waiters(full, log, "full")
    waiters(empty, log, "empty")
    notify(empty)
    sleep(2)
    assert.equal("empty", said(log))
    lock:with(full.notify_all, full)
    sleep(2)
    assert.equal("empty full", said(log))
  end)

  it("is used by the main program, too", { task = false }, function()
    local cond, log = tide.condition(), {}
    cond:acquire()
    local task = tide.task(function()
      cond:with(function() log[#log + 1] = "task" cond:notify() end)
    end)
    assert.is_true(cond:wait())
    assert.equal("Condition<locked by the main program, 0 waiting>", tostring(cond))
    cond:release()
    task:await()
    assert.equal("task", said(log))
    assert_idle(cond)
  end)

  it("that nobody can notify is a deadlock, which is raised with the lock held",
  { task = false }, function()
    local cond
    raises(tide.DeadlockError, run, function()
      cond = tide.condition()
      cond:with(function()
        raises(tide.DeadlockError, cond.wait, cond)
        assert.is_true(owns(cond))
        cond:wait()
      end)
    end)
    assert_idle(cond)
    raises(tide.DeadlockError, run, function()
      tide.task(function()
        sleep(0)
        cond:acquire()
        tide.event():wait() -- and keeps it
      end)
      cond:with(cond.wait, cond)
    end)
  end)
end)

describe("Condition:wait", function()
  it("95: cancelled, has the lock when it raises", function()
    local cond, log = tide.condition(), {}
    local tasks = waiters(cond, log, "a b c")
    tasks[2]:cancel("why")
    assert.is_true(cond:locked()) -- it was free, and is b's at once
    assert.equal("why", raises(tide.CancelledError, tasks[2].await, tasks[2]).reason)
    notify(cond, 2)
    sleep(3)
    assert.equal("b! a c", said(log))
    assert_idle(cond)
  end)

  it("95: cancelled while another has the lock, waits for it before it raises", function()
    local cond, log = tide.condition(), {}
    local task = waiters(cond, log, "a")[1]
    cond:acquire()
    task:cancel()
    task:cancel()
    sleep(5)
    assert.equal("", said(log))
    assert.is_false(task:done())
    cond:notify() -- comes too late for it
    cond:release()
    raises(tide.CancelledError, task.await, task)
    assert.equal("a!", said(log))
    assert_idle(cond)
  end)

  it("95: a deadline passes: the block that it ends has the lock to its end", function()
    local cond = tide.condition()
    local holder = tide.task(function() sleep(0.5) cond:with(sleep, 2) end)
    cond:with(function()
      assert.is_false(tide.move_on_after(1, cond.wait, cond))
      assert.is_true(owns(cond))
      assert.is_true(holder:done())
      raises(tide.TimeoutError, tide.timeout, 1, cond.wait, cond)
      assert.is_true(owns(cond))
    end)
    assert_idle(cond)
  end)

  it("95: cancelled before it waits, keeps the lock", function()
    local cond = tide.condition()
    cond:with(function()
      local other = tide.task(cond.acquire, cond)
      sleep(0)
      assert.is_false(tide.move_on_after(0, cond.wait, cond))
      assert.is_true(owns(cond))
      other:cancel()
      sleep(0)
    end)
  end)

  it("T44: a notification is not lost on who was cancelled before", function()
    for first = 1, 2 do
      local cond, log = tide.condition(), {}
      local tasks = waiters(cond, log, "a b")
      cond:acquire()
      if first == 1 then tasks[1]:cancel() end
      cond:notify()
      if first == 2 then tasks[1]:cancel() end
      cond:release()
      sleep(3)
      assert.equal(first == 1 and "a! b" or "a", said(log))
      if first == 2 then
        notify(cond)
        sleep(2)
        assert.equal("a b", said(log))
      end
      assert.is_true(tasks[1]:cancelled())
      assert_idle(cond)
    end
  end)

  it("T44: notified and then cancelled returns true; the next await raises", function()
    for granted = 0, 1 do
      local cond, log = tide.condition(), {}
      local task = tide.task(cond.with, cond, function()
        assert.is_true(cond:wait())
        log[#log + 1] = "notified"
        raises(tide.CancelledError, sleep, 0)
        log[#log + 1] = "raised"
      end)
      sleep(0)
      cond:acquire()
      cond:notify()
      if granted == 1 then cond:release() end
      task:cancel()
      if granted == 0 then cond:release() end
      task:await()
      assert.equal("notified raised", said(log))
      assert_idle(cond)
    end
  end)

  it("84: many that leave in any order leave none behind", function()
    local cond, log, names, left = tide.condition(), {}, {}, {}
    for i = 1, 100 do names[i] = tostring(i) end
    local tasks = waiters(cond, log, table.concat(names, " "))
    for i = #tasks, 1, -1 do
      if i % 3 ~= 0 then tasks[i]:cancel() else table.insert(left, 1, tostring(i)) end
    end
    sleep(0)
    notify(cond, 100)
    sleep(200)
    for i = #log, 1, -1 do
      if log[i]:find("!", 1, true) then table.remove(log, i) end
    end
    assert.same(left, log)
    assert_idle(cond)
  end)

  it("does not stay for a lock whose owner stays for its own end", function()
    for first = 1, 2 do
      local cond, log = tide.condition(), {}
      local task = tide.task(cond.with, cond, cond.wait, cond)
      sleep(0)
      local holder = tide.task(cond.with, cond, function()
        log[#log + 1] = pcall(task.await, task) and "?" or "raised"
      end)
      sleep(0)
      if first == 2 then task:cancel() end
      holder:cancel()
      holder:await()
      assert.equal("raised", said(log))
      raises(tide.CancelledError, task.await, task)
      assert_idle(cond)
    end
  end)
end)

describe("the tasks of a group that wait", function()
  it("do not stay for a lock that the group's host has", function()
    local MANY, cond, raised = 2000, tide.condition(), 0
    local host = tide.task(function()
      tide.group(function(g)
        for _ = 1, MANY do
          g:task(function()
            cond:acquire()
            local _, err = pcall(cond.wait, cond)
            raised = raised + (tide.is_cancelled(err) and 1 or 0)
            error(err, 0)
          end)
        end
        sleep(1)
        cond:acquire()
        pcall(sleep, 60)
      end)
    end)
    sleep(2)
    host:cancel()
    sleep(1)
    assert.same({ MANY, true }, { raised, host:done() })
  end)
end)

describe("Condition:wait_for", function()
  it("waits until the predicate holds, and returns its value", function()
    local cond, value, calls = tide.condition(), false, 0
    local task = tide.task(cond.with, cond, function()
      return cond:wait_for(function()
        calls = calls + 1
        assert.is_true(owns(cond))
        return value
      end)
    end)
    sleep(0)
    for i = 1, 3 do
      notify(cond)
      sleep(0)
      assert.equal(i + 1, calls)
      assert.is_false(task:done())
    end
    value = "ready"
    notify(cond)
    assert.same(pack("ready"), pack(task:await()))
    assert_idle(cond)
  end)

  it("need not wait if it holds, but is a cancel point", function()
    local cond = tide.condition()
    cond:with(function()
      assert.equal(5, cond:wait_for(setmetatable({}, { __call = function() return 5 end })))
      assert.is_false(tide.move_on_after(0, cond.wait_for, cond, error))
      assert.is_true(owns(cond))
    end)
  end)

  it("passes an error of the predicate on, with the lock held", function()
    local cond, err = tide.condition(), {}
    cond:with(function()
      assert.equal(err, select(2, pcall(cond.wait_for, cond, function() error(err) end)))
      assert.is_true(owns(cond))
    end)
    assert_idle(cond)
  end)

  it("the predicate may await", function()
    local cond, n = tide.condition(), 0
    local task = tide.task(cond.with, cond, cond.wait_for, cond, function()
      sleep(1)
      n = n + 1
      return n == 2
    end)
    sleep(1.5)
    notify(cond)
    assert.is_true(task:await())
  end)
end)

describe("Condition:with", function()
  it("89: calls the function with the lock held, and releases whatever happened", function()
    local cond, err = tide.condition(), {}
    assert.same(pack(true, 1, nil), pack(cond:with(function(...)
      return owns(cond), ...
    end, 1, nil)))
    assert_idle(cond)
    assert.equal(err, select(2, pcall(cond.with, cond, error, err)))
    assert_idle(cond)
    assert.is_false(tide.move_on_after(1, cond.with, cond, sleep, 5))
    assert_idle(cond)
  end)

  it("89: its __close releases the lock", function()
    local cond = tide.condition()
    getmetatable(cond).__close(cond:acquire(), nil)
    assert_idle(cond)
    if has_close then
      local held = load([[
        local cond, fn, a = ...
        local _ <close> = cond:acquire()
        return fn(a)]])
      assert.is_true(held(cond, owns, cond))
      assert_idle(cond)
      assert.is_false(tide.move_on_after(1, held, cond, cond.wait, cond))
      assert_idle(cond)
    end
  end)
end)
