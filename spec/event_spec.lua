local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

--- A task that waits for the event and appends its name to log.
local function waiter(event, log, name)
  return tide.task(function()
    event:wait()
    log[#log + 1] = name
  end)
end

local function waiters(event, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = waiter(event, log, name)
  end
  sleep(0)
  return tasks
end

local function said(log)
  return table.concat(log, " ")
end

describe("an event", function()
  it("is unset at first, and set and clear say nothing", function()
    local event = tide.event()
    assert.same(pack(false), pack(event:is_set()))
    assert.equal("Event<unset>", tostring(event))
    for _ = 1, 2 do
      assert.same(pack(), pack(event:set()))
      assert.is_true(event:is_set())
    end
    assert.equal("Event<set>", tostring(event))
    for _ = 1, 2 do
      assert.same(pack(), pack(event:clear()))
      assert.is_false(event:is_set())
    end
  end)

  it("wait returns true, whether it had to wait or not", function()
    local event = tide.event()
    tide.loop():call_later(1, function() event:set() end)
    assert.same(pack(true), pack(event:wait()))
    assert.same(pack(true), pack(event:wait()))
  end)

  it("works outside of run, set by a callback", { task = false }, function()
    local event = tide.event()
    tide.loop():call_later(0.001, function() event:set() end)
    event:wait()
    event:wait()
    assert.is_true(event:is_set())
  end)

  it("90: set wakes all, in the order of their coming, not before it returns", function()
    local event, log = tide.event(), {}
    waiters(event, log, "1 2 3")
    event:set()
    log[#log + 1] = "set"
    sleep(0)
    assert.equal("set 1 2 3", said(log))
  end)

  it("90: wait on a set event keeps its turn: the late waiter is first", function()
    local event, log = tide.event(), {}
    waiters(event, log, "1 2")
    event:set()
    event:wait()
    log[#log + 1] = "3"
    sleep(0)
    assert.equal("3 1 2", said(log))
  end)

  it("62, T19: wait on a set event is a cancel point", function()
    local event = tide.event()
    event:set()
    local task = tide.task(function()
      tide.current_task():cancel("why")
      event:wait()
    end)
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
  end)

  it("cleared in the turn it was set, has woken who waited, and holds who comes", function()
    local event, log = tide.event(), {}
    waiters(event, log, "a b")
    event:set()
    event:clear()
    local late = waiter(event, log, "late")
    sleep(0)
    sleep(0)
    assert.equal("a b", said(log))
    assert.is_false(late:done())
    event:set()
    late:await()
    assert.equal("a b late", said(log))
  end)

  it("a waiter that waits again after a clear waits for the next set", function()
    local event, count = tide.event(), 0
    local task = tide.task(function()
      for _ = 1, 3 do
        event:wait()
        event:clear()
        count = count + 1
      end
    end)
    for i = 1, 3 do
      sleep(1)
      assert.equal(i - 1, count)
      event:set()
    end
    task:await()
    assert.equal(3, count)
    assert.is_false(event:is_set())
  end)

  it("is set from inside a woken waiter, while others are still to run", function()
    local first, second, log = tide.event(), tide.event(), {}
    tide.task(function() first:wait() log[#log + 1] = "a" second:set() first:set() end)
    waiters(first, log, "b")
    local last = waiter(second, log, "c")
    sleep(0)
    first:set()
    last:await()
    assert.equal("a b c", said(log))
  end)

  it("lives as long as a task waits for it", function()
    local done
    local weak = setmetatable({}, { __mode = "v" })
    tide.task(function()
      weak[1] = tide.event()
      weak[1]:wait()
      done = true
    end)
    sleep(0)
    support.collect()
    weak[1]:set()
    sleep(0)
    assert.is_true(done)
  end)

  it("is waited for by a tide.coroutine, and where a deadline ends the wait", function()
    local event = tide.event()
    assert.is_false(tide.move_on_after(1, event.wait, event))
    raises(tide.TimeoutError, tide.timeout, 1, event.wait, event)
    tide.loop():call_later(1, function() event:set() end)
    tide.coroutine.wrap(function() event:wait() end)()
    assert.is_true(tide.move_on_after(0, function() return true end))
  end)

  it("that nobody can set any more is a deadlock", { task = false }, function()
    raises(tide.DeadlockError, run, function() tide.event():wait() end)
  end)
end)

describe("the wait for an event", function()
  it("92: cancelled is removed, from anywhere, and the others are woken", function()
    for gone = 1, 4 do
      local event, log = tide.event(), {}
      local tasks, expected = waiters(event, log, "1 2 3 4"), {}
      for i = 1, 4 do
        expected[#expected + 1] = i ~= gone and tostring(i) or nil
      end
      tasks[gone]:cancel()
      event:set()
      sleep(0)
      sleep(0)
      assert.same(expected, log)
      assert.is_true(tasks[gone]:cancelled())
    end
  end)

  it("5, 92: woken and cancelled in the same turn raises, the others return", function()
    local event, log = tide.event(), {}
    local tasks = waiters(event, log, "a b c")
    event:set()
    tasks[2]:cancel("why")
    assert.equal("why", raises(tide.CancelledError, tasks[2].await, tasks[2]).reason)
    tasks[3]:await()
    assert.equal("a c", said(log))
  end)

  it("92: cancelled, caught and waited for again, is in the queue once", function()
    local event, log = tide.event(), {}
    tide.task(function()
      log[#log + 1] = tide.move_on_after(1, event.wait, event) and "early" or "timeout"
      event:wait()
      log[#log + 1] = "set"
    end)
    sleep(2)
    event:set()
    sleep(0)
    assert.equal("timeout set", said(log))
  end)

  it("92: many that leave in any order leave none behind", function()
    local event, log, names = tide.event(), {}, {}
    for i = 1, 500 do names[i] = tostring(i) end
    local tasks = waiters(event, log, table.concat(names, " "))
    local left = {}
    for i = #tasks, 1, -1 do
      if i % 3 ~= 0 then tasks[i]:cancel() else table.insert(left, 1, tostring(i)) end
    end
    event:set()
    sleep(0)
    sleep(0)
    assert.same(left, log)
  end)
end)

describe("an event is misused at the caller's line:", function()
  it("a method on something else", function()
    local methods = getmetatable(tide.event()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.semaphore(), tide.current_task() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse("'Event:" .. name .. "'.*Event expected", function() method(other) end)
      end
      misuse("Event:" .. name, function() method() end)
    end
  end)

  it("wait in a callback and in a plain coroutine, set or not", function()
    for i = 1, 2 do
      local event, err = tide.event(), nil
      if i == 2 then event:set() end
      tide.loop():call_soon(function() err = select(2, pcall(function() event:wait() end)) end)
      sleep(1)
      assert.matches("event_spec.lua:%d+: 'Event:wait' cannot wait in a callback", err)
      misuse("cannot wait in a plain coroutine", coroutine.wrap(function() event:wait() end))
      assert.equal(i == 2, event:is_set())
    end
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = tide.event()
    tide.loop():close()
    local function each()
      for _, name in ipairs { "wait", "set", "clear", "is_set" } do
        misuse("the loop is closed", function() old[name](old) end)
      end
    end
    each()
    run(each)
  end)

  it("88: closed while tasks wait and one was woken, it is let go", { task = false }, function()
    local log = {}
    local event = tide.event()
    for i = 1, 3 do
      tide.task(function() event:wait() log[#log + 1] = i end)
    end
    tide.loop():step(0)
    event:set()
    tide.loop():close()
    event = setmetatable({ event }, { __mode = "v" })
    support.collect()
    assert.is_nil(event[1])
    assert.same({}, log)
  end)
end)
