---@meta _

--- What `tide.lock`, `tide.condition` and `tide.barrier` make.

---Belongs to the task that acquired it; handed over first come first served.
---An owner that ends without releasing it breaks it: then it raises
---BrokenLockError. `__close` releases it. Since 0.1.0.
---@class tide.Lock
local Lock = {}

---Takes the lock, waits for it if it is another's. Returns the lock, for
---`local _ <close> =`. Raises if the task has it already, and BrokenLockError.
---Since 0.1.0.
---@async
---@return tide.Lock self
function Lock:acquire() end

---Takes the lock; nil, "locked" if it is another's. Raises if the task has it
---already, in a callback, and BrokenLockError. Since 0.1.0.
---@return true? ok
---@return "locked"? message
function Lock:acquire_nowait() end

---Hands it to the first that waits. Raises if the task does not have it.
---Since 0.1.0.
function Lock:release() end

---Acquires, calls `fn(...)`, releases whatever happened; its results. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return any ...
function Lock:with(fn, ...) end

---Whether somebody has it, or it is broken. Since 0.1.0.
---@nodiscard
---@return boolean
function Lock:locked() end

---A place to wait for what a lock protects. `__close` releases the lock.
---Since 0.1.0.
---@class tide.Condition
local Condition = {}

---Takes its lock; returns the condition. Raises as `Lock:acquire`. Since 0.1.0.
---@async
---@return tide.Condition self
function Condition:acquire() end

---Releases its lock. Raises if the task does not have it. Since 0.1.0.
function Condition:release() end

---Whether somebody has its lock, or that is broken. Since 0.1.0.
---@nodiscard
---@return boolean
function Condition:locked() end

---Acquires, calls `fn(...)`, releases whatever happened; its results. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return any ...
function Condition:with(fn, ...) end

---Releases the lock until it is notified; has it again when it returns or
---raises, but for BrokenLockError. Raises if the task does not have it.
---Since 0.1.0.
---@async
---@return true
function Condition:wait() end

---Waits until `predicate()` gives a value that is true: that value. Raises if
---the task does not have the lock. Since 0.1.0.
---@async
---@param predicate async fun(): any
---@return any value
function Condition:wait_for(predicate) end

---Wakes the first `n` that wait, 1 by default. Raises if the task does not have
---the lock. Since 0.1.0.
---@param n? integer 0 or more
function Condition:notify(n) end

---Wakes all that wait. Raises if the task does not have the lock. Since 0.1.0.
function Condition:notify_all() end

---Lets tasks pass when a number of them have come. Since 0.1.0.
---@class tide.Barrier
local Barrier = {}

---Waits until all are there: a place from 0 up, another for each. Raises
---BrokenBarrierError. Since 0.1.0.
---@async
---@return integer place
function Barrier:wait() end

---Waits, then calls `fn(place, ...)`: its results. Raises BrokenBarrierError.
---Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return any ...
function Barrier:with(fn, ...) end

---Those that wait raise BrokenBarrierError; it is as new. Since 0.1.0.
function Barrier:reset() end

---Those that wait, and all that come until a reset, raise BrokenBarrierError.
---Since 0.1.0.
function Barrier:abort() end

---For how many it was made. Since 0.1.0.
---@nodiscard
---@return integer
function Barrier:parties() end

---How many wait. Since 0.1.0.
---@nodiscard
---@return integer
function Barrier:n_waiting() end

---Whether it was aborted and not reset since. Since 0.1.0.
---@nodiscard
---@return boolean
function Barrier:broken() end
