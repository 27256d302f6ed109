--- LuaSocket, and LuaSec, whose calls await: only the task waits that makes one.
--
-- The objects of LuaSocket are wrapped. Those never block, and tide.poll waits in
-- their stead, with the timeouts that LuaSocket would have kept. What LuaSocket
-- writes in Lua, socket.http say, is loaded once more, with a `require` of its own
-- that gives these modules: so the ones of others stay as they are, until install.

local tide = require "tide"
local core = require "tide.core"
local names = require "tide.luasocket.names"
local objects = require "tide.luasocket.objects"
local private = require "tide.luasocket.private"
local protect = require "tide.luasocket.protect"
local select = require "tide.luasocket.select"

core.own_chunk()

local raw = private.real "socket.core"

-- ---- what stands in for the functions that are C

local function maker(name)
  local make = raw[name]
  return make and function(...)
    local object, message = make(...)
    if object == nil then
      return nil, message
    end
    return objects.wrap(object)
  end
end

local overrides = {
  protect = protect.protect,
  newtry = protect.newtry,
  try = protect.newtry(),
  select = select,
  sleep = function(seconds) tide.sleep(seconds) end,
  dns = names.dns,
}

for _, name in ipairs { "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6" } do
  overrides[name] = maker(name)
end

local FAMILIES = { inet = "tcp4", inet6 = "tcp6" }

--- connect(host, port[, local host, local port[, family]]): a client.
function overrides.connect(host, port, local_host, local_port, family)
  local sock, message = overrides[FAMILIES[family] or "tcp"]()
  local ok = sock ~= nil
  if ok and local_host then
    ok, message = sock:bind(local_host, local_port or 0)
  end
  if ok then
    ok, message = sock:connect(host, port)
  end
  if ok then
    return sock
  elseif sock then
    sock:close()
  end
  return nil, message
end

private.give("socket.core", function()
  local copy = {}
  for name, value in pairs(raw) do
    copy[name] = value
  end
  for name, value in pairs(overrides) do
    copy[name] = value
  end
  return copy
end)

private.give("socket.unix", function()
  local unix = private.real "socket.unix"
  if type(unix) == "function" then
    return function(...) return objects.wrap(unix(...)) end
  end
  local copy = {}
  for name, value in pairs(unix) do
    copy[name] = type(value) == "function" and function(...) return objects.wrap(value(...)) end
      or value
  end
  -- As LuaSocket's of old: `unix()` is a stream.
  return setmetatable(copy, { __call = function(_, ...) return copy.stream(...) end })
end)

private.give("ssl", function()
  local ssl = private.real "ssl"
  local copy = {}
  for name, value in pairs(ssl) do
    copy[name] = value
  end
  function copy.wrap(sock, config)
    local object, message = ssl.wrap(sock, config)
    if not object then
      return nil, message
    end
    return objects.wrap(object)
  end
  return copy
end)

--- What the functions in Lua need of it.
local socket = private.require "socket"

-- ---- what is public

socket.install, socket.uninstall = private.install, private.uninstall

--- http, ftp, smtp, tp, url, headers, unix: loaded when they are asked for. They
-- put themselves there, or are given by name.
local modules = {
  http = "socket.http", ftp = "socket.ftp", smtp = "socket.smtp", tp = "socket.tp",
  url = "socket.url", headers = "socket.headers", unix = "socket.unix",
  ssl = "ssl", https = "ssl.https", ltn12 = "ltn12", mime = "mime",
}

return setmetatable(socket, {
  __index = function(_, name)
    if modules[name] then
      socket[name] = private.require(modules[name])
      return socket[name]
    end
  end,
})
