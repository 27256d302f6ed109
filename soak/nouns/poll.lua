--- tide.poll: what was sent can be read when it is said to be there, also after
-- waits that were cancelled.

local tide = require "tide"
local net = require "tide.net"

return function(load)
  local path = os.tmpname()
  os.remove(path)
  local server = assert(net.listen("unix:" .. path))

  load:resident(function()
    server:serve(function(conn)
      while tide.poll(conn, "r") == "r" and conn:read(1) do
        tide.poll(conn, "w")
        conn:write "x"
      end
    end)
  end)
  load:at_end(function() server:close() end)

  load:worker(function()
    load:nap(0.005)
    local conn = assert(net.connect("unix:" .. path))
    local ok, err = tide.pcall(function()
      tide.move_on_after(0.001, tide.poll, conn, "r")
      assert(tide.poll(conn, "w") == "w")
      assert(conn:write "x")
      assert(tide.poll(conn, "r") == "r")
      assert(conn:read(1) == "x")
    end)
    conn:close()
    if not ok then
      error(err, 0)
    end
  end)
end
