--- lua faults_program.lua ADDRESS CLIENTS BYTES [SECONDS]
--
-- An echo server and its clients, which each send so many bytes and read what
-- comes back. Tells what each saw, how many reports there were, and what is left:
-- spec/faults_spec.lua runs it where calls of the system fail.

local tide = require "tide"
local net = require "tide.net"

local address, clients, bytes = arg[1], tonumber(arg[2]), tonumber(arg[3])
local path = address:match "^unix:"

local function open_descriptors()
  local n = 0
  for fd = 0, 255 do
    local file, _, code = io.open("/proc/self/fd/" .. fd)
    if file then
      file:close()
    end
    if file or code ~= 2 then -- ENOENT
      n = n + 1
    end
  end
  return n
end

--- Other bytes at every place, and for every client.
local function text_of(client)
  local parts, length = {}, 0
  while length < bytes do
    local part = ("%d.%d "):format(client, #parts)
    parts[#parts + 1], length = part, length + #part
  end
  return table.concat(parts):sub(1, bytes)
end

local function echo(stream)
  while true do
    local data, _, code = stream:read()
    local ok
    if data then
      ok, _, code = stream:write(data)
    end
    if not ok then
      if code ~= "EOF" then
        print("server " .. code)
      end
      return
    end
  end
end

local function send(stream, text, seen)
  local at, size = 1, 1
  while at <= #text do
    local ok, _, code = stream:write(text:sub(at, at + size - 1))
    if not ok then
      seen.write = code
      return false
    end
    at, size = at + size, size * 7 % 5003
    tide.sleep(0)
  end
  local ok, _, code = stream:shutdown()
  seen.write = code
  return ok
end

local function receive(stream, seen)
  local parts = {}
  repeat
    local data, _, code = stream:read()
    parts[#parts + 1] = data
    if not data and code ~= "EOF" then
      seen.read = code
    end
  until not data
  return table.concat(parts)
end

local function client(number, port)
  local seen, text, got = {}, text_of(number), ""
  local stream, _, code = net.connect(path and address or "127.0.0.1", port)
  if stream then
    tide.group(function(group)
      group:task(function()
        if not send(stream, text, seen) then
          stream:close()
        end
      end)
      got = receive(stream, seen)
      if seen.read then
        stream:close()
      end
    end)
    stream:close()
  end
  print(("client %d connect=%s write=%s read=%s got=%d %s"):format(number, code or "ok",
    seen.write or "ok", seen.read or "ok", #got,
    got == text and "all" or got == text:sub(1, #got) and "part" or "WRONG"))
end

local function main()
  local reports, before, stats = 0, open_descriptors(), tide.stats()
  tide.loop():set_exception_handler(function(report)
    reports = reports + 1
    print("report: " .. tostring(report.message))
  end)
  local server = assert(path and net.listen(address) or net.listen("127.0.0.1", 0))
  local served = tide.task(server.serve, server, echo)
  tide.group(function(group)
    for number = 1, clients do
      group:task(client, number, not path and select(2, server:sockname()) or nil)
    end
  end)
  server:close()
  served:await()
  server, served = nil, nil -- luacheck: ignore
  tide.sleep(0.01)
  local now = tide.stats()
  print(("reports %d left tasks=%d handles=%d timers=%d descriptors=%d"):format(reports,
    now.tasks - stats.tasks, now.handles - stats.handles, now.timers - stats.timers,
    -- libuv keeps a spare one from the first stream on
    math.max(0, open_descriptors() - before - 1)))
end

tide.run(function()
  local ok, err = tide.pcall(tide.timeout, tonumber(arg[4]) or 20, main)
  if not ok then
    print("failed: " .. tostring(err))
  end
end)
