local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

--- Tasks that wait and append name and place to log, or only the name of the
-- error that the wait raised.
local function comers(barrier, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = tide.task(function()
      local ok, place = pcall(barrier.wait, barrier)
      log[#log + 1] = name .. (ok and place or ":" .. tostring(place):match("^%a+"))
      if not ok then
        error(place, 0)
      end
    end)
  end
  sleep(0)
  return tasks
end

local function said(log)
  sleep(0)
  sleep(0)
  return table.concat(log, " ")
end

describe("a barrier", function()
  it("104: releases all when the last comes, each with a place of its own", function()
    local barrier, log = tide.barrier(3), {}
    assert.same({ 3, 0, false }, { barrier:parties(), barrier:n_waiting(), barrier:broken() })
    assert.equal("Barrier<0 of 3 waiting>", tostring(barrier))
    comers(barrier, log, "a b")
    assert.equal(2, barrier:n_waiting())
    assert.equal("Barrier<2 of 3 waiting>", tostring(barrier))
    assert.equal("", said(log))
    assert.same(pack(2), pack(barrier:wait()))
    assert.equal(0, barrier:n_waiting())
    assert.equal("a0 b1", said(log))
  end)

  it("104: of one never waits, but is a cancel point that keeps its turn", function()
    local barrier, log = tide.barrier(1), {}
    tide.task(function() log[1] = "other" end)
    for _ = 1, 3 do assert.equal(0, barrier:wait()) end
    assert.same({}, log)
    assert.is_false(tide.move_on_after(0, barrier.wait, barrier))
  end)

  it("104: begins anew after each generation", function()
    local barrier, log = tide.barrier(2), {}
    comers(barrier, log, "a b c d e")
    assert.equal("b1 d1 a0 c0", said(log))
    assert.equal(1, barrier:n_waiting())
    assert.equal(1, barrier:wait())
    assert.equal("b1 d1 a0 c0 e0", said(log))
  end)

  it("104: places stay right when generations are full before the first has run", function()
    local barrier, seen = tide.barrier(4), {}
    for _ = 1, 12 do
      tide.task(function()
        local place = barrier:wait()
        seen[place] = (seen[place] or 0) + 1
        sleep(0)
        assert.is_true(barrier:wait() < 4)
      end)
    end
    sleep(1)
    assert.same({ [0] = 3, 3, 3, 3 }, seen)
    assert.equal(0, barrier:n_waiting())
  end)

  it("104: tasks meet at it again and again", function()
    local barrier, log = tide.barrier(3), {}
    for i = 1, 3 do
      tide.task(function()
        for round = 1, 4 do
          sleep(i * round)
          barrier:wait()
          log[#log + 1] = round
        end
      end)
    end
    sleep(60)
    assert.equal("1 1 1 2 2 2 3 3 3 4 4 4", said(log))
  end)

  it("is met by the main program, too", { task = false }, function()
    local barrier = tide.barrier(2)
    local task = tide.task(barrier.wait, barrier)
    assert.equal(0, barrier:wait())
    assert.equal(1, task:await())
    task = tide.task(barrier.wait, barrier)
    tide.sleep(0)
    assert.equal(1, barrier:wait())
    assert.equal(0, task:await())
  end)

  it("lives as long as a task waits at it", function()
    local barriers, done = setmetatable({}, { __mode = "v" }), nil
    tide.task(function()
      barriers[1] = tide.barrier(2)
      done = barriers[1]:wait()
    end)
    sleep(0)
    support.collect()
    barriers[1]:wait()
    sleep(0)
    assert.equal(0, done)
  end)

  it("at which too few come is a deadlock", { task = false }, function()
    local barrier
    raises(tide.DeadlockError, run, function()
      barrier = tide.barrier(2)
      raises(tide.DeadlockError, barrier.wait, barrier)
      assert.equal(0, barrier:n_waiting())
      barrier:wait()
    end)
  end)
end)

describe("the wait at a barrier", function()
  it("105: cancelled leaves, and one more has to come; the places have no hole", function()
    for gone = 1, 3 do
      local barrier, log = tide.barrier(4), {}
      local tasks = comers(barrier, log, "a b c")
      tasks[gone]:cancel()
      assert.equal(2, barrier:n_waiting())
      comers(barrier, log, "d")
      assert.equal(3, barrier:n_waiting())
      assert.equal(3, barrier:wait())
      sleep(0)
      assert.is_false(barrier:broken())
      assert.is_true(tasks[gone]:cancelled())
      local expected = { "b0 c1 d2", "a0 c1 d2", "a0 b1 d2" }
      assert.equal(expected[gone], (said(log):gsub("^%a:CancelledError ", "")))
    end
  end)

  it("105: cancelled by a deadline, may wait again", function()
    local barrier = tide.barrier(2)
    assert.is_false(tide.move_on_after(1, barrier.wait, barrier))
    tide.loop():call_later(1, function() tide.task(barrier.wait, barrier) end)
    assert.equal(0, barrier:wait())
  end)

  it("released and then cancelled returns; the next await raises", function()
    local barrier, log = tide.barrier(2), {}
    local task = tide.task(function()
      log[1] = barrier:wait()
      raises(tide.CancelledError, sleep, 0)
      log[2] = "raised"
    end)
    sleep(0)
    assert.equal(1, barrier:wait())
    task:cancel()
    assert.equal("0 raised", said(log))
  end)

  it("107: broken by a reset raises; the barrier is whole", function()
    local barrier, log = tide.barrier(3), {}
    local tasks = comers(barrier, log, "a b")
    assert.same(pack(), pack(barrier:reset()))
    assert.same({ 0, false }, { barrier:n_waiting(), barrier:broken() })
    comers(barrier, log, "c") -- of the next generation, though a and b did not run
    assert.equal("a:BrokenBarrierError b:BrokenBarrierError", said(log))
    for _, task in ipairs(tasks) do
      assert.equal("the barrier is broken",
        raises(tide.BrokenBarrierError, task.await, task).message)
    end
    comers(barrier, {}, "d")
    assert.equal(2, barrier:wait())
    barrier:reset()
    assert.equal("Barrier<0 of 3 waiting>", tostring(barrier))
  end)

  it("107: aborted raises, at once for all that come, until a reset", function()
    local barrier, log = tide.barrier(2), {}
    local tasks = comers(barrier, log, "a")
    assert.same(pack(), pack(barrier:abort()))
    assert.is_true(barrier:broken())
    assert.equal("Barrier<broken, 0 of 2 waiting>", tostring(barrier))
    raises(tide.BrokenBarrierError, barrier.wait, barrier)
    raises(tide.BrokenBarrierError, barrier.with, barrier, error)
    raises(tide.BrokenBarrierError, tasks[1].await, tasks[1])
    barrier:abort()
    assert.is_false(tide.move_on_after(0, barrier.wait, barrier)) -- 62: a cancel comes first
    barrier:reset()
    assert.is_false(barrier:broken())
    comers(barrier, log, "b")
    assert.equal(1, barrier:wait())
    assert.equal("a:BrokenBarrierError b0", said(log))
  end)

  it("107: who was released passes, whatever happens before it runs", function()
    for _, name in ipairs { "reset", "abort" } do
      local barrier, log = tide.barrier(3), {}
      comers(barrier, log, "a b")
      assert.equal(2, barrier:wait())
      local late = comers(barrier, log, "late")[1]
      assert.equal("a0 b1", table.concat(log, " "))
      barrier[name](barrier)
      raises(tide.BrokenBarrierError, late.await, late)
    end
    local barrier, log = tide.barrier(2), {}
    comers(barrier, log, "a")
    tide.task(function()
      barrier:wait()
      barrier:abort()
    end)
    assert.equal("a0", said(log))
  end)

  it("107: broken and then cancelled in the same turn is told that it is broken", function()
    local barrier, log = tide.barrier(2), {}
    local task = comers(barrier, log, "a")[1]
    barrier:reset()
    task:cancel()
    assert.equal("a:BrokenBarrierError", said(log))
    raises(tide.BrokenBarrierError, task.await, task)
  end)

  it("107: cancelled and then reset in the same turn is cancelled", function()
    local barrier, log = tide.barrier(2), {}
    local task = comers(barrier, log, "a")[1]
    task:cancel()
    barrier:reset()
    assert.equal("a:CancelledError", said(log))
    assert.is_true(task:cancelled())
  end)

  it("107: is ended from a callback", function()
    local barrier = tide.barrier(2)
    tide.loop():call_later(1, function() barrier:abort() end)
    raises(tide.BrokenBarrierError, barrier.wait, barrier)
  end)
end)

describe("Barrier:with", function()
  it("waits, and calls the function with the place and the arguments", function()
    local barrier, err = tide.barrier(2), {}
    local task = tide.task(barrier.with, barrier, pack, "x", nil)
    sleep(0)
    assert.same(pack(1, 3), pack(barrier:with(function(...)
      return (...), select("#", ...)
    end, nil, nil)))
    assert.same(pack(0, "x", nil), task:await())
    barrier = tide.barrier(1)
    assert.equal(err, select(2, pcall(barrier.with, barrier, function() error(err) end)))
    assert.is_false(barrier:broken())
  end)
end)

describe("a barrier is misused at the caller's line:", function()
  it("104: made for a number of parties that is none", function()
    for _, bad in ipairs { 0, -1, 1.5, "x", "2", {}, true, 0 / 0, 1 / 0 } do
      misuse("bad argument #1 to 'tide.barrier'", function() tide.barrier(bad) end)
    end
    misuse("whole number from 1 up expected", function() tide.barrier(0) end)
    misuse("number expected, got no value", function() tide.barrier() end)
  end)

  it("60: a method on something else", function()
    local methods = getmetatable(tide.barrier(1)).__index
    local others = { 5, "x", {}, false, io.stdout, tide.lock(), tide.event() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse("'Barrier:" .. name .. "'.*Barrier expected", function() method(other, print) end)
      end
      misuse("Barrier:" .. name, function() method() end)
    end
  end)

  it("with without a function, and nothing has come", function()
    local barrier = tide.barrier(2)
    for _, bad in ipairs { 1, "x", {}, false, barrier } do
      misuse("bad argument #1 to 'Barrier:with'", function() barrier:with(bad) end)
    end
    assert.equal(0, barrier:n_waiting())
  end)

  it("wait in a callback and in a plain coroutine, as the last or not", function()
    for parties = 1, 2 do
      local barrier, err = tide.barrier(parties), nil
      tide.loop():call_soon(function()
        err = select(2, pcall(function() barrier:wait() end))
      end)
      sleep(1)
      assert.matches("barrier_spec.lua:%d+: 'Barrier:wait' cannot wait in a callback", err)
      misuse("cannot wait in a plain coroutine", coroutine.wrap(function() barrier:wait() end))
      assert.equal(0, barrier:n_waiting())
    end
  end)

  it("wait where nothing can be suspended, and nothing has come", function()
    local barrier = tide.barrier(2)
    misuse("'string.gsub'", function() ("x"):gsub(".", function() barrier:wait() end) end)
    assert.equal(0, barrier:n_waiting())
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = tide.barrier(1)
    tide.loop():close()
    local function each()
      for name, method in pairs(getmetatable(old).__index) do
        misuse(name .. "': the loop is closed", function() method(old, print) end)
      end
    end
    run(each)
    misuse("the loop is closed", function() old:reset() end)
  end)

  it("88: closed while tasks wait and some were released, it is let go",
  { task = false }, function()
    local log = {}
    local barrier = tide.barrier(3)
    for i = 1, 5 do
      tide.task(function() barrier:wait() log[#log + 1] = i end)
    end
    tide.loop():step(0)
    tide.loop():close()
    barrier = setmetatable({ barrier }, { __mode = "v" })
    support.collect()
    assert.is_nil(barrier[1])
    assert.same({ 3 }, log)
  end)
end)
