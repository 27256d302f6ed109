---@meta _

---A part of a task that can be cancelled. Since 0.1.0.
---@class tide.Scope
---@field deadline? number a point in time, or nil; setting it is `reschedule`
---@field shield boolean while true, cancels from outside wait
local Scope = {}

---Cancels what runs inside; false if the scope was over. Since 0.1.0.
---@param reason? any
---@return boolean
function Scope:cancel(reason) end

---Whether its deadline passed. Since 0.1.0.
---@nodiscard
---@return boolean
function Scope:expired() end

---Whether it was cancelled, by a call or its deadline. Since 0.1.0.
---@nodiscard
---@return boolean
function Scope:cancel_called() end

---Whether a cancellation ended at its edge. Since 0.1.0.
---@nodiscard
---@return boolean
function Scope:cancelled_caught() end

---Moves the deadline; nil: none. InvalidStateError if it is closed, expired or
---cancelled. Since 0.1.0.
---@param when number|nil
function Scope:reschedule(when) end
