---@meta _

---What can be waited for: a function is made a Task.
---@alias tide.Awaitable tide.Task|tide.Future|tide.Callable

---@class tide
local tide = {}

---A future that is not set. Since 0.1.0.
---@nodiscard
---@return tide.Future
function tide.future() end

---A result that is set by hand. Since 0.1.0.
---@class tide.Future
local Future = {}

---Sets it to these results; false if it was cancelled. Raises InvalidStateError
---if it is set. Since 0.1.0.
---@param ... any
---@return boolean
function Future:set_result(...) end

---Sets it to this error; false if it was cancelled. Raises InvalidStateError if
---it is set. Since 0.1.0.
---@param e any
---@return boolean
function Future:set_exception(e) end

---Waits until it is set; its results, or raises its error. A cancelled awaiter
---that is the last cancels it. Since 0.1.0.
---@async
---@return any ...
function Future:await() end

---Cancels it; true unless it was set. Since 0.1.0.
---@param reason? any the CancelledError's `reason`
---@return boolean
function Future:cancel(reason) end

---Whether it is set or cancelled. Since 0.1.0.
---@nodiscard
---@return boolean
function Future:done() end

---Whether it is cancelled. Since 0.1.0.
---@nodiscard
---@return boolean
function Future:cancelled() end

---Its results, or raises its error; InvalidStateError if it is not set.
---Since 0.1.0.
---@return any ...
function Future:result() end

---The error it is set to, or nil; raises CancelledError, or InvalidStateError if
---it is not set. Since 0.1.0.
---@return any
function Future:exception() end

---`fn(future)` is called from the loop when it is set; it cannot await.
---Since 0.1.0.
---@param fn fun(future: tide.Future)
function Future:add_done_callback(fn) end

---How many it removed. Since 0.1.0.
---@param fn fun(future: tide.Future)
---@return integer removed
function Future:remove_done_callback(fn) end
