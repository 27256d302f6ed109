-- More timers than the heap has room for at first.
local tide = require "tide"

return function()
  tide.sleep(0)
  tide.sleep(1)
  tide.next_tick()
  tide.group(function(group)
    for i = 1, 70 do
      group:task(tide.sleep, i % 3)
    end
  end)
  tide.loop():call_later(2, tide.sleep):cancel()
end
