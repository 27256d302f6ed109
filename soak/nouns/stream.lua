--- Streams: messages come whole and in their order, or are still there; and many
-- short connections. Over a Unix socket: TCP would run out of ports.

local tide = require "tide"
local net = require "tide.net"
local testing = require "tide.testing"

local pcall = tide.pcall

--- One pair for the whole soak, whose readers and writers are cancelled.
local function shared(load)
  local near, far = testing.stream_pair { limit = 40, high_water = 20 }
  local reading, number, last, got = tide.lock(), 0, 0, 0

  load:worker(function()
    load:nap(0.005)
    for _ = 1, 4 do
      number = number + 1
      tide.move_on_after(0.01, near.write, near, { "message ", number }, "\n")
    end
  end)

  load:worker(function()
    load:nap(0.005)
    tide.move_on_after(0.01, reading.with, reading, function()
      local line = assert(far:readline())
      local n = assert(tonumber(line:match "^message (%d+)$"), line)
      assert(n > last, "out of order")
      last, got = n, got + 1
    end)
  end, 8)

  --- Each write was begun before the next one: those that were are all there.
  load:check(function()
    local far_stats, near_stats = far:stats(), near:stats()
    if near_stats.bytes_written ~= far_stats.bytes_read then
      return ("%d bytes written, %d read"):format(near_stats.bytes_written, far_stats.bytes_read)
    elseif last > number or got > last then
      return ("%d written, %d got, the last was %d"):format(number, got, last)
    end
  end)

  load:at_end(function()
    near:close()
    far:close()
  end)
end

return function(load)
  shared(load)
  local path = os.tmpname()
  os.remove(path)
  local server = assert(net.listen("unix:" .. path))

  load:resident(function()
    server:serve(function(conn)
      local line = conn:readline()
      while line and conn:write(line, "\n") do
        line = conn:readline()
      end
    end)
  end)
  load:at_end(function() server:close() end)

  load:worker(function()
    load:nap(0.005)
    local conn = assert(net.connect("unix:" .. path))
    local ok, err = pcall(function()
      for i = 1, 3 do
        assert(conn:write("line ", i, "\n"))
        assert(conn:readline() == "line " .. i)
      end
      load:nap(0.002)
    end)
    conn:close()
    if not ok then
      error(err, 0)
    end
  end)
end
