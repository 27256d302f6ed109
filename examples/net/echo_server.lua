-- Sends back whatever comes: tide examples/net/echo_server.lua [port]
-- It runs until it is stopped, with Ctrl-C.
-- check: no
local tide = require "tide"
local net = require "tide.net"

--- One client. Each has a task of its own; its stream is closed afterwards.
local function echo(conn)
  repeat
    local data = conn:read()
  until not data or not conn:write(data) -- write waits while the client is slow
end

local function main(port)
  local server = tide.check(net.listen("127.0.0.1", port or 8000))
  io.stderr:write(("echo server at %s, port %d\n"):format(server:sockname()))
  server:serve(echo)
end

if arg and arg[0]:find "echo_server%.lua$" then
  tide.run(main, ...)
end
return { echo = echo }
