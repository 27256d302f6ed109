-- Whatever failed, no descriptor is left, nor a temporary file.
local tide = require "tide"
local fs = require "tide.fs"

local base, descriptors

local function list(path)
  local n, next_entry = 0, fs.walk(path)
  while next_entry() do
    n = n + 1
  end
  return n
end

local function use(dir)
  assert(fs.mkdir(dir .. "/a/b", { parents = true }))
  assert(fs.write_file(dir .. "/a/f", { "x", 1, 2.5 }))
  assert(fs.append_file(dir .. "/a/f", "!"))
  assert(fs.write_file(dir .. "/a/f", ("y"):rep(100), { atomic = true }))
  assert(#fs.read_file(dir .. "/a/f") == 100)
  assert(fs.stat(dir .. "/a/f").size == 100)
  assert(fs.symlink("f", dir .. "/a/l"))
  assert(fs.readlink(dir .. "/a/l") == "f")
  assert(list(dir) == 4)
  local scan = fs.scandir(dir)
  scan:close()
  local none, message, code = fs.stat(dir .. "/none")
  assert(not none and message and code == "ENOENT")
  assert(fs.rmdir(assert(fs.mkdtemp(dir .. "/XXXXXX"))))
  assert(fs.unlink(assert(fs.mkstemp(dir .. "/XXXXXX"))))
  tide.group(function(group)
    for i = 1, 4 do
      group:task(function()
        assert(fs.copy(dir .. "/a/f", dir .. "/a/" .. i))
      end)
    end
    group:task(tide.move_on_after, 0.1, fs.realpath, dir)
  end)
end

local function count_descriptors()
  local n = 0
  for fd = 0, 63 do
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

return {
  prepare = function()
    base, descriptors = os.tmpname(), nil
    os.remove(base)
  end,
  main = function()
    assert(fs.mkdir(base))
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
