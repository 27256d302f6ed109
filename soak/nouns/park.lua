--- Parks that callbacks wake, that are aborted, or that cannot be.

local tide = require "tide"

return function(load)
  local waiting = 0

  local function wait(aborts)
    return tide.park(function(wake)
      waiting = waiting + 1
      local handle = tide.loop():call_later(math.random() * 0.005, function()
        waiting = waiting - 1
        wake("woken")
      end)
      return function()
        if not aborts then
          return false
        end
        handle:cancel()
        waiting = waiting - 1
      end
    end)
  end

  load:worker(function()
    assert(wait(true) == "woken")
    tide.move_on_after(0.002, wait, load.chance(2))
  end)

  load:check(function()
    return waiting ~= 0 and waiting .. " neither woken nor aborted" or nil
  end)
end
