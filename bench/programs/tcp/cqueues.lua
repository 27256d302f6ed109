--- The server of the TCP rows in cqueues: a coroutine for each connection.
--   lua bench/programs/tcp/cqueues.lua MODE   as bench/programs/tcp/tide.lua

local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local BLOCK = ("abcdefghijklmnop"):rep(4096)
local ROOM = 65536

local queue = cqueues.new()
local modes = {}

--- Up to that much, once there is something.
local function read(conn)
  return conn:xread(-ROOM, "b")
end

function modes.echo(conn)
  repeat
    local data = read(conn)
  until not data or not conn:xwrite(data, "bn")
end

function modes.once(conn)
  local data = read(conn)
  if data then
    conn:xwrite(data, "bn")
  end
end

function modes.sink(conn)
  local count, data = 0, read(conn)
  while data do
    count = count + #data
    data = read(conn)
  end
  conn:xwrite(("%.0f\n"):format(count), "bn")
end

function modes.source(conn)
  local left = tonumber((conn:xread("*l", "b")))
  while left > 0 and conn:xwrite(left < #BLOCK and BLOCK:sub(1, left) or BLOCK, "bn") do
    left = left - #BLOCK
  end
end

local serve = modes[arg[1]]

local function connection(conn)
  conn:setbufsiz(ROOM, ROOM)
  serve(conn)
  conn:close()
end

local server = assert(socket.listen { host = "127.0.0.1", port = 0, nodelay = true })
assert(server:listen())
local _, _, port = server:localname()
print(port)
io.stdout:flush()

queue:wrap(function()
  local conn = server:accept { nodelay = true }
  while conn do -- not `for`, whose iterator cannot wait on 5.1
    queue:wrap(connection, conn)
    conn = server:accept { nodelay = true }
  end
end)
assert(queue:loop())
