-- A guard waits for the alarm, and goes to the gate. Some have a bug: that is
-- reported, and hurts nobody else.
local tide = require "tide"
local game = require "game"
local world = require "world"

return function(number)
  world.alarm:wait()
  if number % 60 == 0 then
    error(("guard %d has lost his boots"):format(number))
  end
  for _ = 1, 20 do
    game.move(0, 1)
    tide.next_tick()
  end
  world.gate:put(number)
end
