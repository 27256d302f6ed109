---@meta tide.compat51

--- `require "tide.compat51"` makes the globals `pcall` and `xpcall` of PUC Lua
--- 5.1 those of tide, in which tasks can await. On other Luas it changes nothing.
--- Since 0.1.0.

return true
