--- Semaphore:with: the part of a semaphore that needs a protected call.

local core = require "tide.core"
local hold = require "tide.hold"

core.own_chunk()

--- Acquires, calls `fn(...)`, releases whatever happened; its results.
core.Semaphore.with = hold("Semaphore:with", core.check_semaphore)

return { semaphore = core.semaphore, bounded_semaphore = core.bounded_semaphore }
