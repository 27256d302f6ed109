--- Deadlines and cancels, one inside of the other; every cleanup runs.

local tide = require "tide"

return function(load)
  local open = 0

  local function use(depth)
    open = open + 1
    tide.finally(function()
      load:nap(0.004)
      if depth > 0 then
        tide.move_on_after(math.random() * 0.004, use, depth - 1)
      end
    end, function()
      tide.sleep(0)
      open = open - 1
    end)
  end

  load:worker(function()
    local ok, err = tide.pcall(tide.timeout, math.random() * 0.008, use, 3)
    assert(ok or tide.is(err, tide.TimeoutError) or tide.is_cancelled(err), tostring(err))
    tide.shield(load.nap, load, 0.001)
    load:nap(0.001)
  end, 6)

  load:check(function()
    return open ~= 0 and open .. " not cleaned up" or nil
  end)
end
