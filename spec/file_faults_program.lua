--- lua file_faults_program.lua
--
-- An open file, written and read again and again, in a directory with "faulty" in
-- its name. Tells the codes of what failed, and what is left: spec/
-- file_faults_spec.lua runs it where calls of the system fail.

local fs = require "tide.fs"
local tide = require "tide"

local codes = {}

local function tell(what, ok, _, code, ...)
  codes[what .. "=" .. (ok and "ok" or code)] = true
  return ok, code, ...
end

local function descriptors()
  local n, scan = 0, fs.scandir "/proc/self/fd"
  while scan() do n = n + 1 end
  return n
end

--- All of it, or what came before the failure.
local function read_all(file)
  local parts = {}
  while true do
    local data, _, code = file:read(1000)
    parts[#parts + 1] = data
    if not data then
      tell("read", code == "EOF", nil, code)
      return table.concat(parts), code == "EOF"
    end
  end
end

--- What write says that it has written is there, and nothing more.
local function write(file, model, text)
  local ok, _, written = tell("write", file:write(text))
  return model .. (ok and text or text:sub(1, written))
end

local function use(file, i)
  local model = ""
  for n = 1, 5 do
    model = write(file, model, ("%d,%d;"):format(i, n):rep(500))
  end
  assert(file:seek() == #model)
  assert(file:seek "set" == 0)
  local text, whole = read_all(file)
  assert(text == model:sub(1, #text) and (not whole or text == model))
  local data = file:pread(3000, 1000)
  assert(not data or data == model:sub(1001, 1000 + #data))
  tell("sync", file:sync())
  tell("datasync", file:datasync())
end

tide.run(function()
  local dir = assert(fs.mkdtemp "/tmp/tide-faulty-XXXXXX")
  local before = descriptors()
  for i = 1, 20 do
    local file = tell("open", fs.open(dir .. "/f", "w+"))
    if file then
      use(file, i)
      tell("close", file:close())
    end
  end
  local after = descriptors()
  os.remove(dir .. "/f")
  os.remove(dir)
  local list = {}
  for code in pairs(codes) do list[#list + 1] = code end
  table.sort(list)
  print(table.concat(list, " "))
  print(("left handles=%d descriptors=%d"):format(tide.stats().handles, after - before))
end)
