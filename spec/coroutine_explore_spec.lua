-- Coroutines that await, with a cancel at every await.
local tide = require "tide"
local survives = require "spec.support".survives

require("tide.busted").configure { task = false }

local pcall, co = tide.pcall, tide.coroutine

describe("under explore,", function()
  survives("coroutine.wrap and resume", { 1, 2, 3, 4 }, function(run)
    local step = co.wrap(function()
      return run:guarded(function()
        for i = 1, 3 do
          tide.sleep(0.1)
          co.yield(i)
        end
        return tide.sleep(0.1, 4)
      end)
    end)
    for _ = 1, 4 do
      local ok, value = pcall(step)
      if not ok then
        error(value, 0)
      end
      run.log[#run.log + 1] = value
      -- shielded: a generator that nobody ends would keep its cleanup waiting
      tide.shield(tide.sleep, 0.1)
      if tide.current_task():cancelling() > 0 and value < 4 then
        repeat
          ok, value = pcall(step)
        until not ok or value == 4
        break
      end
    end
    tide.sleep(0)
    return "done"
  end)

  survives("an await in a coroutine in a coroutine", { "inner", "outer" }, function(run)
    local c = co.create(function()
      local inner = co.create(function()
        return run:guarded(tide.timeout, 9, tide.sleep, 1, "inner")
      end)
      local ok, value = co.resume(inner)
      if not ok then
        error(value, 0)
      end
      run.log[#run.log + 1] = value
      tide.sleep(1)
      return "outer"
    end)
    local ok, value = co.resume(c)
    if not ok then
      error(value, 0)
    end
    assert.equal("dead", co.status(c))
    run.log[#run.log + 1] = value
    tide.next_tick()
    return "done"
  end)

  survives("a coroutine that yields out of its scopes", { "a1", "b1", "a2", "b2" }, function(run)
    local sem = tide.bounded_semaphore(1)
    local function stepper(name)
      return co.wrap(function()
        return tide.timeout(60, function()
          for i = 1, 2 do
            sem:with(tide.sleep, 1)
            co.yield(name .. i)
          end
        end)
      end)
    end
    local steppers, ended = { stepper "a", stepper "b" }, 0
    return tide.finally(function()
      for i = 1, 4 do
        run.log[#run.log + 1] = steppers[2 - i % 2]()
        assert.is_nil(tide.current_scope())
        tide.next_tick()
      end
      return "done"
    end, function()
      while ended < 2 do -- whoever was cancelled inside has ended already
        local ok, value = pcall(steppers[ended + 1])
        ended = ended + ((not ok or value == nil) and 1 or 0)
      end
      assert.equal(1, sem:value())
    end)
  end)

  survives("coroutines of several tasks at once", { 6 }, function(run)
    local sum, tasks = 0, {}
    for i = 1, 3 do
      tasks[i] = tide.task(run.guarded, run, function()
        local step = co.wrap(function()
          for _ = 1, 2 do
            co.yield(tide.sleep(i % 2, 1))
          end
        end)
        local value = step() + step()
        sum = sum + value
      end)
    end
    for _, task in ipairs(tasks) do
      task:await()
    end
    run.log[1] = sum
    return "done"
  end)
end)
