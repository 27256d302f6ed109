-- A host's frame loop: it owns the time, and gives tide a slice of each frame.
-- Scripts wait for the next frame with next_tick. In C it is the same with
-- tide_step: see doc/embedding.md.
local tide = require "tide"

local loop = tide.loop()
loop:set_blocking(false) -- awaiting outside of a task would stop the game

local positions = {}

local function walk(name, from, to)
  for x = from, to do
    positions[name] = x
    tide.next_tick()
  end
end

local knight = tide.task(function()
  walk("knight", 1, 3)
  print("the knight has arrived")
end)

tide.task(function()
  walk("horse", 1, 2)
  knight:await()
  walk("horse", 3, 5)
  print("the horse has arrived")
end)

local frame = 0
repeat
  frame = frame + 1
  loop:step(0.002) -- at most two milliseconds of script a frame
  print(("frame %d: knight %d, horse %d"):format(frame, positions.knight, positions.horse))
until not loop:alive()
