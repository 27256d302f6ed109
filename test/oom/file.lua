-- What was written is there, whole and in order, or write says why not; what is
-- read is what was written; no descriptor is left.
local tide = require "tide"
local fs = require "tide.fs"

local path, written, opened

local function write(file, text, data)
  local ok, _, code = file:write(data or text)
  if ok then
    written = written .. text
  else
    assert(code == "ENOMEM")
  end
end

local function read_all(file)
  local parts = ""
  local data, _, code = file:read(3)
  while data do
    parts = parts .. data
    data, _, code = file:read(3)
  end
  if code ~= "EOF" then
    assert(code == "ENOMEM", code)
    error("not read", 0)
  end
  return parts
end

local function change(file)
  file:seek "end"
  file:truncate(#written)
  file:stat()
  file:sync()
  file:pwrite(written:sub(1, 1), 0)
  local data = file:pread(#written, 0)
  assert(not data or data == written)
end

local function use(file)
  write(file, "0one\n")
  write(file, "2two", { "2", "two" }) -- on LuaJIT `tostring` does not survive it
  assert(file:seek "set" == 0)
  assert(read_all(file) == written)
  file:seek "set"
  file:readline()
  change(file)
end

local function both(group, file)
  group:task(write, file, "three")
  group:task(write, file, "four")
end

return {
  prepare = function()
    path, written = os.tmpname(), ""
  end,
  main = function()
    written = ""
    local file, _, code = fs.open(path, "w+")
    opened = file
    if not file then
      assert(code == "ENOMEM", code)
      return
    end
    use(file)
    tide.group(both, file)
    file:close()
    opened = assert(fs.open(path))
    assert(read_all(opened) == written)
    opened:close()
    fs.open(path, "r") -- garbage
  end,
  before = function()
    if opened then opened:close() end
  end,
  after = function()
    os.remove(path)
  end,
}
