---@meta _

---A function that runs next to the others. Since 0.1.0.
---@class tide.Task
local Task = {}

---Waits for its end; its results, or raises its error. A cancelled awaiter that
---is the last cancels the task and waits for its end. Since 0.1.0.
---@async
---@return any ...
function Task:await() end

---Cancels it; true unless it had ended. Since 0.1.0.
---@param reason? any the CancelledError's `reason`
---@return boolean
function Task:cancel(reason) end

---Whether it ended cancelled. Since 0.1.0.
---@nodiscard
---@return boolean
function Task:cancelled() end

---How often `cancel` was called. Since 0.1.0.
---@nodiscard
---@return integer
function Task:cancelling() end

---Takes one `cancel` back; how many are left. Since 0.1.0.
---@return integer
function Task:uncancel() end

---Whether it has ended. Since 0.1.0.
---@nodiscard
---@return boolean
function Task:done() end

---Its results, or raises its error; InvalidStateError before its end. Since 0.1.0.
---@return any ...
function Task:result() end

---The error it failed with, or nil; raises CancelledError, or InvalidStateError
---before its end. Since 0.1.0.
---@return any
function Task:exception() end

---Its name, which is `task-1` and so on where none was set. Since 0.1.0.
---@nodiscard
---@return string
function Task:get_name() end

---Returns the task, for `tide.task(fn):set_name("reader")`. Since 0.1.0.
---@param name string
---@return tide.Task self
function Task:set_name(name) end

---`fn(task)` is called from the loop after the end; it cannot await. Since 0.1.0.
---@param fn fun(task: tide.Task)
function Task:add_done_callback(fn) end

---How many it removed. Since 0.1.0.
---@param fn fun(task: tide.Task)
---@return integer removed
function Task:remove_done_callback(fn) end

---Where it is, or where it failed and who awaited that; nil if it ended well.
---Since 0.1.0.
---@nodiscard
---@return string?
function Task:traceback() end
