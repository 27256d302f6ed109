--- Semaphore:with: the part of a semaphore that needs a protected call.

local core = require "tide.core"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local function release(semaphore, ok, ...)
  semaphore:release()
  if ok then
    return ...
  end
  error((...), 0)
end

--- Acquires, calls `fn(...)`, releases whatever happened; its results.
function core.Semaphore:with(fn, ...)
  core.check_semaphore(self, "Semaphore:with")
  core.check_callable(fn, 2, "Semaphore:with") -- counts self
  self:acquire()
  return release(self, protected(fn, core.note, ...))
end

return { semaphore = core.semaphore, bounded_semaphore = core.bounded_semaphore }
