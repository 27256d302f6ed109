-- What is public, what types/ annotates and what the pages document is the same.
local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

-- What only some Luas have in their coroutine library.
local versioned = { ["tide.coroutine.close"] = true, ["tide.coroutine.isyieldable"] = true }

local TYPES = {}
for file in io.popen("ls types/library/*.lua"):lines() do
  TYPES[#TYPES + 1] = file
end

local function read(file)
  local handle = assert(io.open(file))
  local text = handle:read("*a")
  handle:close()
  return text
end

local function add(names, prefix, t)
  for name in pairs(t) do
    names[prefix .. name] = true
  end
end

--- Everything that `require` gives of tide, tide.testing and tide.busted.
local function public()
  local names = { ["Scope.deadline"] = true, ["Scope.shield"] = true,
    ["Loop.slow_callback_duration"] = true }
  add(names, "tide.", tide)
  names["tide.coroutine"] = nil
  add(names, "tide.coroutine.", tide.coroutine)
  add(names, "testing.", testing)
  add(names, "busted.", require "tide.busted")
  tide.run(function()
    local task = tide.task(tide.sleep, 0)
    add(names, "Task:", getmetatable(task).__index)
    tide.scope(function(scope)
      add(names, "Scope:", getmetatable(scope).methods)
    end)
    local handle = tide.loop():call_soon(function() end)
    add(names, "Handle:", getmetatable(handle).__index)
    add(names, "Loop:", getmetatable(tide.loop()).methods)
    add(names, "Future:", getmetatable(tide.future()).__index)
    add(names, "Semaphore:", getmetatable(tide.semaphore()).__index)
    add(names, "Event:", getmetatable(tide.event()).__index)
    add(names, "Lock:", getmetatable(tide.lock()).__index)
    add(names, "Condition:", getmetatable(tide.condition()).__index)
    add(names, "Barrier:", getmetatable(tide.barrier(1)).__index)
    add(names, "Var:", getmetatable(tide.var()).__index)
    add(names, "Generator:", getmetatable((tide.generator(print))).__index)
    add(names, "Queue:", getmetatable(tide.queue()).__index)
    add(names, "PriorityQueue:", getmetatable(tide.priority_queue()).__index)
    tide.group(function(group)
      add(names, "Group:", getmetatable(group).__index)
    end)
  end)
  return names
end

local function annotated()
  local names, class = {}, nil
  for _, file in ipairs(TYPES) do
    for line in read(file):gmatch("[^\n]+") do
      class = line:match("^%-%-%-@class ([%w.]+)") or class
      local field = line:match("^%-%-%-@field ([%w_]+)")
      local owner = class == "tide" and "tide" or (class or ""):match("^tide%.([SL]%l+p?e?)$")
      local name = line:match("^function ([%w_.:]+)") or line:match("^(tide%.%u%w*) = nil")
      if field and (owner == "tide" or owner == "Scope" or owner == "Loop") then
        name = owner .. "." .. field
      end
      if name then
        assert(not names[name], name .. " is annotated twice")
        names[name] = true
      end
    end
  end
  return names
end

--- The names in the headings of the pages: ### `tide.sleep(seconds)` `...`
local function documented()
  local names = {}
  for file in io.popen("ls doc/*.md"):lines() do
    for line in read(file):gmatch("[^\n]+") do
      if line:match("^### ") then
        for name in line:gmatch("`(%a[%w_]*[.:][%w_.]+)[^`]*`") do
          assert(not names[name], name .. " is documented twice")
          names[name] = true
        end
      end
    end
  end
  return names
end

local function missing(from, to)
  local list = {}
  for name in pairs(from) do
    if not to[name] and not versioned[name] then
      list[#list + 1] = name
    end
  end
  table.sort(list)
  return list
end

describe("the annotations in types/", function()
  it("name everything that is public", function()
    assert.same({}, missing(public(), annotated()))
  end)

  it("name nothing else", function()
    assert.same({}, missing(annotated(), public()))
  end)

  it("tell since when", function()
    local comment = ""
    for _, file in ipairs(TYPES) do
      for line in read(file):gmatch("([^\n]*)\n") do
        local name = line:match("^function ([%w_.:]+)") or line:match("^(tide%.%u%w*) = nil")
        if name then
          assert(comment:find("[Ss]ince %d+%.%d+%.%d+"), name)
        end
        comment = line:match("^%-%-%-") and comment .. line:sub(4) .. " " or ""
      end
    end
  end)

  it("are Lua", function()
    for _, file in ipairs(TYPES) do
      assert(loadfile(file))
    end
  end)
end)

describe("the pages in doc/", function()
  it("document everything that is public", function()
    assert.same({}, missing(public(), documented()))
  end)

  it("document nothing else", function()
    assert.same({}, missing(documented(), public()))
  end)

  it("document every function of tide.h", function()
    local page, functions = read("doc/embedding.md"), 0
    for name in read("include/tide.h"):gmatch("\nTIDE_EXPORT [%w_ ]-%*?([%w_]+)%(") do
      functions = functions + 1
      assert(page:find("### `[%w_ ]-%*?" .. name .. "%("), name)
    end
    assert(functions > 0)
  end)

  it("link to pages that are there", function()
    for file in io.popen("ls *.md doc/*.md"):lines() do
      local folder = file:match("^(.*/)") or ""
      for link in read(file):gmatch("%]%(([^)#:]+)[^):]*%)") do
        assert(io.open(folder .. link), file .. ": " .. link):close()
      end
    end
  end)
end)
