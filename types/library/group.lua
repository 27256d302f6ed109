---@meta _

--- What `tide.group` gives to its function.

---Tasks that have ended when their group returns. Since 0.1.0.
---@class tide.Group
local Group = {}

---A task of the group. Raises a string when the group has ended. Since 0.1.0.
---@param fn tide.Callable
---@param ... any
---@return tide.Task
function Group:task(fn, ...) end

---Runs `fn(started, ...)` as a task and waits until it calls `started(...)`: what
---that was given. Raises the task's error if it fails before, or a string if it
---ends, or the group has ended. A cancel cancels the task and waits for its end.
---Since 0.1.0.
---@async
---@param fn async fun(started: fun(...), ...)
---@param ... any
---@return any ...
function Group:start(fn, ...) end

---Cancels the function and all tasks; false: the group has ended. Since 0.1.0.
---@param reason? any the CancelledErrors' `reason`
---@return boolean
function Group:cancel(reason) end
