-- Events, with a cancel at every await.
local tide = require "tide"
local explored = require "spec.support".explored

require("tide.busted").configure { task = false }

local pcall, sleep = tide.pcall, tide.sleep

describe("under explore, an event", function()
  local woken, cancelled

  explored("90, 92: wakes everyone who still waits, and leaves nothing", function()
    local event = tide.event()
    woken, cancelled = 0, 0
    local tasks = {}
    for i = 1, 4 do
      tasks[i] = tide.task(function()
        local ok, err = pcall(event.wait, event)
        if not ok then
          cancelled = cancelled + 1
          error(err, 0)
        end
        woken = woken + 1
        sleep(i % 2)
      end)
    end
    tide.task(function() sleep(1) event:set() end)
    event:wait()
    event:clear()
    tide.move_on_after(1, event.wait, event)
    for _, task in ipairs(tasks) do task:await() end
  end, function(outcome, where)
    -- a task that is cancelled before it starts never waits
    assert.is_true(woken + cancelled <= 4, where)
    if outcome.ok then
      assert.same({ 4, 0 }, { woken, cancelled }, where)
    end
  end)
end)
