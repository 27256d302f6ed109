---@meta _

--- What `tide.semaphore`, `tide.bounded_semaphore` and `tide.event` make.

---Permits, handed over first come first served. `__close` releases one.
---Since 0.1.0.
---@class tide.Semaphore
local Semaphore = {}

---Takes a permit, waits for it if there is none. Returns the semaphore, for
---`local _ <close> =`. Since 0.1.0.
---@async
---@return tide.Semaphore self
function Semaphore:acquire() end

---Takes a permit; nil, "locked" if there is none or others wait. Since 0.1.0.
---@return true? ok
---@return "locked"? message
function Semaphore:acquire_nowait() end

---Gives permits back. Raises if a bounded one gets more than it had at first.
---Since 0.1.0.
---@param n? integer 1 or more
function Semaphore:release(n) end

---Acquires, calls `fn(...)`, releases whatever happened; its results. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return any ...
function Semaphore:with(fn, ...) end

---Whether `acquire` would have to wait. Since 0.1.0.
---@nodiscard
---@return boolean
function Semaphore:locked() end

---The permits that are free. Since 0.1.0.
---@nodiscard
---@return integer
function Semaphore:value() end

---A flag to wait for. Since 0.1.0.
---@class tide.Event
local Event = {}

---Waits until it is set. Since 0.1.0.
---@async
---@return true
function Event:wait() end

---Sets it and wakes all that wait. Since 0.1.0.
function Event:set() end

---Whoever waits from now on waits for the next `set`. Since 0.1.0.
function Event:clear() end

---Whether it is set. Since 0.1.0.
---@nodiscard
---@return boolean
function Event:is_set() end
