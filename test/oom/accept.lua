-- A connection that an accept could not make a stream of, for want of memory, is
-- there for the next one; or it was let go, which its client is told.
local tide = require "tide"
local net = require "tide.net"

local server, client, conn

local function accept()
  conn = server:accept()
end

local function told()
  client:read(-1)
  return client
end

local function next_one()
  return server:accept()
end

return {
  prepare = function()
    server = assert(net.listen("127.0.0.1", 0))
    -- the first has it make room; without memory for that it waits for ever
    net.connect(server:sockname()):close()
    server:accept():close()
    client = assert(net.connect(server:sockname()))
  end,
  main = function()
    accept()
  end,
  before = function()
    tide.run(function()
      if not conn then
        conn = tide.race(next_one, told) -- neither would be: it hangs
      end
    end)
    conn:close()
    client:close()
    server:close()
  end,
}
