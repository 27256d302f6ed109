--- The server of the TCP rows in luv, with callbacks, as who writes with it does.
--   lua bench/programs/tcp/luv.lua MODE   as bench/programs/tcp/tide.lua

local uv = require "luv"

local BLOCK = ("abcdefghijklmnop"):rep(4096)
local BACKLOG = 511

local function close(conn)
  if not conn:is_closing() then
    conn:close()
  end
end

--- Writes and reads in turns, so that who does not take its echo is not read from.
local function echo(conn)
  local on_read
  local function on_written(err)
    if err then
      close(conn)
    else
      conn:read_start(on_read)
    end
  end
  function on_read(err, data)
    if err or not data then
      return close(conn)
    end
    local sent = conn:try_write(data) or 0
    if sent < #data then
      conn:read_stop()
      conn:write(sent > 0 and data:sub(sent + 1) or data, on_written)
    end
  end
  conn:read_start(on_read)
end

local modes = { echo = echo }

function modes.once(conn)
  conn:read_start(function(_, data)
    conn:read_stop()
    if not data then
      return close(conn)
    end
    conn:write(data, function() close(conn) end)
  end)
end

function modes.sink(conn)
  local count = 0
  conn:read_start(function(err, data)
    if data then
      count = count + #data
    elseif err then
      close(conn)
    else
      conn:write(("%.0f\n"):format(count), function() close(conn) end)
    end
  end)
end

function modes.source(conn)
  local left
  local function send(err)
    while not err and left > 0 do
      local block = left < #BLOCK and BLOCK:sub(1, left) or BLOCK
      local sent = conn:try_write(block) or 0
      left = left - #block
      if sent < #block then
        conn:write(block:sub(sent + 1), send)
        return
      end
    end
    close(conn)
  end
  conn:read_start(function(_, data)
    conn:read_stop()
    left = tonumber(data) or 0
    send()
  end)
end

local serve = modes[arg[1]]
local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(BACKLOG, function()
  local conn = uv.new_tcp()
  if server:accept(conn) then
    conn:nodelay(true)
    serve(conn)
  else
    close(conn)
  end
end))
print(server:getsockname().port)
io.stdout:flush()
uv.run()
