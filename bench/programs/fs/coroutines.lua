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

--- Megabytes a second of a file of so many, in chunks of 64 KiB.
function rows.read(n, folder)
  local clock, got = os.clock(), 0
  local file = assert(io.open(folder .. "/large", "rb"))
  file:setvbuf "no"
  local data = file:read(65536)
  while data do
    got = got + #data
    data = file:read(65536)
  end
  file:close()
  assert(got == n * 2 ^ 20)
  print(("%.0f"):format(n / (os.clock() - clock)))
end

rows[arg[1]](tonumber(arg[2]), arg[3])
