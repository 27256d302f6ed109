--- Events: who waits goes on when it is set.

local tide = require "tide"

return function(load)
  load:worker(function()
    local event, came = tide.event(), 0
    tide.group(function(g)
      for _ = 1, 5 do
        g:task(function()
          event:wait()
          came = came + 1
        end)
      end
      load:nap()
      event:set()
    end)
    assert(came == 5, "one did not go on")
  end)
end
