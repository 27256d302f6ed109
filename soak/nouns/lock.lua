--- Locks: one at a time.

local tide = require "tide"

return function(load)
  local lock, owner = tide.lock(), nil

  load:worker(function()
    load:nap(0.005)
    lock:with(function()
      assert(owner == nil, "two at a time")
      owner = tide.current_task()
      tide.finally(load.nap, function()
        assert(owner == tide.current_task())
        owner = nil
      end, load, 0.002)
    end)
  end, 6)

  load:check(function()
    return lock:locked() and tostring(lock) or nil
  end)
end
