-- Sends lines and prints the answers, at the same time:
--   tide examples/net/echo_client.lua 8000 "one line" "and another"
-- check: no
local tide = require "tide"
local net = require "tide.net"

local function send(conn, lines)
  for _, line in ipairs(lines) do
    tide.check(conn:write(line, "\n"))
  end
  conn:shutdown() -- no more will come: the server sees the end, and can still answer
end

--- Calls show(line) for each line of the answer. Who would first write all and
-- then read would wait for ever once both have more to say than fits in between.
local function talk(host, port, lines, show)
  local conn = tide.check(net.connect(host, port))
  tide.with(conn, function()
    tide.group(function(group)
      group:task(send, conn, lines)
      local next_line = conn:lines() -- nil at the end; raises what goes wrong
      local line = next_line()
      while line do
        show(line)
        line = next_line()
      end
    end)
  end)
end

if arg and arg[0]:find "echo_client%.lua$" then
  tide.run(talk, "127.0.0.1", arg[1] or 8000, { select(2, ...) }, print)
end
return { talk = talk }
