-- Every other villager grows apples, the others eat them.
local tide = require "tide"
local world = require "world"

local function grow()
  while true do
    tide.sleep(0.2)
    world.market:put("apple") -- waits while there are too many
  end
end

local function eat()
  while true do
    world.market:get() -- waits until there is one
    world.sold = world.sold + 1
    tide.next_tick()
  end
end

return function(number)
  if number % 2 == 0 then
    grow()
  else
    eat()
  end
end
