-- Whatever failed, no descriptor is left, nor a temporary file.
local tide = require "tide"
local fs = require "tide.fs"

local check = tide.check
local WORDS = { "1", "2", "3", "4" } -- a number does not survive becoming one on LuaJIT
local DATA = jit and { "x", "1", "2.5" } or { "x", 1, 2.5 } -- luacheck: ignore 113
local DESCRIPTORS = {}
for fd = 0, 63 do
  DESCRIPTORS[fd + 1] = "/proc/self/fd/" .. fd
end
local base, descriptors

local function list(path)
  local n, next_entry = 0, fs.walk(path)
  while next_entry() do
    n = n + 1
  end
  return n
end

local function use(dir)
  check(fs.mkdir(dir .. "/a/b", { parents = true }))
  check(fs.write_file(dir .. "/a/f", DATA))
  check(fs.append_file(dir .. "/a/f", "!"))
  check(fs.write_file(dir .. "/a/f", ("y"):rep(100), { atomic = true }))
  assert(#check(fs.read_file(dir .. "/a/f")) == 100)
  assert(check(fs.stat(dir .. "/a/f")).size == 100)
  check(fs.symlink("f", dir .. "/a/l"))
  assert(check(fs.readlink(dir .. "/a/l")) == "f")
  assert(list(dir) == 4)
  local scan = fs.scandir(dir)
  scan:close()
  local none, message, code = fs.stat(dir .. "/none")
  assert(not none and message and (code == "ENOENT" or code == "ENOMEM"))
  check(fs.rmdir(check(fs.mkdtemp(dir .. "/XXXXXX"))))
  check(fs.unlink(check(fs.mkstemp(dir .. "/XXXXXX"))))
  tide.group(function(group)
    for _, word in ipairs(WORDS) do
      group:task(function()
        check(fs.copy(dir .. "/a/f", dir .. "/a/" .. word))
      end)
    end
    group:task(tide.move_on_after, 0.1, fs.realpath, dir)
  end)
end

local function count_descriptors()
  local n = 0
  for _, path in ipairs(DESCRIPTORS) do
    local file, _, code = io.open(path)
    if file then
      file:close()
    end
    if file or code ~= 2 then -- ENOENT
      n = n + 1
    end
  end
  return n
end

return {
  prepare = function()
    base, descriptors = os.tmpname(), nil
    os.remove(base)
  end,
  main = function()
    check(fs.mkdir(base))
    descriptors = count_descriptors()
    use(base)
  end,
  after = function()
    if not descriptors then
      os.remove(base)
      return
    end
    local next_entry = fs.walk(base)
    local path, _, name = next_entry()
    while path do
      assert(not name:find "^%.tide", name)
      path, _, name = next_entry()
    end
    collectgarbage()
    assert(fs.remove(base, { recursive = true })) -- closing is in line before it
    assert(count_descriptors() <= descriptors)
  end,
}
