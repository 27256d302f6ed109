--- What the specs of files share: a directory for each test.

local assert = require "luassert"
local fs = require "tide.fs"
local tide = require "tide"
local support = require "spec.support"

local M = {}

--- In memory, where that is to be had: a disk may take its time.
local function root()
  local file = io.open("/dev/shm/tide-spec-" .. tostring(M):gsub("%W", ""), "w")
  if not file then
    return fs.tmpdir()
  end
  file:close()
  os.remove("/dev/shm/tide-spec-" .. tostring(M):gsub("%W", ""))
  return "/dev/shm"
end

M.root = root()

--- fn(directory), which goes afterwards with what is in it.
function M.in_directory(fn)
  local directory = assert(fs.mkdtemp(M.root .. "/tide-spec-XXXXXX"))
  tide.finally(fn, function()
    assert(fs.remove(directory, { recursive = true }))
  end, directory)
end

function M.put(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

function M.get(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- All that scandir gives: name -> type.
function M.entries(path)
  local found, next_entry = {}, fs.scandir(path)
  local name, kind = next_entry()
  while name do
    found[name] = kind
    name, kind = next_entry()
  end
  return found
end

--- All that walk gives: path -> type.
function M.tree(...)
  local found, next_entry = {}, fs.walk(...)
  local path, kind = next_entry()
  while path do
    found[path] = kind
    path, kind = next_entry()
  end
  return found
end

--- How many descriptors are open; nil where nobody tells.
function M.open_descriptors()
  local file = io.open "/proc/self/stat"
  if not file then
    return nil
  end
  file:close()
  local n = 0
  for _ in pairs(M.entries "/proc/self/fd") do
    n = n + 1
  end
  return n
end

--- The same; none is that of garbage.
function M.descriptors()
  support.collect()
  for _ = 1, 4 do fs.stat "/" end -- threads close them
  return M.open_descriptors()
end

function M.fails(code, ...)
  local n, value, message, got = select("#", ...), ...
  assert.equal(3, n)
  assert.is_nil(value)
  assert.is_string(message)
  assert.equal(code, got, message)
  return message
end

--- Those that may do everything are refused nothing.
function M.is_root()
  return fs.stat("/proc/self") and fs.stat("/proc/self").uid == 0
end

return M
