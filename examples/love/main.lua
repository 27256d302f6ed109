-- check: no
-- A scene for LÖVE: love examples/love. Three walkers, each of them a task, and a
-- cut-scene, which is a task as well: space skips it by a cancel. Escape leaves.
--
-- TIDE_PLAY=1 in the environment plays it, and ends, without anybody watching;
-- TIDE_SHOT=name.png saves a picture of that.
local tide = require "tide"
require("tide.love").attach { budget = 0.004 }

local WIDTH, HEIGHT, GROUND = 480, 270, 220
local SKY, EARTH = { 0.55, 0.75, 0.9 }, { 0.35, 0.5, 0.25 }

local walkers = {}
local bars = 0     -- how far the bars of the cut-scene have come, 0 to 1
local caption = ""
local boat = { x = -80, y = 150 }
local scene        -- the task of the cut-scene

--- Calls draw(part) with 0 < part <= 1 in each frame, for so many seconds.
local function animate(seconds, draw)
  local loop = tide.loop()
  local begin = loop:time()
  local part
  repeat
    tide.next_tick()
    part = math.min((loop:time() - begin) / seconds, 1)
    draw(part)
  until part == 1
end

--- To and fro for ever, with a rest at each end.
local function walk(walker)
  while true do
    local from, to = walker.x, walker.x < WIDTH / 2 and WIDTH - 60 or 60
    animate(walker.seconds, function(part)
      walker.x = from + (to - from) * part
      walker.y = GROUND - math.abs(math.sin(part * 40)) * 6
    end)
    tide.sleep(walker.rest)
  end
end

local function say(text, seconds)
  for i = 1, #text do
    caption = text:sub(1, i)
    tide.sleep(0.03)
  end
  tide.sleep(seconds)
end

--- However it ends, the bars go away again.
local function crossing()
  tide.finally(function()
    animate(0.3, function(part) bars = part end)
    tide.gather(
      function() animate(6, function(part) boat.x = -80 + part * 400 end) end,
      function()
        say("A boat! It has come for us.", 1)
        say("Nobody asked where it was going.", 2)
      end)
  end, function()
    caption = ""
    animate(0.3, function(part) bars = 1 - part end)
  end)
end

function love.load()
  local colours = { { 0.8, 0.3, 0.25 }, { 0.95, 0.8, 0.3 }, { 0.4, 0.35, 0.7 } }
  for i, colour in ipairs(colours) do
    local walker = { x = 110 * i, y = GROUND, colour = colour, seconds = 1 + i, rest = 0.4 * i }
    walkers[i] = walker
    tide.task(walk, walker):set_name("walker " .. i)
  end
  scene = tide.task(crossing):set_name("crossing")
end

function love.keypressed(key)
  if key == "space" then
    scene:cancel()
  elseif key == "escape" then
    love.event.quit()
  end
end

function love.draw()
  love.graphics.clear(SKY)
  love.graphics.setColor(0.3, 0.45, 0.65)
  love.graphics.rectangle("fill", 0, 160, WIDTH, 40)
  love.graphics.setColor(0.45, 0.3, 0.2)
  love.graphics.polygon("fill", boat.x, boat.y, boat.x + 80, boat.y, boat.x + 65, boat.y + 22,
    boat.x + 12, boat.y + 22)
  love.graphics.setColor(1, 1, 1)
  love.graphics.polygon("fill", boat.x + 38, boat.y - 60, boat.x + 38, boat.y - 6,
    boat.x + 72, boat.y - 6)
  love.graphics.setColor(EARTH)
  love.graphics.rectangle("fill", 0, 200, WIDTH, HEIGHT - 200)
  for _, walker in ipairs(walkers) do
    love.graphics.setColor(walker.colour)
    love.graphics.circle("fill", walker.x, walker.y - 26, 8)
    love.graphics.rectangle("fill", walker.x - 7, walker.y - 18, 14, 24, 4)
  end
  love.graphics.setColor(0, 0, 0)
  love.graphics.rectangle("fill", 0, 0, WIDTH, 32 * bars)
  love.graphics.rectangle("fill", 0, HEIGHT - 40 * bars, WIDTH, 40)
  love.graphics.setColor(1, 1, 1)
  love.graphics.printf(caption, 0, HEIGHT - 27, WIDTH, "center")
end

-- ---- nobody watches

local shot = os.getenv("TIDE_SHOT")

--- Skips the cut-scene, by its key, when it has begun to talk; then leaves.
local function play()
  local from = {}
  for i, walker in ipairs(walkers) do from[i] = walker.x end
  while #caption < 10 do
    tide.next_tick()
  end
  if shot then
    love.graphics.captureScreenshot(shot)
    tide.next_tick()
  end
  love.event.push("keypressed", "space", "space", false)
  tide.wait { scene }
  for i, walker in ipairs(walkers) do
    print(("walker %d has moved: %s"):format(i, tostring(walker.x ~= from[i])))
  end
  print("the cut-scene was skipped: " .. tostring(scene:cancelled()))
  print("its bars are gone: " .. tostring(bars == 0))
  love.event.quit()
end

if os.getenv("TIDE_PLAY") then
  tide.task(function()
    tide.next_tick() -- love.load comes first
    play()
  end):set_name("player")
end
