---@meta tide.luv

---Tide in Neovim, or on luv's loop: `require "tide.luv"`.
---@class tide.luv
local luv = {}

---@class tide.luv.Options
---@field uv? table luv's module; Neovim's, or `require "luv"`
---@field budget? number seconds a step: 0.004; 0 is one turn
---@field schedule? false|fun(step: fun()) vim.schedule in Neovim; false: none

---Steps tide's loop from luv's. The main program cannot wait from now on.
---Attached already: nothing. Raises a string for a bad option, for another `uv`
---than before, and while the loop runs. Since 0.1.0.
---@param options? tide.luv.Options
function luv.attach(options) end

---Luv's loop does not step tide's any more; tasks stay as they are. Since 0.1.0.
function luv.detach() end

return luv
