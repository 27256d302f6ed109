-- What the author made of goblin.lua while the game ran: they patrol in rounds.
local tide = require "tide"
local game = require "game"
local world = require "world"

local DIRECTIONS = { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } }

local function patrol()
  while true do
    for _, direction in ipairs(DIRECTIONS) do
      for _ = 1, 15 do
        game.move(direction[1], direction[2])
        tide.next_tick()
      end
      tide.sleep(0.25)
    end
  end
end

return function()
  world.torches = world.torches + 1
  tide.finally(patrol, function()
    world.torches = world.torches - 1
  end)
end
