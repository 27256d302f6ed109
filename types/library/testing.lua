---@meta tide.testing

--- Tests of asynchronous code: `require "tide.testing"`.
---@class tide.testing
local testing = {}

---@class tide.testing.Options
---@field clock? "virtual"|"real" virtual is the default
---@field seed? integer shuffles the order of ready tasks, reproducibly

---`tide.run(fn)` under a virtual clock, which jumps when all tasks are blocked.
---Raises what `fn` raises, and a string while the loop runs. Since 0.1.0.
---@param fn tide.Callable
---@param options? tide.testing.Options
---@return any ...
function testing.run(fn, options) end

---Waits until every other task is blocked. Since 0.1.0.
---@async
function testing.wait_all_tasks_blocked() end

---@class tide.testing.Outcome
---@field ok boolean
---@field [integer] any results, or the error at 1
---@field n integer
---@field k integer at which await it was cancelled, from 1
---@field at "enter"|"parked"|"woken"
---@field hit boolean whether it got there

---Runs `fn` again and again, cancelling its task at the 1st, 2nd, ... await.
---Raises errors that are no CancelledError. The number of runs. Since 0.1.0.
---@param fn tide.Callable
---@param check? fun(outcome: tide.testing.Outcome) called after each run
---@param options? tide.testing.Options
---@return integer runs
function testing.explore(fn, check, options) end

---Two streams in memory, each the other's peer. Since 0.1.0.
---@param options? tide.net.StreamOptions
---@return tide.Stream near
---@return tide.Stream far
---@nodiscard
function testing.stream_pair(options) end

return testing
