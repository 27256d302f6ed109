--- What the specs of tide.poll need: descriptors, of sockets of LuaSocket's.

local assert = require "luassert"
local tide = require "tide"

local M = {}

local has_socket, socket = pcall(require, "socket")

local opened = {}

--- False, and a test that says so, where there is no LuaSocket.
function M.there(name, describe, pending)
  if not has_socket then
    describe(name, function()
      pending "is not tried: this Lua has no LuaSocket"
    end)
  end
  return has_socket
end

--- Called with the two hooks by a file that uses what is below.
function M.keep(before_each, after_each)
  before_each(function() opened = {} end)
  after_each(M.close_all)
end

function M.close_all()
  for _, it in ipairs(opened) do
    it:close()
  end
  opened = {}
end

--- Two sockets that never block, each the other's peer.
local function pair_of(a)
  local server = assert(socket.bind("127.0.0.1", 0))
  assert(a:connect(server:getsockname()))
  local b = assert(server:accept())
  server:close()
  for _, it in ipairs { a, b } do
    it:settimeout(0)
    it:setoption("tcp-nodelay", true)
    opened[#opened + 1] = it
  end
  return a, b
end

function M.pair()
  return pair_of(assert(socket.tcp4()))
end

--- The first has the number fd.
function M.pair_at(fd)
  local others = {}
  while #others < 20 do
    local a = assert(socket.tcp4())
    if a:getfd() == fd then
      for _, it in ipairs(others) do it:close() end
      return pair_of(a)
    end
    others[#others + 1] = a
  end
  error "nobody gets the number"
end

--- Nothing more can be written to it: how much was.
function M.fill(sock)
  local size = 0
  while true do
    local sent, _, upto = sock:send(("x"):rep(2 ^ 20))
    size = size + (sent or upto)
    if not sent then
      return size
    end
  end
end

--- Reads so much, while others run.
function M.empty(sock, size)
  while size > 0 do
    local data, _, part = sock:receive(math.min(size, 2 ^ 20))
    size = size - #(data or part)
    tide.sleep(0)
  end
end

--- The loop has looked at all that is open.
function M.look()
  local a, b = M.pair()
  assert(b:send "x")
  assert.equal("r", (tide.poll(a, "r")))
  a:close()
  b:close()
end

return M
