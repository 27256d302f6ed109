--- What the specs of tide.luasocket need.

local assert = require "luassert"
local tide = require "tide"

local M = {}

--- False, and a test that says so, where a module is missing.
function M.there(name, title, describe, pending)
  local has = pcall(require, name)
  if not has then
    describe(title, function()
      pending(("is not tried: this Lua has no module %s"):format(name))
    end)
  end
  return has
end

M.HOST = "127.0.0.1"

local opened = {}

function M.opens(it, ...)
  opened[#opened + 1] = assert(it, ...)
  return it
end

function M.close_all()
  for _, it in ipairs(opened) do
    it:close()
  end
  opened = {}
end

--- Called with the hook by a file that uses what is below.
function M.keep(after_each)
  after_each(function()
    M.close_all()
    tide.sleep(0)
  end)
end

--- A server, and its port.
function M.listen()
  local socket = require "tide.luasocket"
  local server = M.opens(socket.bind(M.HOST, 0))
  return server, (select(2, server:getsockname()))
end

--- Two, each the other's peer.
function M.pair()
  local socket = require "tide.luasocket"
  local server, port = M.listen()
  local a = M.opens(socket.connect(M.HOST, port))
  local b = M.opens(server:accept())
  server:close()
  for _, it in ipairs { a, b } do
    it:setoption("tcp-nodelay", true)
  end
  return a, b
end

--- Reads the head of a request: its first line.
local function read_request(conn)
  local first = assert(conn:receive())
  repeat
    local line = assert(conn:receive())
  until line == ""
  return first
end

--- Answers requests when `n` of them are there, not before: who makes one and
-- waits for the answer before the next waits for ever. The n end with it.
function M.answer_together(accept, n)
  local count, all = 0, tide.event()
  return tide.task(function()
    tide.group(function(group)
      for _ = 1, n do
        local conn = accept()
        group:task(function()
          local path = read_request(conn):match "^%u+ (%S+)"
          count = count + 1
          if count == n then
            all:set()
          end
          all:wait()
          conn:send("HTTP/1.0 200 OK\r\n\r\nyou asked for " .. path)
          conn:close()
        end)
      end
    end)
  end)
end

return M
