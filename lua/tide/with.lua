--- Using what is to be closed, and results that are to be checked.

local core = require "tide.core"
local finally = require "tide.scope".finally

core.own_chunk()

local metafield, is_callable = core.metafield, core.is_callable

local M = {}

local function index(value, key)
  return value[key]
end

--- A method of a resource; nil where it has none or cannot even be asked. The
-- functions of strings are no methods of a resource.
local function method(resource, name)
  if type(resource) == "string" then
    return nil
  end
  local ok, found = pcall(index, resource, name)
  return ok and is_callable(found) and found or nil
end

--- What closes it; nil: nothing does. A file of Lua's that is closed already
-- is fine: 5.4 sees to that in its `__close`, older Luas would raise.
local function closer(resource)
  local close = metafield(resource, "__close")
  if is_callable(close) then
    return close
  end
  close = method(resource, "close")
  return close and function()
    if not (io and io.type(resource) == "closed file") then
      close(resource)
    end
  end
end

--- Calls `fn(resource, ...)` and closes the resource, shielded, whatever
-- happened; the results of `fn`. One that has a method `with` does it itself.
function M.with(resource, fn, ...)
  local with = method(resource, "with")
  local close = with or closer(resource)
  if not close then
    core.misuse(("bad argument #1 to 'tide.with' (something to close expected, got %s)")
      :format(type(resource)))
  end
  core.check_callable(fn, 2, "tide.with")
  core.check_task("tide.with")
  if with then
    return with(resource, fn, resource, ...)
  end
  return finally(fn, function(err) close(resource, err) end, resource, ...)
end

--- Passes all values through; raises OSError for `nil, message, code`.
function M.check(...)
  local value, message, code = ...
  if value == nil and message ~= nil then
    error(core.OSError { message = message, code = code }, 0)
  end
  return ...
end

return M
