--- tide.net: streams over TCP and Unix sockets, and servers for them.

local tide = require "tide"
local core = require "tide.core"
local protected = require "tide.coroutine".xpcall
local connect_any = require "tide.connect"
require "tide.stream"

core.own_chunk()

local net = {}
local Server, misuse = core.Server, core.misuse

local function unix_path(host)
  return type(host) == "string" and host:match "^unix:(.*)$"
end

local function check_host(host, name)
  if type(host) ~= "string" then
    misuse(("bad argument #1 to '%s' (string expected, got %s)"):format(name, type(host)))
  end
end

--- Connects a stream: `connect(host, port[, options])` over TCP, all addresses of
-- the host are tried; `connect("unix:path"[, options])`.
function net.connect(host, port, options)
  check_host(host, "tide.net.connect")
  local path = unix_path(host)
  if not path then
    return connect_any(host, port, options)
  end
  local stream, message, code = core.unix_connect(path, port)
  if not stream then
    return nil, message, code
  end
  return core.opened(stream)
end

--- Where a name may be listened at: all of its addresses.
local function addresses(host, port)
  if host == nil or host == "" or host == "*" then
    return { "::", "0.0.0.0" }
  elseif core.is_address(host) then
    return { host }
  end
  local found, message, code = require("tide.dns").getaddrinfo(host, port, { passive = true })
  if not found then
    return nil, message, code
  end
  local list = {}
  for i, address in ipairs(found) do
    list[i] = address.host
  end
  return list
end

--- A server: `listen(host, port[, options])`; host "*": all interfaces; or
-- `listen("unix:path"[, options])`.
function net.listen(host, port, options)
  local path = unix_path(host)
  if path then
    return core.unix_listen(path, port)
  end
  if host ~= nil then
    check_host(host, "tide.net.listen")
  end
  core.check_listen(host, port, options)
  local list, message, code = addresses(host, port)
  local server
  for _, address in ipairs(list or {}) do
    server, message, code = core.tcp_listen(address, port, options)
    if server then
      return server
    end
  end
  return nil, message, code
end

-- ---- servers

--- For `for stream in server:iter() do`: to when it is closed.
function Server:iter()
  core.check_server(self, "Server:iter")
  return function()
    return (self:accept())
  end
end

--- What was written goes out before it is closed, unless this is cancelled.
local function serve_one(handler, conn)
  handler(conn)
  conn:shutdown()
end

--- Its error is nobody else's.
local function serve_conn(handler, conn, slots)
  local ok, err = protected(serve_one, core.note, handler, conn)
  conn:close()
  if slots then
    slots:release()
  end
  if ok then
    return
  elseif tide.is_cancelled(err) then
    error(err, 0)
  end
  core.report("the handler of a connection failed", err)
end

local function accept_all(group, server, handler, slots)
  while true do
    if slots then
      slots:acquire()
    end
    local conn, _, code = server:accept()
    if conn then
      group:task(serve_conn, handler, conn, slots)
    elseif code == "ECANCELED" then
      return
    elseif slots then
      slots:release()
    end
  end
end

-- server -> the groups that serve it, each with the event that it has ended
local serving = setmetatable({}, { __mode = "k" })

local function check_limit(options)
  if options == nil then
    return nil
  elseif type(options) ~= "table" then
    misuse(("bad argument #2 to 'Server:serve' (table expected, got %s)"):format(type(options)))
  end
  local most = options.max_connections
  if most ~= nil and (type(most) ~= "number" or not (most >= 1 and most % 1 == 0)) then
    misuse("bad option 'max_connections' to 'Server:serve' (a whole number from 1 up expected)")
  end
  return most
end

--- Calls `handler(stream)` in a task for each connection, until the server is
-- closed and all of these have ended. Options: max_connections, at a time.
function Server:serve(handler, options)
  core.check_server(self, "Server:serve")
  core.check_callable(handler, 2, "Server:serve")
  local most = check_limit(options)
  local groups = serving[self] or {}
  local ended = tide.event()
  local mine
  serving[self] = groups
  tide.finally(tide.group, function()
    if mine then
      groups[mine] = nil
    end
    ended:set()
  end, function(group)
    mine = group
    groups[group] = ended
    accept_all(group, self, handler, most and tide.semaphore(most))
  end)
  return true
end

local function wait_all(events)
  for _, ended in ipairs(events) do
    ended:wait()
  end
end

--- Closes it and waits for those it serves, for `seconds` at most: then they are
-- cancelled. True: they ended by themselves.
function Server:shutdown(seconds)
  core.check_server(self, "Server:shutdown")
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds) then
    misuse("bad argument #1 to 'Server:shutdown' (a number of seconds expected)")
  end
  self:close()
  local events, groups = {}, {}
  for group, ended in pairs(serving[self] or {}) do
    groups[#groups + 1], events[#events + 1] = group, ended
  end
  local well = tide.move_on_after(seconds or math.huge, wait_all, events)
  if not well then
    for _, group in ipairs(groups) do
      group:cancel "the server shuts down"
    end
    wait_all(events)
  end
  return well
end

return net
