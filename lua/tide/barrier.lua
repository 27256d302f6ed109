--- Barrier:with: the part of a barrier that calls a function.

local core = require "tide.core"

core.own_chunk()

--- Waits until all are there, then calls `fn(place, ...)`: its results.
function core.Barrier:with(fn, ...)
  core.check_barrier(self, "Barrier:with")
  core.check_callable(fn, 2, "Barrier:with") -- counts self
  return fn(self:wait(), ...)
end

return { barrier = core.barrier }
