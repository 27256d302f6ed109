--- lua fs_faults_program.lua
--
-- Does what there is to do with files, again and again, in a directory with
-- "faulty" in its name. Tells the codes of what failed, and what is left:
-- spec/fs_faults_spec.lua runs it where calls of the system fail.

local fs = require "tide.fs"
local tide = require "tide"

local function entries(path)
  local list, next_entry = {}, fs.scandir(path)
  local name = next_entry()
  while name do
    list[#list + 1] = name
    name = next_entry()
  end
  table.sort(list)
  return list
end

tide.run(function()
  local dir = assert(fs.mkdtemp("/tmp/tide-faulty-XXXXXX"))
  local path, codes, text = dir .. "/f", {}, ("0123456789"):rep(1000)

  local function tell(what, ok, _, code)
    codes[what .. "=" .. (ok and "ok" or code)] = true
    return ok
  end

  local descriptors = #entries "/proc/self/fd"
  for i = 1, 20 do
    if tell("write", fs.write_file(path, text)) then
      local got = tell("read", fs.read_file(path))
      assert(not got or got == text)
    end
    local before, now = fs.read_file(path), text .. i
    if tell("replace", fs.write_file(path, now, { atomic = true })) then
      local got = fs.read_file(path)
      assert(not got or got == now)
    else
      local got = fs.read_file(path)
      assert(not got or not before or got == before)
    end
    tell("append", fs.append_file(path, "x"))
    local ok, err = tide.pcall(entries, dir)
    tell("list", ok, nil, not ok and err.code)
    if ok then
      assert(#err <= 1, "a temporary file is left")
    end
  end
  local told = {}
  for code in pairs(codes) do
    told[#told + 1] = code
  end
  table.sort(told)
  print(table.concat(told, " "))
  while not fs.remove(dir, { recursive = true }) do
    assert(fs.exists(dir))
  end
  local stats = tide.stats()
  print(("left tasks=%d handles=%d descriptors=%d"):format(stats.tasks - 1, stats.handles,
    #entries "/proc/self/fd" - descriptors))
end)
