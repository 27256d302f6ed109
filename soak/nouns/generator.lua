--- Generators that wait, used up or closed.

local tide = require "tide"

return function(load)
  local open = 0

  load:worker(function()
    local numbers = tide.generator(function(yield)
      open = open + 1
      tide.finally(function()
        for i = 1, 10 do
          load:nap(0.001)
          yield(i)
        end
      end, function() open = open - 1 end)
    end)
    local last = math.random(15)
    tide.finally(function()
      local i = numbers()
      while i and i < last do
        i = numbers()
      end
    end, function() numbers:close() end)
  end)

  load:check(function()
    return open ~= 0 and open .. " not closed" or nil
  end)
end
