-- A goblin walks to and fro with a torch. There is no end to it: it is
-- cancelled, at the latest when the game is over.
local tide = require "tide"
local game = require "game"
local world = require "world"

local function walk(frames, speed)
  for _ = 1, frames do
    game.move(speed, 0)
    tide.next_tick() -- here a frame ends
  end
end

local function patrol()
  while true do
    walk(30, 1)
    tide.sleep(0.5)
    walk(30, -1)
    tide.sleep(0.5)
  end
end

return function()
  world.torches = world.torches + 1
  tide.finally(patrol, function() -- also when it is cancelled, or fails
    world.torches = world.torches - 1
  end)
end
