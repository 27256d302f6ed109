--- Open files and watches: writes are whole, each task has its own place in a
-- file, and what happens in a folder is told.

local fs = require "tide.fs"
local tide = require "tide"

--- fn(object, ...), and it is closed however that ends.
local function closing(object, fn, ...)
  return tide.finally(fn, function() object:close() end, object, ...)
end

--- What a file holds is what a string would.
local function use(file)
  local line = ("x"):rep(math.random(100))
  local lines = (line .. "\n"):rep(math.random(3000)) -- several blocks
  assert(file:write(lines, "end"))
  assert(file:seek "set" == 0)
  assert(file:readline() == line)
  tide.move_on_after(0.001, file.read, file)
  local at = assert(file:seek("cur"))
  assert(assert(file:read(-1)) == (lines .. "end"):sub(at + 1), "it read something else")
  assert(file:pread(3, #lines) == "end")
  assert(file:truncate(#line))
  assert(file:stat().size == #line)
end

--- Line by line: it is many megabytes, and in one string these would be all that
-- the soak sees of memory.
local function is_whole(path)
  return closing(assert(fs.open(path)), function(file)
    local line = file:readline()
    while line and line:find "^<x+>$" do
      line = file:readline()
    end
    return line == nil
  end)
end

return function(load)
  local dir = assert(fs.mkdtemp())
  local log = assert(fs.open(dir .. "/log", "a+"))
  local names = 0

  local function new_name()
    names = names + 1
    return ("%s/%d"):format(dir, names)
  end

  load:worker(function()
    load:nap(0.01)
    local name = new_name()
    tide.finally(function()
      closing(assert(fs.open(name, "w+")), use)
    end, function() fs.unlink(name) end)
  end)

  load:worker(function()
    load:nap(0.01)
    assert(log:write("<", ("x"):rep(math.random(10000)), ">\n"))
  end)

  load:worker(function()
    local name = new_name()
    load:nap(0.02)
    tide.finally(function()
      assert(fs.mkdir(name))
      closing(assert(fs.watch(name)), function(watch)
        tide.move_on_after(0.001, watch.next, watch)
        assert(fs.write_file(name .. "/f", "x"))
        local _, changed = assert(watch:next())
        assert(changed == "f", changed)
      end)
    end, function() fs.remove(name, { recursive = true }) end)
  end, 2)

  load:check(function()
    for _ = 1, 4 do fs.stat(dir) end -- threads have closed what they are to close
    if not is_whole(dir .. "/log") then
      return "a write is not whole"
    end
    assert(log:truncate(0))
    local scan = fs.scandir(dir)
    for _ = 1, 2 do
      local name = scan()
      if name and name ~= "log" then
        return "this is left: " .. name
      end
    end
    scan:close()
  end)

  load:at_end(function()
    assert(log:close())
    assert(fs.remove(dir, { recursive = true }))
  end)
end
