-- The modules of the other Luas that are built beside this one.

require("tide.busted").configure { task = false }

local ours = package.cpath:match("[^;]*build/[^;]*%?%.so")
local folder, name = (ours or ""):match("^(.*/?build/)([^/]*)/%?%.so$")

describe("a module that the wrong Lua loads", function()
  for _, other in ipairs { "lua5.1", "lua5.2", "lua5.3", "lua5.4", "luajit" } do
    local path = folder and other ~= name and folder .. other .. "/tide/core.so"
    local file = path and io.open(path)
    if file then
      file:close()
      it("says so: " .. other .. "'s", function()
        local open, message = package.loadlib(path, "luaopen_tide_core")
        assert.is_function(open, message)
        local ok, err = pcall(open)
        assert.is_false(ok)
        assert.matches("built for Lua", err)
        assert.matches("loaded by Lua", err)
      end)
    end
  end
end)
