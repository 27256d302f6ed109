--- What the specs of streams need.

local assert = require "luassert"
local tide = require "tide"
local core = require "tide.core"
local net = require "tide.net"
local testing = require "tide.testing"
local support = require "spec.support"

local M = {}

M.fails = support.fails

local opened, feeders = {}, {}

--- Closed when the test has ended.
function M.opens(...)
  for i = 1, select("#", ...) do
    opened[#opened + 1] = (select(i, ...))
  end
  return ...
end

function M.pair(options)
  return M.opens(testing.stream_pair(options))
end

--- Two, the second of which takes nothing more until "###" is read from it.
function M.stuffed(options)
  options = options or {}
  options.limit = 1
  local from, to = M.pair(options)
  assert(from:write("###"))
  return from, to
end

--- A server on 127.0.0.1, and its port.
function M.listen(options)
  local server = assert(net.listen("127.0.0.1", 0, options))
  M.opens(server)
  return server, select(2, server:sockname())
end

function M.connect(port)
  return M.opens(assert(net.connect("127.0.0.1", port)))
end

--- What the server answers to `text`, sent as all there is.
function M.ask(port, text)
  local client = M.connect(port)
  client:write(text)
  client:shutdown()
  local answer = client:read(-1)
  client:close()
  return answer
end

--- Calls `fn` while so many accepts come to nothing for want of memory.
function M.cannot_accept(times, fn)
  local Server = core.Server
  local accept = Server.accept
  function Server.accept()
    times = times - 1
    if times == 0 then
      Server.accept = accept
    end
    return nil, "not enough memory", "ENOMEM"
  end
  tide.finally(fn, function() Server.accept = accept end)
end

--- A handler.
function M.echo(conn)
  conn:write("<", conn:read(-1), ">")
end

--- A task that serves.
function M.serving(server, handler, options)
  local task = tide.task(function() return server:serve(handler, options) end)
  tide.sleep(0)
  return task
end

--- A client's stream and the server's, over TCP.
function M.tcp_pair(options)
  local server, port = M.listen(options)
  local client = M.opens(assert(net.connect("127.0.0.1", port, options)))
  local conn = M.opens(assert(server:accept()))
  server:close()
  return client, conn
end

--- A port that nobody listens at, and nobody else can get: a client has it.
function M.refusing_port()
  return (select(2, M.tcp_pair():sockname()))
end

--- A name that no file has.
function M.unused_path()
  local path = os.tmpname()
  os.remove(path)
  return path
end

function M.exists(path)
  local handle = io.popen(("test -e '%s' && echo yes"):format(path))
  local text = handle:read("*a")
  handle:close()
  return text == "yes\n"
end

--- Whether there is IPv6 here.
function M.has_ipv6()
  local server = net.listen("::1", 0)
  if server then server:close() end
  return server ~= nil
end

--- The hook of a file that calls `opens` or `pair`.
function M.close_after_each(after_each)
  after_each(function()
    for i = #opened, 1, -1 do
      opened[i]:close()
      opened[i] = nil
    end
    for i = #feeders, 1, -1 do
      feeders[i]:cancel()
      feeders[i] = nil
    end
  end)
end

--- A task that writes these, a second apart; then the end.
function M.feed(stream, ...)
  local chunks = { ... }
  local feeder = tide.task(function()
    for _, chunk in ipairs(chunks) do
      tide.sleep(1)
      assert(stream:write(chunk))
    end
    tide.sleep(1)
    assert(stream:shutdown())
  end)
  feeders[#feeders + 1] = feeder
  return feeder
end

--- A stream from which these can be read, then its end.
function M.source(options, ...)
  local from, to = M.pair(options)
  M.feed(from, ...)
  return to, from
end

return M
