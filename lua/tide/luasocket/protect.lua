--- socket.protect, newtry and try, over a pcall that tasks can await in.
--
-- LuaSocket's are C: on 5.1 and LuaJIT nothing awaits in them. An error of newtry
-- is the one that protect turns into results. What else ends a protected function,
-- a cancel above all, passes, and finalizers run then, too: the connection of a
-- request that was cancelled is closed, not left to the collector.

local tide = require "tide"
local core = require "tide.core"

core.own_chunk()

local M = {}

local Exception = {} -- {[1] = the error}
Exception.__index = Exception

function Exception:__tostring()
  return tostring(self[1])
end

local MAIN = {} -- stands for no task

--- task -> the finalizers of the protected call that it is in
local within = setmetatable({}, { __mode = "k" })

local function here()
  return tide.current_task() or MAIN
end

--- newtry(finalizer): a function that passes its arguments through, but where the
-- first is nil or false: that raises the second, for protect, after finalizer().
function M.newtry(finalizer)
  local finalizers = finalizer and within[here()]
  if finalizers then
    finalizers[#finalizers + 1] = finalizer
  end
  return function(...)
    if ... then
      return ...
    end
    if finalizer then
      tide.pcall(finalizer)
    end
    error(setmetatable({ (select(2, ...)) }, Exception), 0)
  end
end

local function run_all(finalizers)
  for i = #finalizers, 1, -1 do
    tide.pcall(finalizers[i])
  end
end

local function finish(task, before, finalizers, ok, ...)
  within[task] = before
  if ok then
    return ...
  end
  local err = ...
  if type(err) == "table" and getmetatable(err) == Exception then
    return nil, err[1]
  end
  run_all(finalizers)
  error(err, 0)
end

--- protect(fn): fn, that returns nil and the error where a function of newtry
-- raised it.
function M.protect(fn)
  return function(...)
    local task, finalizers = here(), {}
    local before = within[task]
    within[task] = finalizers
    return finish(task, before, finalizers, tide.pcall(fn, ...))
  end
end

return M
