local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall, run = tide.pcall, testing.run

--- A task that gives up its turn while no other is ready goes on at once in the
-- next. But for the time it takes, nobody is to notice.
describe("a turn that nobody else wants", function()
  --- Gives up its turn until `done` says so.
  local function spin_until(done)
    while not done() do
      tide.sleep(0)
    end
  end

  it("counts as a switch, and as a turn", function()
    run(function()
      local before = tide.stats()
      for _ = 1, 100 do
        tide.sleep(0)
      end
      local after = tide.stats()
      assert.equal(100, after.switches - before.switches)
      assert.equal(100, after.turns - before.turns)
      assert.equal(before.ready, after.ready)
    end)
  end)

  it("gives callbacks theirs, those of the next turn before it goes on", function()
    run(function()
      local order = {}
      local function say(what) order[#order + 1] = what end
      tide.sleep(0)
      tide.loop():call_soon(say, "callback")
      tide.sleep(0)
      say "task"
      assert.same({ "callback", "task" }, order)
    end)
  end)

  it("lets timers come, and a deadline", function()
    local loop = tide.loop()
    local fired = false
    tide.run(function()
      loop:call_later(0.001, function() fired = true end)
      spin_until(function() return fired end)
      local ok, e = pcall(tide.timeout, 0.001, spin_until, function() end)
      assert.is_false(ok)
      assert.is_true(tide.is(e, tide.TimeoutError))
    end)
  end)

  it("lets the main program go on, and what waits for the next tick", function()
    local turns, ticked = 0, false
    local spinner = tide.task(spin_until, function()
      turns = turns + 1
      return ticked
    end)
    tide.sleep(0)
    assert.is_true(turns == 1 or turns == 2)
    tide.task(function()
      tide.next_tick()
      ticked = true
    end)
    spinner:await()
  end)

  it("is not one in which others are blocked", function()
    run(function()
      local waiter = tide.task(testing.wait_all_tasks_blocked)
      for _ = 1, 200 do
        tide.sleep(0)
      end
      assert.is_false(waiter:done())
      waiter:cancel()
    end)
  end)

  it("is where a task that cancelled itself, in a shield, has waited", function()
    run(function()
      local task = tide.task(function()
        tide.shield(function()
          tide.current_task():cancel()
          tide.sleep(0)
        end)
        return "value"
      end)
      assert.equal("value", task:await())
      assert.is_false(task:cancelled())
    end)
  end)

  it("is given in a coroutine inside, and where another task awaits it", function()
    run(function()
      local turns = tide.stats().turns
      local co = tide.coroutine.wrap(function()
        return tide.sleep(0, "slept"), tide.task(tide.sleep, 0, "inside"):await()
      end)
      local slept, inside = co()
      assert.equal("slept", slept)
      assert.equal("inside", inside)
      assert.equal(4, tide.stats().turns - turns)
    end)
  end)

  it("is given to who awaits in a loop that never waits", function()
    run(function()
      local semaphore, fired = tide.semaphore(1), false
      tide.loop():call_soon(function() fired = true end)
      spin_until(function()
        semaphore:acquire()
        semaphore:release()
        return fired
      end)
      local turns = tide.stats().turns
      for _ = 1, 1000 do
        semaphore:acquire()
        semaphore:release()
      end
      assert.equal(7, tide.stats().turns - turns)
    end)
  end)

  it("ends with the run that it belongs to", function()
    local ok = pcall(tide.run, function()
      tide.task(function() spin_until(function() end) end)
      tide.sleep(0)
      error "the main task ends"
    end)
    assert.is_false(ok)
    assert.same({}, tide.all_tasks())
  end)
end)
