local tide = require "tide"

local changed = tide.condition()

return {
  main = function()
    local count = 0
    tide.group(function(group)
      for i = 1, 3 do
        group:task(function()
          changed:with(function()
            changed:wait_for(function() return count >= i end)
          end)
        end)
      end
      for _ = 1, 3 do
        tide.sleep(0)
        changed:with(function()
          count = count + 1
          changed:notify_all()
        end)
      end
    end)
  end,
  after = function()
    if not oom.unwinds then
      return
    end
    assert(not changed:locked())
  end,
}
