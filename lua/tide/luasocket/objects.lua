--- Objects of LuaSocket and LuaSec, wrapped: a call that would block awaits.
--
-- The object inside never blocks. Where it says that it would, the task waits for
-- its descriptor, as long as the timeouts allow that LuaSocket would have kept, and
-- calls it again.

local tide = require "tide"
local core = require "tide.core"
local names = require "tide.luasocket.names"

core.own_chunk()

local M = {}

local checkpoint, misuse, poll = core.checkpoint, core.misuse, tide.poll

local function now()
  return tide.loop():time()
end

-- ---- misuse

--- What a method of LuaSocket's gave. What it says of its arguments is told at the
-- line of our caller, and counted as Lua counts those of a method.
local function told(name, ok, ...)
  if ok then
    return ...
  end
  local err = ...
  local arg, why = tostring(err):match "^bad argument #(%d+) to '[^']*' (.*)$"
  if not arg then
    error(err, 0)
  elseif arg == "1" then
    misuse(("calling '%s' on bad self %s"):format(name, why))
  end
  misuse(("bad argument #%d to '%s' %s"):format(arg - 1, name, why))
end

local function call(raw, name, ...)
  return told(name, pcall(raw[name], raw, ...))
end

--- LuaSocket's object in ours.
local function raw_of(self, name)
  local raw = type(self) == "table" and rawget(self, "raw")
  if not raw then
    misuse(("calling '%s' on bad self (socket expected, got %s)"):format(name, type(self)))
  end
  return raw
end

-- ---- waiting

-- What a call says that would block, and what it waits for then; false: for what
-- such a call always does.
local BLOCKED = {
  timeout = false, wantread = "r", wantwrite = "w",
  ["Operation already in progress"] = false,
}

--- A call begins, which may wait: when, if that counts. One that is not to wait
-- is none of the loop's business.
local function begin(self)
  if self.block ~= 0 then
    checkpoint()
  end
  return (self.block or self.total) and now()
end

--- The seconds that a call may wait yet.
local function patience(self, start)
  local left = self.block or math.huge
  if self.total then
    left = math.min(left, start + self.total - now())
  elseif self.block then
    left = start + left - now()
  end
  return left
end

--- Until the object may be called again, or else: why not.
local function wait(self, events, start)
  local fd = self.raw:getfd()
  local ready, message, code
  if not start then
    ready, message, code = poll(fd, events)
  else
    local seconds = patience(self, start)
    if seconds <= 0 then
      return "timeout"
    end
    local well
    well, ready, message, code = tide.move_on_after(seconds, poll, fd, events)
    if not well then
      return "timeout"
    end
  end
  if ready then
    return nil
  end
  return (code == "ECANCELED" or code == "EBADF") and "closed" or message
end

--- Nil: the call is to be made again; or why it failed. LuaSec says what it waits
-- for also when a timeout has passed.
local function blocked(self, message, events, start)
  if BLOCKED[message] == nil or self.block == 0 then
    return message
  end
  local why = wait(self, BLOCKED[message] or events, start)
  return why == "timeout" and BLOCKED[message] and message or why
end

--- A method that is called until it does not say that it would block. It gives one
-- result, as LuaSocket's does, or what `results` makes of those.
local function awaiting(name, events, results)
  return function(self, ...)
    local raw, start = raw_of(self, name), begin(self)
    while true do
      local a, b, c = call(raw, name, ...)
      if a and results then
        return results(a, b, c)
      elseif a then
        return a
      end
      local why = blocked(self, b, events, start)
      if why and c ~= nil then
        return a, why, c
      elseif why then
        return a, why
      end
    end
  end
end

-- ---- streams

local Stream = {}

Stream.accept = awaiting("accept", "r", function(raw) return M.wrap(raw) end)

--- To one address. The second call tells how the first one ended.
local function connect_to(self, start, ...)
  local raw = self.raw
  local ok, message = call(raw, "connect", ...)
  while not ok do
    local why = blocked(self, message, "w", start)
    if why then
      return nil, why
    end
    ok, message = raw:connect(...)
    ok = ok or message == "already connected" and 1
  end
  return ok
end

--- One that has a descriptor has a family.
local function family_of(raw)
  local fd = raw:getfd()
  if fd and fd >= 0 then
    return raw:getfamily() == "inet6" and "inet6" or "inet"
  end
end

--- connect(host, port), connect(path)
function Stream:connect(host, port, ...)
  local raw, start = raw_of(self, "connect"), begin(self)
  if port == nil then
    return connect_to(self, start, host)
  end
  local list, message = names.addresses(host, family_of(raw), "connect")
  for _, address in ipairs(list or {}) do
    local ok
    ok, message = connect_to(self, start, address, port, ...)
    if ok then
      return ok
    elseif message == "timeout" or message == "closed" then
      break
    end
  end
  return nil, message
end

--- A method that is given the host before the port: its first address.
local function naming(name)
  return function(self, host, port, ...)
    local raw = raw_of(self, name)
    if port == nil then
      return call(raw, name, host)
    end
    local list, message = names.addresses(host, family_of(raw), name)
    if not list then
      return nil, message
    end
    return call(raw, name, list[1], port, ...)
  end
end

Stream.bind = naming "bind"

--- send(data[, from[, to]]): the index of the last byte that was sent.
function Stream:send(data, first, last)
  local raw, start = raw_of(self, "send"), begin(self)
  while true do
    local sent, message, upto = call(raw, "send", data, first, last)
    if sent then
      return sent
    end
    local why = blocked(self, message, "w", start)
    if why then
      return nil, why, upto
    end
    first = upto + 1
  end
end

-- What a receive that was cancelled had got already is `held` for the next.

local function is_all(pattern)
  return pattern == "*a" or pattern == "a"
end

--- What the pattern takes of the bytes that are held; nil: it needs more.
local function take_held(self, pattern)
  local held, taken, rest = self.held, nil, nil
  local size = tonumber(pattern)
  if size and #held >= size then
    taken, rest = held:sub(1, size), held:sub(size + 1)
  elseif not size and not is_all(pattern) then
    local at = held:find("\n", 1, true)
    if at then
      taken, rest = held:sub(1, at - 1):gsub("\r", ""), held:sub(at + 1)
    end
  end
  if taken then
    self.held = rest ~= "" and rest or nil
  end
  return taken
end

--- Goes on after the first part.
local function receive_rest(self, pattern, part, start, message)
  local raw, size = self.raw, tonumber(pattern)
  local parts, got = { part }, #part
  while true do
    parts = { table.concat(parts) }
    self.held = got > 0 and parts[1] or nil -- should the wait raise
    local why = blocked(self, message, "r", start)
    self.held = nil
    if why then
      return nil, why, parts[1]
    end
    local data
    data, message, part = raw:receive(size and size - got or pattern)
    parts[#parts + 1] = data or part
    got = got + #(data or part)
    if data then
      return table.concat(parts)
    end
  end
end

--- receive([pattern[, prefix]]): data; or nil, why, and what came before that.
function Stream:receive(pattern, prefix)
  local raw, start = raw_of(self, "receive"), begin(self)
  local size = tonumber(pattern)
  prefix = prefix and tostring(prefix) or ""
  local before = #prefix
  if self.held then
    local taken = take_held(self, size and math.max(size - #prefix, 0) or pattern)
    if taken then
      return prefix .. taken
    end
    local here = self.held
    if not size and not is_all(pattern) then
      here = here:gsub("\r", "")
    end
    prefix, self.held = prefix .. here, nil
  end
  local data, message, part = call(raw, "receive", pattern or "*l", prefix)
  if not data and BLOCKED[message] ~= nil then
    data, message, part = receive_rest(self, pattern or "*l", part, start, message)
  end
  if message == "closed" and is_all(pattern) and #part > before then
    return part -- the end of all
  end
  return data, message, part
end

--- Something can be had without a wait.
function Stream:dirty()
  return self.held ~= nil or self.raw:dirty()
end

-- ---- datagrams

local Datagrams = {
  receive = awaiting("receive", "r"),
  receivefrom = awaiting("receivefrom", "r", function(...) return ... end),
  send = awaiting("send", "w"),
  sendto = awaiting("sendto", "w"),
  setpeername = naming "setpeername",
  setsockname = naming "setsockname",
}

-- ---- all of them

local Any = {}

--- settimeout([seconds[, mode]]): for each call, or ("t") in all; nil, or less
-- than 0: as long as it takes.
function Any:settimeout(seconds, mode)
  local raw = raw_of(self, "settimeout")
  local ok, message = call(raw, "settimeout", seconds, mode) -- checks
  raw:settimeout(0, "b")
  raw:settimeout(-1, "t")
  if not ok then
    return ok, message
  end
  seconds = tonumber(seconds)
  if seconds and seconds < 0 then
    seconds = nil
  end
  if mode == nil or mode:sub(1, 1) == "b" then
    self.block = seconds
  else
    self.total = seconds
  end
  return ok
end

function Any:gettimeout()
  return self.block or -1, self.total or -1
end

--- Who waits for it is told.
function Any:close(...)
  local raw = raw_of(self, "close")
  local fd = raw:getfd()
  if fd and fd >= 0 then
    tide.poll_forget(fd)
  end
  self.held = nil
  return raw:close(...)
end

-- ---- classes

local function passing(name)
  return function(self, ...)
    return call(raw_of(self, name), name, ...)
  end
end

--- The methods of an object of LuaSocket's, ours before its own.
local function new_class(theirs)
  local methods = {}
  local ours = theirs.sendto and Datagrams or Stream
  for name, value in pairs(theirs) do
    if type(value) == "function" then
      value = Any[name] or ours[name] or passing(name)
    end
    methods[name] = value
  end
  if theirs.dohandshake then
    methods.dohandshake = awaiting("dohandshake", "r")
  end
  return { __index = methods, __tostring = function(self) return tostring(self.raw) end }
end

local classes = {} -- metatable of LuaSocket's -> ours

--- The object, which never blocks from now on, inside of one of ours.
function M.wrap(raw, ...)
  if type(raw) ~= "userdata" then
    return raw, ...
  end
  local theirs = getmetatable(raw)
  classes[theirs] = classes[theirs] or new_class(theirs.__index)
  raw:settimeout(0)
  return setmetatable({
    raw = raw,
    block = nil, total = nil, -- seconds
    held = nil,               -- bytes
  }, classes[theirs])
end

return M
