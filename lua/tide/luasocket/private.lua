--- The modules of LuaSocket that are Lua, loaded for tide.luasocket alone; and how
-- they take the places of those that everybody gets.

local core = require "tide.core"

core.own_chunk()

local M = {}

-- In the registry, which outlives package.loaded: there is one of each module.
local INSTALLED, LOADED = "tide.luasocket", "tide.luasocket.loaded"
local registry = debug.getregistry()

-- What is ours; everything else, ltn12 say, is everybody's.
local OURS = {
  "socket", "socket.core", "socket.http", "socket.ftp", "socket.smtp", "socket.tp",
  "socket.url", "socket.headers", "socket.unix", "ssl", "ssl.https",
}
local ours = {}
for _, name in ipairs(OURS) do
  ours[name] = true
end

local givers = {}  -- name -> a function that makes it
local loaded = registry[LOADED] or {} -- name -> the module
registry[LOADED] = loaded

--- The module of that name is what make() returns.
function M.give(name, make)
  givers[name] = make
end

--- The globals, as these modules see them.
local env = { require = nil } -- ours
setmetatable(env, { __index = _G, __newindex = _G })

--- Where a module in Lua is, as `require` looks for it.
local function find(name)
  local file = name:gsub("%.", package.config:sub(1, 1))
  for template in package.path:gmatch "[^;]+" do
    local path = template:gsub("%?", (file:gsub("%%", "%%%%")))
    local handle = io.open(path)
    if handle then
      handle:close()
      return path
    end
  end
end

local function run_file(name)
  local path = find(name)
  if not path then
    error(("module '%s' not found in package.path"):format(name), 0)
  end
  local chunk, message
  if setfenv then
    chunk, message = loadfile(path)
    chunk = chunk and setfenv(chunk, env)
  else
    chunk, message = loadfile(path, "bt", env)
  end
  if not chunk then
    error(message, 0)
  end
  return chunk(name, path)
end

--- Ours, or anybody's.
function M.require(name)
  if not ours[name] then
    return require(name)
  elseif loaded[name] == nil then
    loaded[name] = givers[name] and givers[name]() or run_file(name)
  end
  return loaded[name]
end
rawset(env, "require", M.require)

--- LuaSocket's own module of that name, whatever is installed.
function M.real(name)
  local before = registry[INSTALLED]
  if not before or not ours[name] then
    return require(name)
  end
  local here = { package.loaded[name], package.preload[name] }
  package.loaded[name], package.preload[name] = before.loaded[name], before.preload[name]
  local ok, module = pcall(require, name)
  before.loaded[name] = package.loaded[name]
  package.loaded[name], package.preload[name] = here[1], here[2]
  if not ok then
    error(module, 0)
  end
  return module
end

-- ---- for everybody

--- `require "socket"`, "socket.http" and so on give ours from now on. Again:
-- nothing more.
function M.install()
  if registry[INSTALLED] then
    return
  end
  local before = { loaded = {}, preload = {} }
  for _, name in ipairs(OURS) do
    before.loaded[name], before.preload[name] = package.loaded[name], package.preload[name]
    package.loaded[name] = nil
    package.preload[name] = M.require
  end
  registry[INSTALLED] = before
end

--- It is as it was before.
function M.uninstall()
  local before = registry[INSTALLED]
  if not before then
    return
  end
  for _, name in ipairs(OURS) do
    package.loaded[name], package.preload[name] = before.loaded[name], before.preload[name]
  end
  registry[INSTALLED] = nil
end

return M
