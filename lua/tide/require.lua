--- A require whose modules may await while they load. bin/tide installs it: the
-- built-in one is a C function, which cannot be suspended.

local core = require "tide.core"

core.own_chunk()

local native = require
local loading = {} -- name -> {task =, wakes =}: modules being loaded by a task
local waiting = {} -- task -> the entry of `loading` that it waits for

local function searchers()
  return package.searchers or package.loaders
end

local function find(name)
  local list = searchers()
  if type(list) ~= "table" then
    core.misuse("'package.searchers' must be a table")
  end
  local tried = {}
  for _, search in ipairs(list) do
    local loader, data = search(name)
    if type(loader) == "function" then
      return loader, data
    elseif type(loader) == "string" then
      tried[#tried + 1] = loader:gsub("^\n?\t?", "\n\t", 1)
    end
  end
  core.misuse(("module '%s' not found:%s"):format(name, table.concat(tried)))
end

local function finish(name, entry, data, ok, ...)
  local value = ...
  loading[name] = nil
  for _, wake in ipairs(entry.wakes) do
    wake()
  end
  if not ok then
    error(value, 0)
  end
  if value ~= nil then
    package.loaded[name] = value
  elseif package.loaded[name] == nil then
    package.loaded[name] = true
  end
  return package.loaded[name], data
end

local function load(name)
  local loader, data = find(name)
  local entry = { task = core.current_task(), wakes = {} }
  loading[name] = entry
  local protected = require "tide.coroutine".xpcall
  return finish(name, entry, data, protected(loader, core.note, name, data))
end

--- Whether who loads the module waits, at last, for a module that we load.
local function closes_ring(entry)
  local me = core.current_task()
  while entry and entry.task ~= me do
    entry = waiting[entry.task]
  end
  return entry ~= nil
end

local function wait(entry)
  local me = core.current_task()
  waiting[me] = entry
  local ok, err = require("tide.coroutine").pcall(core.park, function(wake)
    table.insert(entry.wakes, wake)
  end)
  waiting[me] = nil
  if not ok then
    error(err, 0)
  end
end

--- As Lua's. In a task the module may await; another task that requires it
-- meanwhile waits until it is there.
return function(name)
  if not core.in_task() or type(name) ~= "string" then
    return native(name)
  end
  while not package.loaded[name] do
    local entry = loading[name]
    if not entry then
      return load(name)
    elseif closes_ring(entry) then
      core.misuse(("loop or previous error loading module '%s'"):format(name))
    end
    wait(entry)
  end
  return package.loaded[name]
end
