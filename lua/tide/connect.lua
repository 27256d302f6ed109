--- How a host is connected to: all of its addresses are tried, the next one when
-- the last has failed or 250 ms have passed (RFC 8305).

local tide = require "tide"
local core = require "tide.core"

core.own_chunk()

local DELAY = 0.25

local function open(host, port, options)
  local stream, message, code = core.tcp_connect(host, port, options)
  if not stream then
    return nil, message, code
  end
  return core.opened(stream)
end

local function family_of(host)
  return host:find(":", 1, true) and "inet6" or "inet"
end

--- From a local address there are ways to those of its family alone: what comes
-- of the others would hide what came of these. With none of these it is told.
local function reachable(addresses, from)
  local list = {}
  from = type(from) == "table" and from[1] or from
  for _, address in ipairs(from and addresses or {}) do
    if address.family == family_of(from) then
      list[#list + 1] = address
    end
  end
  return #list > 0 and list or addresses
end

--- The families take turns, beginning with that of the first address.
local function interleave(addresses)
  local first, other, list = {}, {}, {}
  for _, address in ipairs(addresses) do
    local of = address.family == addresses[1].family and first or other
    of[#of + 1] = address.host
  end
  for i = 1, math.max(#first, #other) do
    list[#list + 1] = first[i]
    list[#list + 1] = other[i]
  end
  return list
end

--- One address: the first stream of all wins, and ends the other attempts.
local function attempt(race, host, failed)
  local stream, message, code = open(host, race.port, race.options)
  if not stream then
    race.message, race.code = race.message or message, race.code or code
  elseif race.stream then
    stream:close()
  else
    race.stream = stream
    race.group:cancel()
  end
  failed:set()
end

local function attempt_all(group, race, hosts)
  race.group = group
  for i, host in ipairs(hosts) do
    local failed = tide.event()
    group:task(attempt, race, host, failed)
    if i < #hosts then
      tide.move_on_after(DELAY, failed.wait, failed)
    end
  end
end

local function connect_first(hosts, port, options)
  local race = { port = port, options = options }
  local ok, err = tide.pcall(tide.group, attempt_all, race, hosts)
  if ok and race.stream then
    return race.stream
  elseif race.stream then
    race.stream:close()
  end
  if not ok then
    error(err, 0)
  end
  return nil, race.message, race.code
end

--- tide.net.connect(host, port[, options])
return function(host, port, options)
  core.check_connect(host, port, options)
  if core.is_address(host) then
    return open(host, port, options)
  end
  local found, message, code = require "tide.dns".getaddrinfo(host, port)
  if not found then
    return nil, message, code
  end
  local hosts = interleave(reachable(found, options and options.local_address))
  if #hosts == 1 then
    return open(hosts[1], port, options)
  end
  return connect_first(hosts, port, options)
end
