-- Nobody has the lock in the end. A task that ends with it breaks it.
local tide = require "tide"

local lock = tide.lock()

local function use()
  lock:with(tide.sleep, 1)
  lock:with(function() tide.sleep(0) end)
end

return {
  main = function()
    tide.group(function(group)
      for _ = 1, 3 do
        group:task(use)
      end
    end)
    local broken = tide.lock()
    tide.task(broken.acquire, broken):await()
    assert(not tide.pcall(broken.acquire, broken))
  end,
  after = function()
    if not oom.unwinds then
      return
    end
    assert(not lock:locked())
  end,
}
