--- What the specs of datagrams need.

local assert = require "luassert"
local net = require "tide.net"
local tide = require "tide"
local pack = require("spec.support").pack

local sleep = tide.sleep

local M = {}

M.HOST = "127.0.0.1"
local HOST = M.HOST

--- What a spec opens, closed when it ends.
local open

--- Called with the two hooks by a file that uses what is below.
function M.keep(before_each, after_each)
  before_each(function() open = {} end)
  after_each(function()
    for _, udp in ipairs(open) do udp:close() end
    sleep(0)
  end)
end

--- The one that was opened last is nobody's any more.
function M.forget()
  open[#open] = nil
end

function M.forget_all()
  open = {}
end

function M.new(options)
  local udp = assert(net.udp(options))
  open[#open + 1] = udp
  return udp
end

--- One that is bound, and its port.
function M.bound(options, host)
  local udp = M.new(options)
  assert(udp:bind(host or HOST, 0))
  return udp, select(2, udp:sockname())
end

--- Two that are connected with each other.
function M.connected()
  local a, a_port = M.bound()
  local b, b_port = M.bound()
  assert(a:connect(HOST, b_port))
  assert(b:connect(HOST, a_port))
  return a, b
end

--- Connected with a port that nobody has, which the first send finds out.
function M.refused()
  local gone, port = M.bound()
  gone:close()
  local udp = M.bound()
  assert(udp:connect(HOST, port))
  return udp
end

--- The loop has looked at all sockets.
function M.poll()
  local udp, port = M.bound()
  assert(udp:send("poll", HOST, port))
  assert.equal("poll", (udp:recv()))
  udp:close()
end

function M.fails(code, value, message, ...)
  assert.is_nil(value)
  assert.is_string(message)
  assert.same({ code, n = 1 }, pack(...))
end

function M.receiver(udp)
  local task = tide.task(udp.recv, udp)
  sleep(0)
  return task
end

return M
