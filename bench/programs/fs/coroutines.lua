--- The rows of files in plain Lua: one after the other, in no thread.
--   lua bench/programs/fs/coroutines.lua ROW N FOLDER   as tide.lua there

local rows = {}

--- The clock of CPU: it waits for nothing where the files are in memory.
function rows.small(n, folder)
  local clock = os.clock()
  for i = 0, n - 1 do
    local file = assert(io.open(("%s/f%04d"):format(folder, i), "rb"))
    assert(#file:read "*a" == 1024)
    file:close()
  end
  local each = (os.clock() - clock) * 1e6 / n
  print(("%.2f %.2f"):format(each, each))
end

--- Nanoseconds. The others', which wait, is no time of CPU, and where the machine
-- does more than this a thread of theirs is waited for.
local function now()
  local pipe = io.popen "date +%s%N"
  local time = tonumber(pipe:read "*l")
  pipe:close()
  return time
end

--- Megabytes a second of a file of so many, in chunks of 64 KiB.
function rows.read(n, folder)
  local start, got = now(), 0
  local file = assert(io.open(folder .. "/large", "rb"))
  file:setvbuf "no"
  local data = file:read(65536)
  while data do
    got = got + #data
    data = file:read(65536)
  end
  file:close()
  assert(got == n * 2 ^ 20)
  print(("%.0f"):format(n / (now() - start) * 1e9))
end

--- Microseconds to read 4 KiB somewhere in a file of 64 MiB, N times.
function rows.at(n, folder)
  local file, at = assert(io.open(folder .. "/random", "rb")), 0
  file:setvbuf "no"
  local start = now()
  for _ = 1, n do
    at = (at + 7919 * 4096) % 67108864
    file:seek("set", at)
    assert(#file:read(4096) == 4096)
  end
  print(("%.2f"):format((now() - start) / 1e3 / n))
  file:close()
end

rows[arg[1]](tonumber(arg[2]), arg[3])
