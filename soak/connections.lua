--- lua soak/connections.lua COUNT
--
-- So many connections, held at the same time and dropped, again and again: then
-- descriptors, memory and handles are back where they were. The clients are a
-- process of their own: both ends are more than one may have open. In every
-- other round it ends with all of them open.

local folder = arg[0]:match("^(.*)[/\\]") or "."
package.path = folder .. "/?.lua;" .. package.path

local tide = require "tide"
local net = require "tide.net"

local COUNT, ROUNDS = tonumber(arg[1]), 5
local SPARE = 64 -- descriptors of other kinds
local MAY_GROW = { malloc = 1024 * 1024, rss = 8 * 1024 * 1024 } -- after the second round

-- ---- the clients

--- Some at a time, so that the server's backlog holds them.
local function connect_all(port)
  local streams, slots = {}, tide.semaphore(200)
  tide.group(function(group)
    for i = 1, COUNT do
      slots:acquire()
      group:task(function()
        streams[i] = tide.check(net.connect("127.0.0.1", port))
        tide.check(streams[i]:write("hello ", i, "\n"))
        assert(tide.check(streams[i]:readline()) == "hello " .. i)
        slots:release()
      end)
    end
  end)
  return streams
end

--- Drops them when it is told how: "close", or "leave" them open and end.
local function clients(port)
  local streams = tide.run(connect_all, port)
  print "all"
  io.stdout:flush()
  if io.read() ~= "leave" then
    for _, stream in ipairs(streams) do
      stream:close()
    end
  end
  os.exit(0)
end

if arg[2] then
  clients(tonumber(arg[2]))
end

-- ---- the server

local meter = require "meter"
local native = require "soak_native"
local passed, failed = 0, 0

local function verdict(ok, text, ...)
  print((ok and "ok      " or "not ok  ") .. text:format(...))
  passed, failed = passed + (ok and 1 or 0), failed + (ok and 0 or 1)
end

local held, most, now, changed = 0, 0, 0, tide.event()

local function serve(stream)
  stream:write(stream:readline(), "\n")
  now = now + 1
  most = math.max(most, now)
  if now == COUNT then
    changed:set()
  end
  stream:read() -- until it is dropped
  now = now - 1
  if now == 0 then
    changed:set()
  end
end

local function wait_for(count)
  while now ~= count do
    changed:clear()
    changed:wait()
  end
end

local function interpreter()
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  return arg[first]
end

local function sample()
  local it = meter.memory(native)
  it.handles = tide.stats().handles
  return it
end

local function show(what, it)
  print(("%-12s %6d handles %6d descriptors %8.0f KiB Lua %8.0f KiB malloc %8.0f KiB RSS"):format(
    what, it.handles, it.descriptors, it.lua / 1024, it.malloc / 1024, it.rss / 1024))
end

--- All come, are counted, and go.
local function round(number, port)
  local how = number % 2 == 0 and "leave" or "close"
  local fifo = os.tmpname()
  os.remove(fifo)
  os.execute("mkfifo " .. fifo)
  local pipe = assert(io.popen(("%s %s %d %d <%s"):format(interpreter(), arg[0], COUNT, port,
    fifo)))
  local words = assert(io.open(fifo, "w"))
  wait_for(COUNT)
  assert(pipe:read() == "all") -- what is to be heard is written: it blocks nobody
  local full = sample()
  show("round " .. number, full)
  held = math.max(held, full.handles)
  words:write(how, "\n")
  words:close()
  wait_for(0)
  pipe:close()
  os.remove(fifo)
  tide.sleep(0.01)
  local rest = sample()
  show("  at rest", rest)
  return rest
end

local function main()
  local server = tide.check(net.listen("127.0.0.1", 0, { backlog = 4096 }))
  local _, port = server:sockname()
  local serving = tide.task(server.serve, server, serve)
  local rests = {}
  for number = 1, ROUNDS do
    rests[number] = round(number, port)
  end
  local first, second, last = rests[1], rests[2], rests[ROUNDS]
  verdict(most == COUNT and held >= COUNT, "connections: %d at a time", most)
  verdict(last.descriptors == first.descriptors, "descriptors: %d, %d after all", first.descriptors,
    last.descriptors)
  verdict(last.handles == first.handles, "handles: %d, %d after all", first.handles, last.handles)
  for _, name in ipairs { "malloc", "rss" } do
    verdict(last[name] - second[name] <= MAY_GROW[name],
      "%s: %.0f KiB after the second time, %.0f after all", name, second[name] / 1024,
      last[name] / 1024)
  end
  server:close()
  serving:await()
end

local function allowed()
  local pipe = assert(io.popen "ulimit -n")
  local n = pipe:read("*a")
  pipe:close()
  return tonumber(n) or math.huge
end

local reports = 0
if allowed() < COUNT + SPARE then
  print(("%d connections need %d descriptors, and there are %d"):format(COUNT, COUNT + SPARE,
    allowed()))
  print "0 passed, 0 failed, 1 skipped"
  os.exit(0)
end
tide.loop():set_exception_handler(function(report)
  reports = reports + 1
  print(report.message, report.error)
end)
tide.run(main)
verdict(reports == 0, "reports: %d", reports)
verdict(tide.stats().handles == 0, "at the end: %d handles", tide.stats().handles)
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)
