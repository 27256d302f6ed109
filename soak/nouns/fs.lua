--- Files: what is replaced is always whole, and nothing else is left beside it.

local fs = require "tide.fs"
local tide = require "tide"

local pcall = tide.pcall

local function list(path)
  local names, scan = {}, fs.scandir(path)
  local name = scan()
  while name do
    names[#names + 1] = name
    name = scan()
  end
  return names
end

return function(load)
  local dir = assert(fs.mkdtemp())
  local path, atomic = dir .. "/shared", { atomic = true }
  assert(fs.write_file(path, ("a"):rep(10)))

  load:worker(function()
    load:nap(0.01)
    tide.move_on_after(0.005, fs.write_file, path, ("b"):rep(math.random(200000)), atomic)
    local text = assert(fs.read_file(path))
    assert(text == text:sub(1, 1):rep(#text), "not whole")
  end)

  load:worker(function()
    load:nap(0.01)
    local own = assert(fs.mkdtemp(dir .. "/XXXXXX"))
    local ok, err = pcall(function()
      assert(fs.mkdir(own .. "/a/b", { parents = true }))
      assert(fs.write_file(own .. "/a/b/f", "x"))
      assert(#list(own .. "/a") == 1)
    end)
    tide.shield(function()
      assert(fs.remove(own, { recursive = true }))
    end)
    if not ok then
      error(err, 0)
    end
  end)

  load:check(function()
    for _, name in ipairs(list(dir)) do
      if name ~= "shared" then
        return "this is left: " .. name
      end
    end
  end)

  load:at_end(function()
    assert(fs.remove(dir, { recursive = true }))
  end)
end
