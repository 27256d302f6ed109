--- socket.dns, and the addresses of hosts that sockets are given: by tide.dns, so
-- that only the task waits.

local core = require "tide.core"
local dns = require "tide.dns"
local raw = require("tide.luasocket.private").real "socket.core"

core.own_chunk()

local M = { dns = {} }

-- What LuaSocket says, where it does not say what the system does.
local MESSAGES = {
  EAI_NONAME = "host or service not provided, or not known",
  EAI_AGAIN = "temporary failure in name resolution",
  EAI_FAIL = "non-recoverable failure in name resolution",
  EAI_FAMILY = "ai_family not supported",
  EAI_MEMORY = "memory allocation failure",
}

local function failure(message, code)
  return nil, MESSAGES[code] or message
end

--- The addresses of a host, as texts; those that need nobody to be asked are
-- left to LuaSocket as they are: in numbers, with a scope, "*", "".
function M.addresses(host, family, caller)
  if type(host) == "number" then
    host = tostring(host)
  elseif type(host) ~= "string" then
    local message = "bad argument #1 to '%s' (string expected, got %s)"
    core.misuse(message:format(caller, type(host)))
  end
  if host == "" or host == "*" or core.is_address(host) or
    host:find("%", 1, true)
  then
    return { host }
  end
  local found, message, code = dns.getaddrinfo(host, nil, { family = family })
  if not found then
    return failure(message, code)
  end
  local list = {}
  for i, address in ipairs(found) do
    list[i] = address.host
  end
  return list
end

--- getaddrinfo(host): a list of {addr=, family=}.
function M.dns.getaddrinfo(host)
  host = type(host) == "number" and tostring(host) or host
  local found, message, code = dns.getaddrinfo(host)
  if not found then
    return failure(message, code)
  end
  for i, address in ipairs(found) do
    found[i] = { addr = address.host, family = address.family }
  end
  return found
end

local function numbers(host)
  local found, message = M.dns.getaddrinfo(host)
  if not found then
    return nil, message
  end
  local list = {}
  for _, address in ipairs(found) do
    list[#list + 1] = address.family == "inet" and address.addr or nil
  end
  return list
end

--- toip(host): the first address, and what is known: {name=, alias=, ip=}.
function M.dns.toip(host)
  local list, message = numbers(host)
  if not list then
    return nil, message
  elseif not list[1] then
    return failure(nil, "EAI_NONAME")
  end
  return list[1], { name = host, alias = {}, ip = list }
end

--- tohostname(address): the name, and what is known.
function M.dns.tohostname(address)
  local list, message = M.addresses(address, nil, "tohostname")
  if not list then
    return nil, message
  end
  local name, why, code = dns.getnameinfo(list[1], 0)
  if not name then
    return failure(why, code)
  end
  return name, { name = name, alias = {}, ip = list }
end

--- getnameinfo(address[, service]): a list of names, and the service's.
function M.dns.getnameinfo(host, service)
  local list, message = M.addresses(host or "0.0.0.0", nil, "getnameinfo")
  if not list then
    return nil, message
  end
  local found = {}
  local name_of_service
  for i, address in ipairs(list) do
    local name, why, code = dns.getnameinfo(address, tonumber(service) or 0)
    if not name then
      return failure(why, code)
    end
    found[i], name_of_service = name, why
  end
  return found, service and name_of_service
end

M.dns.gethostname = raw.dns.gethostname

return M
