-- Whatever has a `close` method is closed by `with`, also after an error or a
-- cancel, and closing may await.
local tide = require "tide"

local function connect(name)
  tide.sleep(0.001)
  local connection = {}
  function connection:query(what)
    tide.sleep(0.001)
    return what .. " of " .. name
  end
  function connection:close()
    tide.sleep(0.001)
    print(name .. " is closed")
  end
  return connection
end

tide.run(function()
  print(tide.with(connect("the library"), function(connection)
    return connection:query("books")
  end))
  print(tide.pcall(tide.with, connect("the archive"), function()
    error("not found", 0)
  end))
  print(tide.move_on_after(0.01, tide.with, connect("the museum"), function()
    tide.sleep(60)
  end))
end)
