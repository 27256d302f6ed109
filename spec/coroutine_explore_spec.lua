-- Coroutines that await, with a cancel at every await.
local tide = require "tide"
local survives = require "spec.support".survives

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
end)
