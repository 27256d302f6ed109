---@meta tide.love

---Tide in a game made with LÖVE: `require "tide.love"`.
---@class tide.love
local love = {}

---@class tide.love.Options
---@field budget? number seconds a frame: 0.004; 0 is one turn

---Steps tide's loop at the end of each `love.update`; when the game ends, what is
---left is cancelled. The main program cannot wait from now on. Attached already:
---nothing. Raises a string for a bad option, and while the loop runs. Since 0.1.0.
---@param options? tide.love.Options
function love.attach(options) end

---Frames do not step it any more; tasks stay as they are. Since 0.1.0.
function love.detach() end

return love
