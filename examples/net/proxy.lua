-- A TCP proxy: tide examples/net/proxy.lua 8080 example.org 80
-- Either side may say that it will send no more, and go on reading.
-- check: no
local tide = require "tide"
local net = require "tide.net"

--- Passes on what comes, and then the end. No faster than `to` takes it. Where
-- one side breaks, the other is of no use: closing both ends the other copy, too.
local function copy(from, to)
  local data, _, code = from:read()
  while data and to:write(data) do
    data, _, code = from:read()
  end
  if code == "EOF" then
    to:shutdown()
  else
    from:close()
    to:close()
  end
end

--- One client: true when both directions have ended; or nil and what is wrong.
local function relay(client, host, port)
  local target, message = net.connect(host, port)
  if not target then
    return nil, message
  end
  tide.with(target, function()
    tide.group(function(group)
      group:task(copy, client, target)
      copy(target, client)
    end)
  end)
  return true
end

local function main(port, host, target_port)
  local server = tide.check(net.listen("127.0.0.1", port))
  io.stderr:write(("proxy at %s, port %d\n"):format(server:sockname()))
  server:serve(function(client)
    local ok, message = relay(client, host, target_port)
    if not ok then
      io.stderr:write(("%s, port %s: %s\n"):format(host, target_port, message))
    end
  end)
end

if arg and arg[0]:find "proxy%.lua$" then
  tide.run(main, ...)
end
return { relay = relay }
