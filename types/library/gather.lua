---@meta _

--- Waiting for several at once.
---@class tide
local tide = {}

---A list; `n` where it has holes.
---@class tide.List
---@field n? integer
---@field [integer] tide.Awaitable

---A list of results, or of errors.
---@class tide.Results
---@field n integer
---@field [integer] any

---@class tide.GatherOptions
---@field pack? boolean each result is a list of all, with `n`
---@field return_exceptions? boolean results and errors, and no error is raised

---Runs all at the same time: the first result of each; of a list, a list with
---`n`. The first error cancels the others, awaits them and is raised; one that
---was cancelled counts as an error. Since 0.1.0.
---@async
---@param aw? tide.Awaitable
---@param ... tide.Awaitable
---@return any ...
---@overload async fun(list: tide.List, options?: tide.GatherOptions): tide.Results, tide.Results?
function tide.gather(aw, ...) end

---The results of the first to end, or raises its error; the others are cancelled
---and awaited. Since 0.1.0.
---@async
---@param aw tide.Awaitable
---@param ... tide.Awaitable
---@return any ...
---@overload async fun(list: tide.List): ...
function tide.race(aw, ...) end

---@class tide.WaitOptions
---@field timeout? number seconds
---@field return_when? "all_completed"|"first_completed"|"first_exception"

---Waits for Tasks and Futures, and cancels none. Both lists are in the order of
---`list`. Since 0.1.0.
---@async
---@param list (tide.Task|tide.Future)[]
---@param options? tide.WaitOptions
---@return (tide.Task|tide.Future)[] done
---@return (tide.Task|tide.Future)[] pending
function tide.wait(list, options) end

---@class tide.CompletedOptions
---@field timeout? number seconds from the call

---Starts all; the iterator waits for the next that ends, nil after the last, and
---raises TimeoutError for each that has not ended in time. Since 0.1.0.
---@nodiscard
---@param list tide.List
---@param options? tide.CompletedOptions
---@return async fun(): (tide.Task|tide.Future)? next
function tide.as_completed(list, options) end
