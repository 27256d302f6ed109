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
    misuse("bad argument #1 to '" .. name .. "' (string expected, got " .. type(host) .. ")")
  end
end

-- The kernel tells that the backlog of a Unix socket is full, and not when it no
-- longer is. A server in this program needs some turns only, also where time stands
-- still for a test.
local FULL, TURNS, PAUSE = "EAGAIN", 100, 0.01

local function connect_unix(path, options)
  local stream, message, code = core.unix_connect(path, options)
  local tries = 0
  while code == FULL do
    tries = tries + 1
    tide.sleep(tries > TURNS and PAUSE or 0)
    stream, message, code = core.unix_connect(path, options)
  end
  if not stream then
    return nil, message, code
  end
  return core.opened(stream)
end

--- Connects a stream: `connect(host, port[, options])` over TCP, all addresses of
-- the host are tried; `connect("unix:path"[, options])`.
function net.connect(host, port, options)
  check_host(host, "tide.net.connect")
  local path = unix_path(host)
  if path then
    return connect_unix(path, port == nil and options or port)
  end
  return connect_any(host, port, options)
end

--- Where a name may be listened at: all of its addresses.
local function addresses(host, port)
  if core.is_address(host) then
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

local NO_IPV6 = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true }

--- At all interfaces. IPv4's alone would hide that IPv6's port is in use.
local function listen_anywhere(port, options)
  local server, message, code = core.tcp_listen("::", port, options)
  if NO_IPV6[code] then
    server, message, code = core.tcp_listen("0.0.0.0", port, options)
  end
  if server then
    return server
  end
  return nil, message, code
end

--- A server: `listen(host, port[, options])`; host "*": all interfaces; or
-- `listen("unix:path"[, options])`.
function net.listen(host, port, options)
  local path = unix_path(host)
  if path then
    return core.unix_listen(path, port == nil and options or port)
  end
  if host ~= nil then
    check_host(host, "tide.net.listen")
  end
  core.check_listen(host, port, options)
  if host == nil or host == "" or host == "*" then
    return listen_anywhere(port, options)
  end
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

--- For `for stream in server:iter() do`: to when it is closed. What goes wrong on
-- the way is raised, as an OSError.
function Server:iter()
  core.check_server(self, "Server:iter")
  return function()
    local conn, message, code = self:accept()
    if not conn and code ~= "ECANCELED" then
      error(core.OSError { message = message, code = code }, 0)
    end
    return conn
  end
end

-- server -> {tasks = those it serves -> stream, ending = those that shut it down}
local serving = setmetatable({}, { __mode = "k" })

local function serving_of(server)
  local state = serving[server]
  if not state then
    state = { tasks = {}, ending = {} }
    serving[server] = state
  end
  return state
end

--- What was written goes out before it is closed, unless this is cancelled or
-- the peer takes none of it for too long.
local function serve_one(conn, handler, linger)
  handler(conn)
  tide.move_on_after(linger, conn.shutdown, conn)
end

--- Its error is nobody else's.
local function serve_conn(conn, handler, options, state)
  local ok, err = protected(serve_one, core.note, conn, handler, options.linger)
  conn:close()
  state.tasks[tide.current_task()] = nil
  if options.slots then
    options.slots:release()
  end
  if ok then
    return
  elseif tide.is_cancelled(err) then
    error(err, 0)
  end
  core.report("the handler of a connection failed", err)
end

local function accept_all(group, server, handler, options)
  local slots, state = options.slots, serving_of(server)
  while true do
    if slots then
      slots:acquire()
    end
    local conn, message, code = server:accept()
    if conn then
      state.tasks[group:task(serve_conn, conn, handler, options, state)] = conn
    elseif code == "ECANCELED" then
      return
    else
      core.report("a connection is lost", core.OSError { message = message, code = code })
      if slots then
        slots:release()
      end
    end
  end
end

local function read_option(options, field, least, kind)
  local value = options[field]
  local fits = type(value) == "number" and value >= least and (kind == "number" or value % 1 == 0)
  if value ~= nil and not fits then
    local message = "bad option '%s' to 'Server:serve' (a %s from %d up expected)"
    misuse(message:format(field, kind, least))
  end
  return value
end

--- Calls `handler(stream)` in a task for each connection, until the server is
-- closed and all of these have ended. Options: max_connections, at a time;
-- linger, the seconds that a peer has to take what is unsent (5).
function Server:serve(handler, options)
  core.check_server(self, "Server:serve")
  core.check_callable(handler, 2, "Server:serve")
  if options ~= nil and type(options) ~= "table" then
    misuse("bad argument #2 to 'Server:serve' (table expected, got " .. type(options) .. ")")
  end
  options = options or {}
  local most = read_option(options, "max_connections", 1, "whole number")
  local linger = read_option(options, "linger", 0, "number") or 5
  tide.group(accept_all, self, handler,
    { linger = linger, slots = most and tide.semaphore(most) })
  return true
end

--- Of two that shut it down the later does not wait for the earlier: each would
-- for the other. One that has died has closed nothing.
local function others_of(state)
  local me, others = tide.current_task(), {}
  for task, conn in pairs(state.tasks) do
    if task:done() then
      state.tasks[task] = nil
      conn:close()
    elseif task ~= me and not (state.ending[me] and state.ending[task]) then
      others[#others + 1] = task
    end
  end
  return others
end

local function wait_for_others(state)
  local others = others_of(state)
  while #others > 0 do
    tide.wait(others)
    others = others_of(state)
  end
end

local function cancel_others(state)
  for _, task in ipairs(others_of(state)) do
    task:cancel "the server shuts down"
  end
end

local function end_others(state, seconds)
  local well = tide.move_on_after(seconds, wait_for_others, state)
  if not well then
    cancel_others(state)
    wait_for_others(state)
  end
  return well
end

--- Closes it and waits for those it serves, for `seconds` at most: then they are
-- cancelled. True: they ended by themselves. In a handler: for the others.
function Server:shutdown(seconds)
  core.check_server(self, "Server:shutdown")
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds) then
    misuse("bad argument #1 to 'Server:shutdown' (a number of seconds expected)")
  end
  self:close()
  tide.sleep(0) -- who was woken to accept has one still
  local state = serving_of(self)
  local me = tide.current_task()
  if not (me and state.tasks[me]) then
    return end_others(state, seconds or math.huge)
  end
  state.ending[me] = true
  return tide.finally(function()
    return end_others(state, seconds or math.huge)
  end, function()
    state.ending[me] = nil
  end)
end

net.udp = require "tide.udp"

return net
