--- Conditions: nobody goes on before it is true, and the lock is free again.

local tide = require "tide"

return function(load)
  local changed, number = tide.condition(), 0

  load:worker(function()
    tide.move_on_after(0.02, changed.with, changed, function()
      local before = number
      changed:wait_for(function() return number > before end)
      assert(number > before)
    end)
    load:nap(0.002)
  end)

  load:worker(function()
    load:nap(0.005)
    changed:with(function()
      number = number + 1
      changed:notify(math.random(3))
    end)
  end, 2)

  load:check(function()
    return changed:locked() and tostring(changed) or nil
  end)
end
