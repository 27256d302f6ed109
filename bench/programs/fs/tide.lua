--- The rows of files in tide.
--   lua bench/programs/fs/tide.lua ROW N FOLDER   what a row prints is there

local fs = require "tide.fs"
local tide = require "tide"

local rows = {}

--- Reads N files, so many at a time: microseconds for each, and those of CPU.
function rows.small(n, folder)
  local slots, clock, loop = tide.semaphore(64), os.clock(), tide.loop()
  local start = loop:time()
  local function read(i)
    assert(#fs.read_file(("%s/f%04d"):format(folder, i)) == 1024)
    slots:release()
  end
  tide.group(function(g)
    for i = 0, n - 1 do
      slots:acquire()
      g:task(read, i)
    end
  end)
  print(("%.2f %.2f"):format((loop:time() - start) * 1e6 / n, (os.clock() - clock) * 1e6 / n))
end

--- Megabytes a second of a file of so many, in chunks of 64 KiB.
function rows.read(n, folder)
  local loop, got = tide.loop(), 0
  local start = loop:time()
  local file = assert(fs.open(folder .. "/large"))
  local data = file:read(65536)
  while data do
    got = got + #data
    data = file:read(65536)
  end
  file:close()
  assert(got == n * 2 ^ 20)
  print(("%.0f"):format(n / (loop:time() - start)))
end

--- Microseconds to read 4 KiB somewhere in a file of 64 MiB, N times.
function rows.at(n, folder)
  local loop, at = tide.loop(), 0
  local file = assert(fs.open(folder .. "/random"))
  local start = loop:time()
  for _ = 1, n do
    at = (at + 7919 * 4096) % 67108864
    assert(#file:pread(4096, at) == 4096)
  end
  print(("%.2f"):format((loop:time() - start) * 1e6 / n))
  file:close()
end

--- Microseconds from a write to who waits for it, N times.
function rows.watch(n, folder)
  local path, loop = folder .. "/watched", tide.loop()
  assert(fs.mkdir(path, { parents = true }))
  local file = assert(io.open(path .. "/f", "w"))
  file:setvbuf "no"
  local watch = assert(fs.watch(path))
  local start = loop:time()
  for _ = 1, n do
    file:write "x"
    assert(watch:next() == "change")
  end
  print(("%.2f"):format((loop:time() - start) * 1e6 / n))
  file:close()
  watch:close()
  assert(fs.remove(path, { recursive = true }))
end

tide.run(rows[arg[1]], tonumber(arg[2]), arg[3])
