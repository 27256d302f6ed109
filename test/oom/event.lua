local tide = require "tide"

return function()
  local begin, done = tide.event(), tide.event()
  tide.group(function(group)
    for _ = 1, 3 do
      group:task(function()
        begin:wait()
        tide.sleep(0)
        done:set()
      end)
    end
    tide.sleep(0)
    begin:set()
    done:wait()
    done:clear()
  end)
end
