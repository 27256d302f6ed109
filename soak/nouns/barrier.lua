--- Barriers: so many at a time, or one gives up.

local tide = require "tide"

return function(load)
  local barrier = tide.barrier(3)

  load:worker(function()
    load:nap()
    local passed, place = tide.move_on_after(0.02, barrier.wait, barrier)
    assert(not passed or (place >= 0 and place < 3))
  end, 7)

  load:check(function()
    return (barrier:n_waiting() > 0 or barrier:broken()) and tostring(barrier) or nil
  end)
end
