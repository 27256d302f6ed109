---@meta tide.debug

--- Looking at what runs: `require "tide.debug"`.
---@class tide.debug
local debug = {}

---What is known of an unfinished task. Since 0.1.0.
---@class tide.debug.Entry
---@field task tide.Task
---@field name string
---@field main boolean it is the main task of `run`
---@field state "new"|"ready"|"running"|"waiting"
---@field waits_on? string "sleep", "await", "queue.get", "lock", "gather", ...
---@field where? string file and line at which it waits, "a.lua:7"
---@field deadline? number when its sleep ends, on the loop's clock
---@field since? number when it began to wait, if debug mode or a trace was on
---@field owner? tide.Task that has the lock it waits for
---@field awaits tide.Task[] whose ends it waits for
---@field awaited_by tide.Task[]
---@field children tide.Task[] of its groups
---@field cancelling integer
---@field swallowed integer cancellations that it caught and met again
---@field created? string debug mode: a traceback of where it was made

---All unfinished tasks. Since 0.1.0.
---@return tide.debug.Entry[]
function debug.tasks() end

---Who waits for whom, a line a task; of `task` and below only. Raises if it is
---no Task. Since 0.1.0.
---@param task? tide.Task
---@return string
function debug.tree(task) end

---Writes the tree to a file. Raises if it is none. Since 0.1.0.
---@param file? file* standard error
function debug.dump(file) end

---Writes a timeline of all tasks, in Chrome's trace format; nil ends it. With
---`fn` while fn(...) runs: its results. Raises if a timeline is being written.
---Since 0.1.0.
---@param file string|file*|nil a name, or an open file
---@param fn? tide.Callable
---@param ... any
---@return tide.Trace|any trace nil: the file could not be opened
---@return string? message
---@return string? code "ENOENT", "EACCES", ...
function debug.trace(file, fn, ...) end

---A timeline that is written. Since 0.1.0.
---@class tide.Trace
local Trace = {}

---Ends it; again is fine. Since 0.1.0.
---@return true? ok nil: not all could be written
---@return string? message
---@return string? code "ENOSPC", ...
function Trace:stop() end

return debug
