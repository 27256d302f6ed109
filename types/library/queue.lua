---@meta _

--- What `tide.queue`, `tide.lifo_queue` and `tide.priority_queue` make.

---Items that some tasks put and others get. Items are anything but nil. Since
---0.1.0.
---@class tide.Queue
local Queue = {}

---Puts an item in; waits while the queue is full. Raises QueueShutDown when the
---queue is shut down, also while it waits. Since 0.1.0.
---@async
---@param item any not nil
function Queue:put(item) end

---Puts an item in without waiting. Since 0.1.0.
---@param item any not nil
---@return true? ok
---@return "full"|"shutdown"|nil message
function Queue:put_nowait(item) end

---Takes an item out; waits while there is none. nil, "shutdown" when there will
---be none any more. Since 0.1.0.
---@async
---@return any item
---@return "shutdown"? message
function Queue:get() end

---Takes an item out without waiting. Since 0.1.0.
---@return any item
---@return "empty"|"shutdown"|nil message
function Queue:get_nowait() end

---An iterator over what `get` returns. On PUC Lua 5.1 no `for` can wait: call it
---in a `while` loop there. Since 0.1.0.
---@nodiscard
---@return async fun(): any
function Queue:iter() end

---One item that was got is done with. Raises if called too often. Since 0.1.0.
function Queue:task_done() end

---Waits until `task_done` was called for each item that was put. Since 0.1.0.
---@async
function Queue:join() end

---From now on nothing can be put; `get` gives what is there, and then nil,
---"shutdown". Since 0.1.0.
---@param immediate? boolean drop what is there
function Queue:shutdown(immediate) end

---How many items can be got without waiting. Since 0.1.0.
---@nodiscard
---@return integer
function Queue:qsize() end

---Whether `get` would have to wait. Since 0.1.0.
---@nodiscard
---@return boolean
function Queue:empty() end

---Whether `put` would have to wait. Since 0.1.0.
---@nodiscard
---@return boolean
function Queue:full() end

---How many items it may hold; 0: any number. Since 0.1.0.
---@nodiscard
---@return integer
function Queue:maxsize() end

---A queue whose items come by their priority, the lowest first; of equal ones
---the one that was put first. Since 0.1.0.
---@class tide.PriorityQueue: tide.Queue
local PriorityQueue = {}

---Puts an item in; waits while the queue is full. Raises QueueShutDown, and what
---comparing priorities raises: then nothing was put. Since 0.1.0.
---@async
---@param item any not nil
---@param priority any a number, a string, or a value with `__lt`
function PriorityQueue:put(item, priority) end

---Puts an item in without waiting. Since 0.1.0.
---@param item any not nil
---@param priority any a number, a string, or a value with `__lt`
---@return true? ok
---@return "full"|"shutdown"|nil message
function PriorityQueue:put_nowait(item, priority) end
