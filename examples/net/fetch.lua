-- Gets many pages at once, politely: tide examples/net/fetch.lua http://127.0.0.1:8000/ ...
-- HTTP/1.0, without TLS: to learn from.
-- check: no
local tide = require "tide"
local net = require "tide.net"

local DEFAULTS = {
  per_host = 2, -- requests at a time
  timeout = 10, -- seconds, for each try
  tries = 4,
  delay = 0.5,  -- seconds before the second try; twice as many before each further one
}

local function parse(url)
  local host, port, path = url:match "^http://([^/:]+):?(%d*)(.*)$"
  if not host then
    error("not an address that starts with http: " .. url, 0)
  end
  return host, tonumber(port) or 80, path == "" and "/" or path
end

--- The status, and how long the body will be, if the answer says so.
local function read_head(conn)
  local status = tide.check(conn:readline()):match "^HTTP/%d%.%d (%d%d%d)"
  if not status then
    error("it does not speak HTTP", 0)
  end
  local line, length = tide.check(conn:readline()), nil
  while line ~= "" do
    length = length or line:lower():match "^content%-length:%s*(%d+)"
    line = tide.check(conn:readline())
  end
  return tonumber(status), tonumber(length)
end

--- One request, one connection: status and body, or an error.
local function get(url)
  local host, port, path = parse(url)
  local conn = tide.check(net.connect(host, port))
  return tide.with(conn, function()
    tide.check(conn:write("GET ", path, " HTTP/1.0\r\nHost: ", host, "\r\n\r\n"))
    local status, length = read_head(conn)
    if length then
      return status, tide.check(conn:readexactly(length)) -- cut short: an error
    end
    return status, tide.check(conn:read(-1))
  end)
end

--- Again after an error, a timeout, or a status that says "later".
local function get_patiently(url, options)
  local delay = options.delay
  for try = 1, options.tries do
    local ok, status, body = tide.pcall(tide.timeout, options.timeout, get, url)
    if ok and status < 500 then
      return { status = status, body = body }
    elseif tide.is_cancelled(status) then
      error(status, 0)
    elseif try == options.tries then
      return ok and { status = status, body = body } or { error = status }
    end
    tide.sleep(delay * (1 + math.random()) / 2) -- not all of them at the same moment
    delay = delay * 2
  end
end

--- A result for each url, in order: {status=, body=} or {error=}. Who has to wait
-- before the next try keeps its place: its host is to have some rest.
local function fetch(urls, options)
  options = setmetatable(options or {}, { __index = DEFAULTS })
  local slots, results = {}, {}
  tide.group(function(group)
    for i, url in ipairs(urls) do
      local host = parse(url)
      slots[host] = slots[host] or tide.semaphore(options.per_host)
      group:task(function()
        results[i] = slots[host]:with(get_patiently, url, options)
      end)
    end
  end)
  return results
end

local function main(...)
  for i, result in ipairs(fetch { ... }) do
    print(select(i, ...), result.status or result.error, #(result.body or ""))
  end
end

if arg and arg[0]:find "fetch%.lua$" then
  tide.run(main, ...)
end
return { fetch = fetch }
