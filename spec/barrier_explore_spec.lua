-- Barriers, with a cancel at every await.
local tide = require "tide"
local explore = require("spec.support").explore

require("tide.busted").configure { task = false }

local sleep, pcall = tide.sleep, tide.pcall

describe("under explore, a barrier", function()
  it("104, 105: lets pass all of a generation or none, each with another place", function()
    local barrier, places, left
    local function meet()
      local ok, place = pcall(barrier.wait, barrier)
      if not ok then
        left = left + 1
        error(place, 0)
      end
      places[place] = (places[place] or 0) + 1
    end
    explore(function()
      barrier, places, left = tide.barrier(3), {}, 0
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = tide.task(function()
          sleep(i % 2)
          meet()
        end)
      end
      meet()
      sleep(1)
      meet()
      for _, task in ipairs(tasks) do task:await() end
    end, function(result, where)
      assert.equal("Barrier<0 of 3 waiting>", tostring(barrier), where)
      local full = places[0] or 0
      assert.same(full > 0 and { [0] = full, full, full } or {}, places, where)
      if result.ok then
        assert.same({ 2, 0 }, { full, left }, where)
      end
    end)
  end)

  it("107: reset and aborted wakes all that wait, and passes are not taken back", function()
    local barrier, passed, broken
    local function meet()
      local ok, err = pcall(barrier.wait, barrier)
      passed = passed + (ok and 1 or 0)
      if tide.is(err, tide.BrokenBarrierError) then
        broken = broken + 1
      elseif not ok then
        error(err, 0)
      end
    end
    explore(function()
      barrier, passed, broken = tide.barrier(2), 0, 0
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = tide.task(function() sleep(i) meet() end)
      end
      tide.task(function()
        sleep(2)
        barrier:reset()
        sleep(1)
        barrier:abort()
      end)
      meet()
      meet()
      for _, task in ipairs(tasks) do task:await() end
    end, function(result, where)
      assert.matches("^Barrier<.*0 of 2 waiting>$", tostring(barrier), where)
      assert.equal(0, passed % 2, where)
      if result.ok then
        assert.equal(5, passed + broken, where)
      end
    end)
  end)
end)
