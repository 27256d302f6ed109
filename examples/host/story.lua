-- The story: from top to bottom, whatever it waits for.
local tide = require "tide"
local game = require "game"
local world = require "world"

-- Called by the host, whenever another thread has something.
function on_message(number)
  world.letters:put_nowait("letter " .. number)
end

local function intro()
  for _, line in ipairs { "Once there was a castle.", "Nobody went there.", "Until now." } do
    game.say(line)
    tide.sleep(1)
  end
  return "seen to its end"
end

--- Who loses the race is cancelled: the scene by a key, the wait for a key by the
-- end of the scene.
local function skippable(scene)
  return tide.race(scene, function()
    return game.ask("skip?")
  end)
end

local function gather_guards()
  world.alarm:set()
  local arrived = 0
  -- Those that do not come within two seconds are not waited for.
  tide.move_on_after(2, function()
    while true do
      world.gate:get()
      arrived = arrived + 1
    end
  end)
  return arrived
end

return function()
  -- A thread of C's works on it; the frames go on meanwhile.
  game.say(("the castle has %d rooms"):format(game.load("castle")))
  game.say("a messenger brings " .. world.letters:get())
  game.say("the intro was " .. skippable(intro))
  if not tide.move_on_after(1, game.ask, "Is anybody there?") then
    game.say("nobody answers")
  end

  if game.ask("Sound the alarm?") == "yes" then
    game.say(gather_guards() .. " guards are at the gate")
  end

  -- These two will not have ended when the game is over.
  tide.task(game.load, "dungeon")
  tide.task(game.ask, "Play again?")
end
