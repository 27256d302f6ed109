-- All permits are back in the end.
local tide = require "tide"

local plain, bounded = tide.semaphore(1), tide.bounded_semaphore(2)

local function use()
  for _ = 1, 2 do
    bounded:with(tide.sleep, 1)
    plain:with(function() tide.sleep(0) end)
  end
end

return {
  main = function()
    tide.group(function(group)
      for _ = 1, 4 do
        group:task(use)
      end
    end)
  end,
  after = function()
    if not oom.unwinds then
      return
    end
    assert(plain:value() == 1 and bounded:value() == 2, "a permit is lost")
  end,
}
