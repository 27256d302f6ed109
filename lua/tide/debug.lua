--- Looking at what runs: the unfinished tasks, the tree of who waits for whom,
-- and a timeline of all that happens.

local core = require "tide.core"
local protected = require "tide.coroutine".pcall

core.own_chunk()

local M = {}

--- A list of what is known of each unfinished task.
M.tasks = core.debug_tasks

--- The tree of who waits for whom, as text; of `task` and what is below it.
M.tree = core.debug_tree

local function is_file(v)
  return io ~= nil and io.type(v) ~= nil
end

--- Writes the tree to `file`, an open file; without one to standard error.
function M.dump(file)
  if file ~= nil and not is_file(file) then
    core.misuse(("bad argument #1 to 'debug.dump' (file expected, got %s)"):format(type(file)))
  end
  file = file or io.stderr
  file:write(M.tree(), "\n")
  file:flush()
end

local methods = {}
local metatable = { __index = methods, __name = "tide.Trace" }

--- Ends the timeline: true, or nil, message, code if not all was written.
function methods:stop()
  return core.trace_stop(self.number)
end

function metatable:__close()
  core.trace_end(self.number)
end

local function finish(number, ok, ...)
  local err = ...
  core.trace_end(number)
  if not ok then
    error(err, 0)
  end
  return ...
end

--- Writes a timeline to `file`, a name or an open file, from now on; nil ends it.
-- With `fn` only while fn(...) runs: its results.
function M.trace(file, fn, ...)
  if file == nil then
    return core.trace_stop()
  end
  if type(file) ~= "string" and not is_file(file) then
    core.misuse(("bad argument #1 to 'debug.trace' (name or file expected, got %s)"):format(
      type(file)))
  end
  if fn ~= nil then
    core.check_callable(fn, 2, "debug.trace")
  end
  local number, message, code = core.trace_start(file)
  if not number then
    return nil, message, code
  elseif fn ~= nil then
    return finish(number, protected(fn, ...))
  end
  return setmetatable({ number = number }, metatable)
end

return M
