-- Which ports are open: tide examples/net/scan.lua 127.0.0.1 1 1024
-- check: no
local tide = require "tide"
local net = require "tide.net"

--- A port that does not answer in time is as good as closed. What is still
-- connecting then is closed by the deadline itself.
local function is_open(host, port, seconds)
  local in_time, conn = tide.move_on_after(seconds, net.connect, host, port)
  if in_time and conn then
    conn:close()
    return true
  end
  return false
end

--- Those of `ports` that are open, in order; at most `at_once` are tried at a time.
local function scan(host, ports, at_once, seconds)
  local slots, open = tide.semaphore(at_once), {}
  tide.group(function(group)
    for _, port in ipairs(ports) do
      group:task(slots.with, slots, function()
        if is_open(host, port, seconds) then
          table.insert(open, port)
        end
      end)
    end
  end)
  table.sort(open)
  return open
end

local function main(host, first, last)
  local ports = {}
  for port = first, last do
    table.insert(ports, port)
  end
  for _, port in ipairs(scan(host, ports, 100, 1)) do
    print(port)
  end
end

if arg and arg[0]:find "scan%.lua$" then
  tide.run(main, arg[1], tonumber(arg[2]), tonumber(arg[3]))
end
return { scan = scan }
