--- Steps the loop once a frame of a game made with LÖVE.
--
-- The step is at the end of love.update, whatever that is: the game may define
-- it after attaching and give it another value later, so every frame of love.run
-- begins with a look. What was wrapped once may be called from what wraps it.

local core = require "tide.core"
local host = require "tide.host"

core.own_chunk()

local M = {}

local NAME = "tide.love"
local GRACE = 1     -- seconds for what is cancelled at the end
local NAP = 0.001

local registry = debug.getregistry() -- outlives package.loaded

local Attached = {}
Attached.__index = Attached

function Attached:is_attached()
  return registry[NAME] == self and not self.loop:is_closed()
end

--- Calls what was there before; the step is the outermost one's.
function Attached:update(previous, dt)
  self.depth = self.depth + 1
  if previous then
    previous(dt)
  end
  self.depth = self.depth - 1
  if self.depth == 0 and self:is_attached() then
    self.loop:step(self.budget)
  end
end

--- Nothing is left; or the seconds are over.
function Attached:wind_up()
  local loop, ends = self.loop, self.loop:time() + GRACE
  local asked = {}
  local tasks = core.all_tasks()
  while #tasks > 0 and loop:time() < ends do
    for _, task in ipairs(tasks) do
      if not asked[task] then
        asked[task] = true
        task:cancel("the game ends")
      end
    end
    if not loop:step(self.budget) and self.love.timer then
      self.love.timer.sleep(NAP)
    end
    tasks = core.all_tasks()
  end
end

--- love.quit may refuse, by true.
function Attached:quit(previous)
  local refused = previous and previous()
  if not refused and self:is_attached() then
    self:wind_up()
    self:detach()
    self.loop:close()
  end
  return refused
end

function Attached:wrap(name)
  local previous = self.love[name]
  if previous and self.ours[previous] then
    return
  end
  local function wrapper(...)
    return self[name](self, previous, ...)
  end
  self.ours[wrapper] = true
  self.love[name] = wrapper
end

function Attached:look()
  if self:is_attached() then
    self:wrap("update")
    self:wrap("quit")
  end
end

--- A look at the beginning of every frame; where love.run runs already, the one
-- of now has to do.
function Attached:watch_frames()
  local run = self.love.run
  function self.love.run(...)
    local frame = run(...)
    return frame and function(...)
      self:look()
      return frame(...)
    end
  end
end

function Attached:detach()
  registry[NAME] = nil
  if not self.loop:is_closed() then
    self.loop:set_blocking(true)
  end
end

-- ---- what is public

--- Steps tide's loop at the end of each love.update from now on; love.quit ends
-- what is left. Options: budget = seconds a frame. Attached already: nothing.
function M.attach(options)
  options = host.options("love.attach", options, {})
  local before = registry[NAME]
  if before and before:is_attached() then
    return
  end
  local love = rawget(_G, "love")
  if type(love) ~= "table" then
    core.misuse("'love.attach': there is no LÖVE here")
  end
  local self = setmetatable({
    love = love,
    loop = host.take("love.attach"),
    budget = options.budget or host.BUDGET,
    depth = 0, -- of wrapped love.update
    ours = setmetatable({}, { __mode = "k" }), -- functions
  }, Attached)
  registry[NAME] = self
  self:look()
  self:watch_frames()
end

--- Frames step it no more; tasks stay as they are.
function M.detach()
  local self = registry[NAME]
  if self then
    self:detach()
  end
end

return M
