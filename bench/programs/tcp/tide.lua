--- The server of the TCP rows in tide. Prints its port; is ended by who started it.
--   lua bench/programs/tcp/tide.lua echo|once|sink|source [CONNECTIONS]
--
--   echo    sends back what comes
--   once    sends back what comes first, and closes
--   sink    at the end of what comes, tells how much it was, and closes
--   source  is told how much to send, and closes
--
-- Ends after so many connections, if it is told.

local net = require "tide.net"
local tide = require "tide"

local BLOCK = ("abcdefghijklmnop"):rep(4096)

local modes = {}

function modes.echo(conn)
  repeat
    local data = conn:read()
  until not data or not conn:write(data)
end

function modes.once(conn)
  local data = conn:read()
  if data then
    conn:write(data)
    conn:drain()
  end
end

function modes.sink(conn)
  local count, data = 0, conn:read()
  while data do
    count = count + #data
    data = conn:read()
  end
  conn:write(("%.0f\n"):format(count))
  conn:drain()
end

function modes.source(conn)
  local left = tonumber(conn:readline())
  while left > 0 and conn:write(left < #BLOCK and BLOCK:sub(1, left) or BLOCK) do
    left = left - #BLOCK
  end
  conn:drain()
end

local serve = modes[arg[1]]

local function task(conn)
  serve(conn)
  conn:close()
end

tide.run(function()
  local server = assert(net.listen("127.0.0.1", 0))
  local _, port = server:sockname()
  print(port)
  io.stdout:flush()
  tide.group(function(group)
    for _ = 1, tonumber(arg[2]) or math.huge do
      group:task(task, assert(server:accept()))
    end
    server:close()
  end)
end)
