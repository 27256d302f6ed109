-- The files below a directory, over HTTP/1.0: tide examples/fs/serve.lua [DIRECTORY [PORT]]
-- GET and HEAD, one request for each connection: to learn from.
-- check: no
local tide = require "tide"
local fs = require "tide.fs"
local net = require "tide.net"

local CHUNK = 65536
local PATIENCE = 10 -- seconds, for the request, and for each chunk

local TYPES = {
  html = "text/html; charset=utf-8", txt = "text/plain; charset=utf-8", css = "text/css",
  js = "text/javascript", json = "application/json", png = "image/png", jpg = "image/jpeg",
  svg = "image/svg+xml",
}

local REASONS = {
  [200] = "OK", [400] = "Bad Request", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [500] = "Internal Server Error",
}

local STATUS = {
  ENOENT = 404, ENOTDIR = 404, EINVAL = 404, ENAMETOOLONG = 404, ELOOP = 404,
  EACCES = 403, EPERM = 403,
}

local function head(status, length, kind)
  return ("HTTP/1.0 %d %s\r\nContent-Length: %d\r\nContent-Type: %s\r\nConnection: close\r\n\r\n")
    :format(status, REASONS[status], length, kind)
end

local function refuse(conn, method, status)
  local body = REASONS[status] .. "\n"
  conn:write(head(status, #body, TYPES.txt), method == "HEAD" and "" or body)
end

--- Method and target; nil: it is no request that we know. What comes after its
-- first line is read, for who sends it would else be told of a reset.
local function read_request(conn)
  local line = conn:readline()
  local method, target = (line or ""):match "^(%u+) (%S+) HTTP/%d%.%d$"
  while line and line ~= "" do
    line = conn:readline()
  end
  return method, target
end

local function decode(target)
  local path = target:gsub("[?#].*$", "")
  return (path:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

--- The file's path; or nil and a status. What leads out of the root is refused, by
-- ".." or by a link.
local function resolve(root, target)
  local path = decode(target)
  if path:sub(1, 1) ~= "/" or path:find "\0" then
    return nil, 400
  end
  for part in path:gmatch "[^/\\]+" do
    if part == ".." then
      return nil, 403
    end
  end
  local found, _, code = fs.realpath(root .. path .. (path:find "/$" and "index.html" or ""))
  if not found then
    return nil, STATUS[code] or 500
  elseif found:sub(1, #root + 1) ~= root .. "/" then
    return nil, 403
  end
  return found
end

--- No more than was said to come, also if the file grows; less closes the
-- connection.
local function send(conn, file, length)
  while length > 0 do
    local data = file:read(math.min(CHUNK, length))
    if not data then
      return
    end
    tide.timeout(PATIENCE, function() tide.check(conn:write(data)) end)
    length = length - #data
  end
end

local function send_file(conn, method, path)
  local file, _, code = fs.open(path)
  if not file then
    return refuse(conn, method, STATUS[code] or 500)
  end
  return tide.with(file, function()
    local stat = tide.check(file:stat())
    if stat.type ~= "file" then
      return refuse(conn, method, 404)
    end
    local kind = TYPES[path:match "%.(%w+)$"] or "application/octet-stream"
    tide.check(conn:write(head(200, stat.size, kind)))
    if method == "GET" then
      send(conn, file, stat.size)
    end
  end)
end

--- A handler for a server.
local function serving(root)
  root = tide.check(fs.realpath(root))
  return function(conn)
    local in_time, method, target = tide.move_on_after(PATIENCE, read_request, conn)
    if not in_time then
      return
    elseif not method then
      return refuse(conn, method, 400)
    elseif method ~= "GET" and method ~= "HEAD" then
      return refuse(conn, method, 405)
    end
    local path, status = resolve(root, target)
    if not path then
      return refuse(conn, method, status)
    end
    return send_file(conn, method, path)
  end
end

local function main(directory, port)
  local server = tide.check(net.listen("127.0.0.1", tonumber(port) or 8000))
  print("http://127.0.0.1:" .. select(2, server:sockname()))
  server:serve(serving(directory or "."), { max_connections = 500 })
end

if arg and arg[0]:find "serve%.lua$" then
  tide.run(main, ...)
end
return { serving = serving }
