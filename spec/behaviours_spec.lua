-- What doc/behaviours.md lists and what the titles of the specs hold is the same.
require("tide.busted").configure { task = false }

local PAGE = "doc/behaviours.md"

local function read(file)
  local handle = assert(io.open(file))
  local text = handle:read("*a")
  handle:close()
  return text
end

local function load_in(env, file)
  if setfenv then
    return setfenv(assert(loadfile(file)), env)
  end
  return assert(loadfile(file, "t", env))
end

--- What a spec file sees instead of busted: nothing runs, it(title) is told.
local function environment(it)
  local env, loaded = setmetatable({ it = it }, { __index = _G }), { busted = { it = it } }
  for _, name in ipairs { "describe", "context", "insulate" } do
    env[name] = function(_, body) body() end
  end
  for _, name in ipairs { "setup", "teardown", "before_each", "after_each", "pending" } do
    env[name] = function() end
  end
  --- The helpers in support.lua call busted's `it`: they get this one, too.
  function env.require(name)
    if name:match("^spec%.") and not loaded[name] then
      loaded[name] = load_in(env, name:gsub("%.", "/") .. ".lua")()
    end
    return loaded[name] or require(name)
  end
  return env
end

--- The numbers that a title begins with, and what comes after them.
local function split(title)
  local numbers, rest = title:match("^(T?%d[T%d, ]*): (.*)$")
  return (numbers or ""):gmatch("T?%d+"), rest
end

--- File -> number -> what its titles with that number go on with, on this Lua.
local function titles()
  local files = {}
  for file in io.popen("ls spec/*_spec.lua"):lines() do
    local numbered = {}
    files[file] = numbered
    if file ~= "spec/behaviours_spec.lua" then
      load_in(environment(function(title)
        local numbers, rest = split(title)
        for number in numbers do
          numbered[number] = numbered[number] or {}
          table.insert(numbered[number], rest)
        end
      end), file)()
    end
  end
  return files
end

--- The rows of the table: {number, behaviour, where}.
local function rows()
  local list = {}
  for line in read(PAGE):match("\n|%-+|%-+|%-+|\n(.*)"):gmatch("[^\n]+") do
    local number, behaviour, where = line:match("^| (T?%d+) | ([^|]+) | *([^|]-) *|$")
    list[#list + 1] = assert(number, line) and
      { number = number, behaviour = behaviour, where = where }
  end
  return list
end

local function begins(list, start)
  for _, text in ipairs(list or {}) do
    if text:sub(1, #start) == start then
      return true
    end
  end
  return false
end

--- Calls fn(file, start of the title) for each test that a row names.
local function each_test(row, fn)
  for reference in row.where:gmatch("[^;]+") do
    local file, start = reference:match("^ *`([%w_/.]+)` (.-) *$")
    if file then
      fn(file, start)
    end
  end
end

--- fn(row, complain) for each row: the list of what it complains of.
local function complaints(fn)
  local list = {}
  for _, row in ipairs(rows()) do
    fn(row, function(what) list[#list + 1] = row.number .. ": " .. what end)
  end
  return list
end

describe("the behaviours in " .. PAGE, function()
  local specs = titles()

  it("are listed once", function()
    local seen = {}
    assert.same({}, complaints(function(row, complain)
      if seen[row.number] then
        complain "is listed twice"
      end
      seen[row.number] = true
    end))
  end)

  it("name a test that is there, or why there is none", function()
    assert.same({}, complaints(function(row, complain)
      local tests = 0
      each_test(row, function(file, start)
        tests = tests + 1
        local found
        if file:match("%.c$") then
          found = read(file):find("[( ]" .. start .. "[)(]")
        else
          found = specs[file] and begins(specs[file][row.number], start)
        end
        if not found then
          complain(("no '%s' in %s"):format(start, file))
        end
      end)
      if tests == 0 and not row.where:match("^no: .") then
        complain "neither a test nor a reason"
      end
    end))
  end)

  it("have no test if they do not apply", function()
    assert.same({}, complaints(function(row, complain)
      for file, numbered in pairs(specs) do
        if row.where:match("^no: ") and numbered[row.number] then
          complain(file .. " has one")
        end
      end
    end))
  end)

  it("are all that the titles of the specs number", function()
    local listed, missing = {}, {}
    for _, row in ipairs(rows()) do
      listed[row.number] = true
    end
    for file, numbered in pairs(specs) do
      for number in pairs(numbered) do
        if not listed[number] then
          missing[#missing + 1] = file .. ": " .. number
        end
      end
    end
    assert.same({}, missing)
  end)
end)
