-- A store of keys and values: tide examples/net/kv.lua [port], then: nc localhost 8000
--   SET key value    GET key    DEL key    QUIT    SHUTDOWN
-- SHUTDOWN ends the program, but cuts nobody short: commands that run are
-- answered, clients that are idle see the end, and ten seconds are enough.
-- check: no
local tide = require "tide"
local net = require "tide.net"

local Store = {}
Store.__index = Store

local function new_store()
  return setmetatable({
    values = {},
    idle = {},               -- connection -> the scope in which it waits for a command
    stopping = tide.event(), -- no further command is read
  }, Store)
end

local commands = {}

function commands.SET(store, key, value)
  store.values[key] = value
  return "OK"
end

function commands.GET(store, key)
  local value = store.values[key]
  return value and "VALUE " .. value or "NONE"
end

function commands.DEL(store, key)
  local had = store.values[key]
  store.values[key] = nil
  return had and "OK" or "NONE"
end

function commands.QUIT()
  return "BYE", true
end

function commands.SHUTDOWN(store)
  store:stop()
  return "BYE", true
end

function Store:stop()
  self.stopping:set()
  for _, scope in pairs(self.idle) do
    scope:cancel()
  end
end

--- The next command; nil: there is none, or the server stops.
function Store:next(conn)
  if self.stopping:is_set() then
    return nil
  end
  local came, line = tide.scope(function(scope)
    self.idle[conn] = scope
    return conn:readline()
  end)
  self.idle[conn] = nil
  return came and line or nil
end

--- One client.
function Store:talk(conn)
  local line = self:next(conn)
  while line do
    local name, key, value = line:match "^(%S+) ?(%S*) ?(.*)$"
    local command = commands[name]
    local answer, last = "ERROR no such command", false
    if command then
      answer, last = command(self, key, value)
    end
    if not conn:write(answer, "\n") or last then
      return
    end
    line = self:next(conn)
  end
end

--- Serves until it is told to stop; then waits for the clients, `seconds` at
-- most. True: none of them was cut off.
function Store:serve(server, seconds)
  return tide.group(function(group)
    group:task(server.serve, server, function(conn) self:talk(conn) end)
    self.stopping:wait()
    return server:shutdown(seconds)
  end)
end

local function main(port)
  local server = tide.check(net.listen("127.0.0.1", port or 8000))
  io.stderr:write(("store at %s, port %d\n"):format(server:sockname()))
  local well = new_store():serve(server, 10)
  io.stderr:write(well and "all clients were served\n" or "some clients were cut off\n")
end

if arg and arg[0]:find "kv%.lua$" then
  tide.run(main, ...)
end
return { new_store = new_store }
