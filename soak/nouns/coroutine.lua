--- Coroutines that wait, as deep as three.

local tide = require "tide"

return function(load)
  local function nested(depth)
    return tide.coroutine.wrap(function()
      local inner = depth > 0 and nested(depth - 1)
      for i = 1, 3 do
        load:nap(0.002)
        tide.coroutine.yield(inner and inner() or i)
      end
    end)
  end

  load:worker(function()
    local step = nested(2)
    for i = 1, 3 do
      assert(step() == i)
    end
  end)
end
