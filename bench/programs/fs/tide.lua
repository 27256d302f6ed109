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

tide.run(rows[arg[1]], tonumber(arg[2]), arg[3])
