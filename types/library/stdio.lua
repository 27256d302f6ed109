---@meta tide.stdio

--- Standard input, output and error: `require "tide.stdio"`. Since 0.1.0.
---@class tide.stdio
---@field stdin tide.Stream
---@field stdout tide.Stream
---@field stderr tide.Stream
local stdio = {}

return stdio
