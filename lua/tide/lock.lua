--- Lock:with: the part of a lock that needs a protected call.

local core = require "tide.core"
local hold = require "tide.hold"

core.own_chunk()

--- Acquires, calls `fn(...)`, releases whatever happened; its results.
core.Lock.with = hold("Lock:with", core.check_lock)

return { lock = core.lock }
