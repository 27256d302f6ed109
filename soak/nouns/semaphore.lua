--- Semaphores: never more at a time than there are permits, none is lost.

local tide = require "tide"

return function(load)
  local semaphore, inside = tide.bounded_semaphore(3), 0

  local function use()
    inside = inside + 1
    assert(inside <= 3, "more than three at a time")
    tide.finally(load.nap, function() inside = inside - 1 end, load, 0.003)
  end

  load:worker(function()
    semaphore:with(use)
  end, 6)

  load:worker(function()
    load:nap(0.002)
    semaphore:acquire()
    tide.finally(use, function() semaphore:release() end)
  end)

  load:check(function()
    if semaphore:value() ~= 3 or inside ~= 0 then
      return ("%d permits, not 3"):format(semaphore:value())
    end
  end)
end
