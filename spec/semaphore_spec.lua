local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local turns = support.turns
local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

-- `local x <close>` is syntax of 5.4, so those tests are compiled there only.
local has_close = support.has_close

local semaphores = require "spec.semaphore_support"

require("tide.busted").configure { clock = "virtual" }

local acquirer, acquirers, said = semaphores.acquirer, semaphores.acquirers, semaphores.said

describe("a semaphore", function()
  it("hands out as many permits as it was made with, one by default", function()
    local sem = tide.semaphore(2)
    assert.equal(sem, sem:acquire())
    assert.same(pack(true), pack(sem:acquire_nowait()))
    assert.same(pack(nil, "locked"), pack(sem:acquire_nowait()))
    assert.equal(0, sem:value())
    assert.equal(1, tide.semaphore():value())
    assert.equal(1, tide.semaphore(nil):value())
    assert.equal(0, tide.semaphore(0):value())
    assert.equal(2 ^ 40, tide.semaphore(2 ^ 40):value())
  end)

  it("works outside of run, and a waiter is woken by a callback", { task = false }, function()
    local sem = tide.semaphore(1)
    assert.equal(sem, sem:acquire())
    tide.loop():call_later(0.001, function() sem:release() end)
    assert.equal(sem, sem:acquire())
    assert.same(pack(nil, "locked"), pack(sem:acquire_nowait()))
    assert.same(pack(), pack(sem:release()))
    assert.is_true(sem:acquire_nowait())
  end)

  it("acquire_nowait, release and the questions work in a callback", function()
    local sem, got = tide.semaphore(1), nil
    tide.loop():call_soon(function()
      got = { sem:acquire_nowait(), sem:locked(), sem:value(), tostring(sem) }
      sem:release()
    end)
    sleep(1)
    assert.same({ true, true, 0, "Semaphore<value 0, 0 waiting>" }, got)
    assert.is_false(sem:locked())
  end)

  it("62, T19: acquire of a free permit is a cancel point that keeps its turn", function()
    local sem, order = tide.semaphore(2), {}
    tide.task(function() order[#order + 1] = "other" end)
    sem:acquire()
    order[#order + 1] = "acquired"
    turns(1)
    assert.same({ "acquired", "other" }, order)
    local task = tide.task(function()
      tide.current_task():cancel("why")
      return sem:acquire()
    end)
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.equal(1, sem:value())
  end)

  it("100: wakes waiters in the order of their coming", function()
    local sem, log = tide.semaphore(0), {}
    acquirers(sem, log, "a b c d")
    sem:release()
    turns(2)
    assert.equal("a", said(log))
    sem:release()
    sem:release(2)
    turns(2)
    assert.equal("a b c d", said(log))
    assert.equal(0, sem:value())
  end)

  it("100: who comes after a release does not overtake who waits", function()
    local sem, log = tide.semaphore(1), {}
    sem:acquire()
    acquirers(sem, log, "a b")
    sem:release()
    -- a has not run yet, but the permit is its own
    assert.same(pack(nil, "locked"), pack(sem:acquire_nowait()))
    acquirer(sem, log, "late")
    turns(2)
    sem:release(2)
    turns(2)
    assert.equal("a b late", said(log))
  end)

  it("100: who releases and acquires again at once goes to the end", function()
    local sem, log = tide.semaphore(1), {}
    sem:acquire()
    acquirers(sem, log, "a b")
    local me = tide.task(function()
      sem:release()
      sem:acquire()
      log[#log + 1] = "again"
    end)
    turns(2)
    assert.equal("a", said(log))
    sem:release(2)
    me:await()
    assert.equal("a b again", said(log))
  end)

  it("103: is locked while tasks wait, and when a permit was just handed over", function()
    local sem, log = tide.semaphore(1), {}
    assert.is_false(sem:locked())
    sem:acquire()
    assert.is_true(sem:locked())
    local tasks = acquirers(sem, log, "a")
    sem:release()
    assert.is_true(sem:locked())
    assert.equal(0, sem:value())
    tasks[1]:await()
    assert.is_true(sem:locked())
    sem:release()
    assert.is_false(sem:locked())
  end)

  it("release(n) wakes n, and what nobody waits for is free", function()
    local sem, log = tide.semaphore(0), {}
    acquirers(sem, log, "a b")
    assert.same(pack(), pack(sem:release(5)))
    assert.equal(3, sem:value())
    turns(1)
    assert.equal("a b", said(log))
    assert.is_true(sem:acquire_nowait())
    assert.equal(2, sem:value())
    sem:release(2 ^ 40) -- not one by one
    assert.equal(2 ^ 40 + 2, sem:value())
  end)

  it("never wakes a task inside release", function()
    local sem, log = tide.semaphore(0), {}
    acquirers(sem, log, "woken")
    sem:release()
    log[#log + 1] = "released"
    turns(1)
    assert.equal("released woken", said(log))
  end)

  it("T33: tells its value and how many wait, also when some leave", function()
    local sem = tide.semaphore(2)
    assert.equal("Semaphore<value 2, 0 waiting>", tostring(sem))
    sem:acquire():acquire()
    assert.equal("Semaphore<value 0, 0 waiting>", tostring(sem))
    local tasks = acquirers(sem, {}, "a b c")
    assert.equal("Semaphore<value 0, 3 waiting>", tostring(sem))
    tasks[2]:cancel()
    assert.equal("Semaphore<value 0, 2 waiting>", tostring(sem))
    sem:release()
    assert.equal("Semaphore<value 0, 1 waiting>", tostring(sem))
    sem:release(3)
    assert.equal("Semaphore<value 2, 0 waiting>", tostring(sem))
    assert.equal("Semaphore<value 1099511627776, 0 waiting>", tostring(tide.semaphore(2 ^ 40)))
    assert.matches("^Semaphore<value 4, 0 waiting>$", tostring(tide.bounded_semaphore(4)))
  end)

  it("lives as long as a task waits in it", function()
    local done
    do
      local sem = tide.semaphore(0)
      local weak = setmetatable({ sem }, { __mode = "v" })
      tide.task(function() done = weak[1]:acquire() ~= nil end)
      turns(1)
      tide.loop():call_later(1, function() weak[1]:release() end)
    end
    support.collect()
    sleep(2)
    assert.is_true(done)
  end)

  it("is waited for by a tide.coroutine, and where a deadline ends the wait", function()
    local sem = tide.semaphore(0)
    local gen = tide.coroutine.wrap(function() return sem:acquire() end)
    tide.loop():call_later(1, function() sem:release() end)
    assert.equal(sem, gen())
    assert.is_false(tide.move_on_after(1, sem.acquire, sem))
    raises(tide.TimeoutError, tide.timeout, 1, sem.acquire, sem)
    sem:release()
    assert.equal(1, sem:value())
  end)

  it("that nobody can release any more is a deadlock", { task = false }, function()
    raises(tide.DeadlockError, run, function() tide.semaphore(0):acquire() end)
  end)
end)

describe("the wait for a semaphore", function()
  it("86: cancelled, and then a release in the same turn: the next has it", function()
    local sem, log = tide.semaphore(1), {}
    sem:acquire()
    local tasks = acquirers(sem, log, "a b")
    tasks[1]:cancel()
    sem:release()
    turns(3)
    assert.equal("b", said(log))
    assert.is_true(tasks[1]:cancelled())
    assert.equal(0, sem:value())
  end)

  it("86: released, and then a cancel in the same turn: it has it, once", function()
    local sem, log = tide.semaphore(1), {}
    sem:acquire()
    local a = tide.task(function()
      assert.equal(sem, sem:acquire())
      log[#log + 1] = "a"
      local err = raises(tide.CancelledError, sleep, 0)
      log[#log + 1] = "raised"
      sem:release()
      error(err, 0)
    end)
    local b = acquirers(sem, log, "b")[1]
    sem:release()
    a:cancel()
    b:await()
    assert.equal("a raised b", said(log))
    assert.is_true(a:cancelled())
    assert.equal(0, sem:value())
  end)

  it("101: a grant to a cancelled task is returned by with, and nobody sleeps on", function()
    local sem, log = tide.semaphore(1), {}
    sem:acquire()
    local a = tide.task(function() sem:with(sleep, 1) end)
    sleep(0)
    local b = acquirers(sem, log, "b")[1]
    sem:release()
    a:cancel()
    b:await()
    assert.is_true(a:cancelled())
    assert.equal("b", said(log))
  end)

  it("101, T40: cancelled before it is woken, it leaves the others in order", function()
    for gone = 1, 4 do
      local sem, log = tide.semaphore(0), {}
      local tasks, expected = acquirers(sem, log, "1 2 3 4"), {}
      for i = 1, 4 do
        expected[#expected + 1] = i ~= gone and tostring(i) or nil
      end
      tasks[gone]:cancel()
      sem:release(3)
      turns(3)
      assert.same(expected, log)
      assert.equal(0, sem:value())
    end
  end)

  it("101: all cancelled, the permit is free again", function()
    local sem = tide.semaphore(1)
    sem:acquire()
    for _, task in ipairs(acquirers(sem, {}, "a b c")) do task:cancel() end
    sem:release()
    assert.is_false(sem:locked())
    assert.equal(1, sem:value())
    turns(2)
    assert.equal(1, sem:value())
  end)

  it("101: a deadline that passes in the turn of the release loses nothing", function()
    for first = 1, 2 do
      local sem = tide.semaphore(0)
      local function release() tide.loop():call_later(1, function() sem:release() end) end
      if first == 1 then release() end
      local task = tide.task(function() return tide.move_on_after(1, sem.acquire, sem) end)
      sleep(0)
      if first == 2 then release() end
      local got = task:await()
      sleep(1)
      assert.equal(got and 0 or 1, sem:value())
    end
  end)

  it("an error of another task that holds it releases by with", function()
    local sem, log = tide.semaphore(1), {}
    local bad = tide.task(function()
      sem:with(function() sleep(1) error("bad", 0) end)
    end)
    sleep(0)
    local good = acquirers(sem, log, "good")[1]
    assert.same(pack(false, "bad"), pack(pcall(bad.await, bad)))
    good:await()
    assert.equal("good", said(log))
  end)
end)

describe("Semaphore:with", function()
  it("89: calls the function with a permit, its arguments and results", function()
    local sem = tide.semaphore(1)
    assert.same(pack(0, 3, nil, 1, nil, nil), pack(sem:with(function(...)
      return sem:value(), select("#", ...), nil, ...
    end, 1, nil, nil)))
    assert.same(pack(), pack(sem:with(function() end)))
    assert.equal(1, sem:value())
    assert.equal(2, sem:with(setmetatable({}, { __call = function(_, v) return v end }), 2))
  end)

  it("89: releases when the function fails, with whatever it raises", function()
    local sem, err = tide.semaphore(1), {}
    assert.same(pack(false, err), pack(pcall(sem.with, sem, error, err)))
    assert.equal(1, sem:value())
    assert.is_false((pcall(sem.with, sem, error)))
    assert.equal(1, sem:value())
  end)

  it("89: releases when the task is cancelled inside, and takes none before", function()
    local sem, called = tide.semaphore(1), 0
    local function body() called = called + 1 sleep(5) end
    assert.is_false(tide.move_on_after(1, sem.with, sem, body))
    assert.same({ 1, 1 }, { called, sem:value() })
    sem:acquire()
    assert.is_false(tide.move_on_after(1, sem.with, sem, body))
    assert.same({ 1, 0 }, { called, sem:value() })
  end)

  it("nests, and n tasks take turns in it", function()
    local sem, inside, most, order = tide.semaphore(2), 0, 0, {}
    local tasks = {}
    for i = 1, 7 do
      tasks[i] = tide.task(sem.with, sem, function()
        order[#order + 1] = i
        inside = inside + 1
        most = math.max(most, inside)
        sleep(1)
        inside = inside - 1
      end)
    end
    for _, task in ipairs(tasks) do task:await() end
    assert.equal(2, most)
    assert.equal("1 2 3 4 5 6 7", table.concat(order, " "))
    assert.equal("in", sem:with(sem.with, sem, function() return "in" end))
    assert.equal(2, sem:value())
  end)
end)

describe("a semaphore as a variable to be closed", function()
  it("89: its __close releases one permit", function()
    local sem = tide.semaphore(3)
    sem:acquire():acquire()
    getmetatable(sem).__close(sem, nil)
    assert.equal(2, sem:value())
  end)

  if not has_close then
    return
  end
  local held = load([[
    local sem, fn = ...
    local _ <close> = sem:acquire()
    return fn()]])

  it("89: releases at the end of the block, on errors and cancels, too", function()
    local sem = tide.semaphore(1)
    assert.equal(0, held(sem, function() return sem:value() end))
    assert.equal(1, sem:value())
    assert.same(pack(false, "bad"), pack(pcall(held, sem, function() error("bad", 0) end)))
    assert.equal(1, sem:value())
    assert.is_false(tide.move_on_after(1, held, sem, function() sleep(5) end))
    assert.equal(1, sem:value())
    sem:acquire()
    assert.is_false(tide.move_on_after(1, held, sem, error)) -- never got there
    assert.equal(0, sem:value())
  end)
end)

describe("a semaphore is misused at the caller's line:", function()
  it("99: with a number that is none of permits", function()
    for _, bad in ipairs { -1, 1.5, "x", "1", {}, true, 0 / 0, 1 / 0, -1 / 0 } do
      misuse("bad argument #1 to 'tide.semaphore'", function() tide.semaphore(bad) end)
      misuse("bad argument #1 to 'tide.bounded_", function() tide.bounded_semaphore(bad) end)
    end
    misuse("whole number", function() tide.semaphore(-1) end)
    misuse("number expected, got string", function() tide.semaphore("x") end)
  end)

  it("with a number of releases that is none", function()
    local sem = tide.semaphore(1)
    for _, bad in ipairs { 0, -1, 1.5, "x", {}, 0 / 0, 1 / 0 } do
      misuse("bad argument #1 to 'Semaphore:release'", function() sem:release(bad) end)
    end
    assert.equal(1, sem:value())
  end)

  it("a method on something else", function()
    local methods = getmetatable(tide.semaphore()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        local pattern = "'Semaphore:" .. name .. "'.*Semaphore expected"
        misuse(pattern, function() method(other, print) end)
      end
      misuse("Semaphore:" .. name, function() method() end)
    end
  end)

  it("with without a function, and nothing is taken", function()
    local sem = tide.semaphore(1)
    for _, bad in ipairs { 1, "x", {}, false, sem } do
      misuse("bad argument #1 to 'Semaphore:with' %(function", function() sem:with(bad) end)
    end
    misuse("bad argument #1 to 'Semaphore:with'", function() sem:with() end)
    assert.equal(1, sem:value())
  end)

  it("acquire in a callback and in a plain coroutine, free or not", function()
    for permits = 0, 1 do
      local sem, err = tide.semaphore(permits), nil
      tide.loop():call_soon(function()
        err = select(2, pcall(function() sem:acquire() end))
      end)
      sleep(1)
      assert.matches("semaphore_spec.lua:%d+: 'Semaphore:acquire' cannot wait in a callback", err)
      misuse("cannot wait in a plain coroutine", coroutine.wrap(function() sem:acquire() end))
      assert.equal(permits, sem:value())
      assert.equal(("Semaphore<value %d, 0 waiting>"):format(permits), tostring(sem))
    end
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = tide.semaphore(1)
    tide.loop():close()
    local function each()
      for _, name in ipairs { "acquire", "acquire_nowait", "release", "locked", "value", "with" } do
        misuse("the loop is closed", function() old[name](old, name == "with" and print or nil) end)
      end
      misuse("the loop is closed", function() getmetatable(old).__close(old) end)
    end
    each()
    run(each)
    run(function() assert.equal(1, tide.semaphore(1):value()) end)
  end)

  it("88: closed while tasks wait and one was granted, it is let go", { task = false }, function()
    local log = {}
    local sem = tide.semaphore(0)
    for i = 1, 3 do
      tide.task(function() sem:acquire() log[#log + 1] = i end)
    end
    tide.loop():step(0)
    sem:release()
    tide.loop():close()
    sem = setmetatable({ sem }, { __mode = "v" })
    support.collect()
    assert.is_nil(sem[1])
    assert.same({}, log)
    assert.equal(0, tide.stats().tasks)
  end)
end)
