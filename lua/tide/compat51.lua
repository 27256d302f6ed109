--- require "tide.compat51": on PUC 5.1 the global pcall and xpcall become
-- tide's, across which tasks can await. Elsewhere the built-in ones can do that
-- and stay.

local tide = require "tide"

if pcall ~= tide.pcall then
  _G.pcall, _G.xpcall = tide.pcall, tide.xpcall -- luacheck: ignore 122
end

return true
