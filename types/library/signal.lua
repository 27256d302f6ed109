---@meta tide.signal

--- Waiting for signals: `require "tide.signal"`.
---@class tide.signal
local signal = {}

---Those of a signal that came, in the order of their coming; calling it is
---`wait`. `__close` closes it. Since 0.1.0.
---@class tide.Signals
---@overload async fun(): string?
local Signals = {}

---The name of the first of these signals that comes from now on. Or nil, message,
---code where the system refuses. Since 0.1.0.
---@async
---@param name string "SIGTERM"
---@param ... string
---@return string? name
---@return string? message
---@return string? code
function signal.wait(name, ...) end

---An iterator over the names of what comes, from now on. Close it. Or nil,
---message, code where the system refuses. Since 0.1.0.
---@param name string "SIGTERM"
---@param ... string
---@return tide.Signals? signals
---@return string? message
---@return string? code
---@nodiscard
function signal.iter(name, ...) end

---The name of the next one; nil when it is closed. One task at a time. Since
---0.1.0.
---@async
---@return string? name
function Signals:wait() end

---Stops listening: what had the signals before has them again. Again is fine.
---Since 0.1.0.
function Signals:close() end

return signal
