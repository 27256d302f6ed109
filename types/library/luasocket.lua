---@meta tide.luasocket

---LuaSocket, and LuaSec, whose calls await: `require "tide.luasocket"`. Its other
---fields are those of LuaSocket's module. Raises a string where there is none.
---@class tide.luasocket
---@field http table `socket.http`; as the next ones loaded when asked for
---@field ftp table
---@field smtp table
---@field tp table
---@field url table
---@field headers table
---@field unix table
---@field ssl table LuaSec's
---@field https table LuaSec's
local luasocket = {}

---`require "socket"`, "socket.http", "ssl" and so on give these from now on. A
---second call does nothing. Since 0.1.0.
function luasocket.install() end

---Takes that back. Since 0.1.0.
function luasocket.uninstall() end

return luasocket
