--- tide.net: streams over TCP and Unix sockets, and servers for them.

local tide = require "tide"
local core = require "tide.core"

core.own_chunk()

local net = {}
local misuse = core.misuse

local function unix_path(host)
  return type(host) == "string" and host:match "^unix:(.*)$"
end

local function check_options(options, function_name, arg)
  if options ~= nil and type(options) ~= "table" then
    misuse(("bad argument #%d to '%s' (table expected, got %s)"):format(arg, function_name, type(options)))
  end
end

--- connect(host, port[, options]), connect("unix:path"[, options]).
function net.connect(host, port, options)
  local path = unix_path(host)
  local stream, message, code
  if path then
    check_options(port, "tide.net.connect", 2)
    stream, message, code = core.unix_connect(path, port)
  else
    stream, message, code = core.tcp_connect(host, port, options)
  end
  if not stream then
    return nil, message, code
  end
  return stream:opened()
end

function net.listen(host, port, options)
  local path = unix_path(host)
  if path then
    check_options(port, "tide.net.listen", 2)
    return core.unix_listen(path, port)
  end
  return core.tcp_listen(host, port, options)
end

net.udp = require "tide.udp"

return net
