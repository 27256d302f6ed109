---@meta tide

--- tide: asyncio for Lua. Seconds are numbers; points in time are seconds on the
--- clock of `tide.loop():time()`.
---
--- Misuse (a wrong argument, a call where it makes no sense) raises a string.
--- Whatever is marked async raises CancelledError when a scope around it is
--- cancelled, and a string where nothing can wait, as in a callback of the loop;
--- in the main program it drives the loop. Whatever calls a function raises what
--- that raises. What else is raised is told at each.
---@class tide
---@field _VERSION string since 0.1.0
local tide = {}

---What can be called: a function, or a table with `__call`. It may await.
---@alias tide.Callable async fun(...): ...

---What the loop calls. It cannot await.
---@alias tide.Callback fun(...)

-- Errors

---What tide raises. Since 0.1.0.
---@class tide.Error
---@field message? string
---@field reason? any of CancelledError, ScopeCancelled: what was given to `cancel`
---@field code? any of OSError: the name of the failure, such as "EBUSY"
---@field errors? any[] of ErrorGroup: in the order in which they came
---@field traceback? string of CancelledError, in debug mode

---A class of errors: call it with a message or a table of fields to make one.
---@class tide.ErrorClass
---@field name string
---@overload fun(message: string|table): tide.Error

---The scope is cancelled; `reason`. Let it pass. Since 0.1.0.
---@type tide.ErrorClass
tide.CancelledError = nil

---A deadline passed. Since 0.1.0.
---@type tide.ErrorClass
tide.TimeoutError = nil

---A scope without a function was cancelled; `reason`. Since 0.1.0.
---@type tide.ErrorClass
tide.ScopeCancelled = nil

---The object is not in a state for this. Since 0.1.0.
---@type tide.ErrorClass
tide.InvalidStateError = nil

---Nothing can wake the main task any more. Since 0.1.0.
---@type tide.ErrorClass
tide.DeadlockError = nil

---The task went on after its cancellation and was given up. Since 0.1.0.
---@type tide.ErrorClass
tide.AbandonedError = nil

---`run` was ended by the interrupt key. Since 0.1.0.
---@class tide.Interrupted: tide.Error
---@type tide.ErrorClass
tide.Interrupted = nil

---Several errors of a group: `errors`. Since 0.1.0.
---@type tide.ErrorClass
tide.ErrorGroup = nil

---A failure of the operating system: `code`. Since 0.1.0.
---@type tide.ErrorClass
tide.OSError = nil

---A process failed. Not raised yet. Since 0.1.0.
---@type tide.ErrorClass
tide.ProcessError = nil

---`put` on a queue that was shut down. Since 0.1.0.
---@type tide.ErrorClass
tide.QueueShutDown = nil

---The barrier was aborted, or reset while the task waited. Since 0.1.0.
---@type tide.ErrorClass
tide.BrokenBarrierError = nil

---The owner of the lock ended without releasing it. Since 0.1.0.
---@type tide.ErrorClass
tide.BrokenLockError = nil

---Whether `err` is an error of that class. Since 0.1.0.
---@nodiscard
---@param err any
---@param class tide.ErrorClass
---@return boolean
function tide.is(err, class) end

---Whether `err` is a CancelledError. Since 0.1.0.
---@nodiscard
---@param err any
---@return boolean
function tide.is_cancelled(err) end

---Iterates over the errors that `err` stands for: those of an ErrorGroup, or
---`err` alone. Since 0.1.0.
---@nodiscard
---@param err any
---@return fun(): any
function tide.errors(err) end

-- Running

---Runs `fn(...)` as the main task; returns its results or raises its error, when
---all that it started has ended. What is left is cancelled, and awaited for
---`Loop:set_grace` seconds. Raises Interrupted, DeadlockError; a string if the
---loop runs, or a host steps it. Since 0.1.0.
---@param fn tide.Callable
---@param ... any
---@return any ...
function tide.run(fn, ...) end

---Ends the process with `code` (0), in `run` after the cleanup of all tasks.
---Raises CancelledError where it is called in a task. Since 0.1.0.
---@async
---@param code? integer
function tide.exit(code) end

---Schedules `fn(...)`; runs nothing itself. Since 0.1.0.
---@param fn tide.Callable
---@param ... any
---@return tide.Task
function tide.task(fn, ...) end

---The task that runs; nil in callbacks and in the main program. Since 0.1.0.
---@nodiscard
---@return tide.Task?
function tide.current_task() end

---The unfinished tasks. Since 0.1.0.
---@nodiscard
---@return tide.Task[]
function tide.all_tasks() end

---Waits, then returns `result`. 0 or less: one turn; `math.huge`: for ever.
---Since 0.1.0.
---@async
---@generic T
---@param seconds number
---@param result? T
---@return T
function tide.sleep(seconds, result) end

---Waits for the host's next step; in `run` for the next turn. Since 0.1.0.
---@async
function tide.next_tick() end

---What can be polled: a descriptor, or an object that has one. If it has a method
---`dirty` that returns true, there is something to read.
---@alias tide.Pollable integer|{ getfd: fun(self): integer? }|{ fileno: fun(self): integer? }

---Until the descriptor is ready for one of `events`: for which. Or nil, message,
---code. Raises a string if another task waits for the same. Since 0.1.0.
---@async
---@param descriptor tide.Pollable
---@param events "r"|"w"|"rw"
---@return "r"|"w"|"rw"|nil events
---@return string? message
---@return string? code EBADF, ECANCELED, ...
function tide.poll(descriptor, events) end

---Wakes who polls it: its owner is about to close it. Since 0.1.0.
---@param descriptor tide.Pollable
function tide.poll_forget(descriptor) end

---Suspends the task until `wake(...)` is called; returns what that was given.
---`fn` starts what is to be waited for, and returns a function that aborts it
---(false from that: cannot be aborted) or nothing; neither can await. `wake`
---returns whether it was the call that counted. Since 0.1.0.
---@async
---@param fn fun(wake: (fun(...): boolean)): (fun(): boolean?)?
---@return any ...
function tide.park(fn) end

---Counts of the runtime. Since 0.1.0.
---@nodiscard
---@return tide.Stats
function tide.stats() end

---@class tide.Stats
---@field tasks integer unfinished
---@field ready integer of these, waiting for their turn
---@field sleeping integer of these, asleep
---@field timers integer sleeps, deadlines, delayed calls
---@field handles integer open handles
---@field wakers integer parks that wait for their wake
---@field spawned integer tasks so far
---@field switches integer resumes so far
---@field turns integer so far
---@field polls integer so far
---@field recycled integer coroutines used again so far
---@field swallowed integer cancellations that a task caught and met again so far

-- Scopes

---Calls `fn(...)` here, under a deadline: its results, or raises TimeoutError.
---Without `fn`, Lua 5.4.3 and later: a scope for `local x <close> =`. Since 0.1.0.
---@async
---@param seconds number? nil: no deadline
---@param fn tide.Callable
---@param ... any
---@return any ...
---@overload fun(seconds: number): tide.Scope
function tide.timeout(seconds, fn, ...) end

---The same with a point in time. Since 0.1.0.
---@async
---@param when number? nil: no deadline
---@param fn tide.Callable
---@param ... any
---@return any ...
---@overload fun(when: number): tide.Scope
function tide.timeout_at(when, fn, ...) end

---Calls `fn(...)` here: true and its results, or false if `seconds` passed.
---Since 0.1.0.
---@async
---@param seconds number? nil: no deadline
---@param fn tide.Callable
---@param ... any
---@return boolean in_time
---@return any ...
function tide.move_on_after(seconds, fn, ...) end

---Waits for a Task or Future or calls a function, for at most `seconds`; raises
---TimeoutError. At the deadline a task is cancelled and its end awaited; a value
---that it returns anyway wins. A function is not called when `seconds` <= 0.
---Since 0.1.0.
---@async
---@param aw tide.Awaitable
---@param seconds number? nil: no deadline
---@return any ...
function tide.wait_for(aw, seconds) end

---@class tide.ScopeOptions
---@field deadline? number a point in time
---@field shield? boolean cancels from outside wait

---Calls `fn(scope, ...)`: true and its results, or false and the reason if this
---scope's cancellation ended it. Since 0.1.0.
---@async
---@param options tide.ScopeOptions
---@param fn async fun(scope: tide.Scope, ...): ...
---@param ... any
---@return boolean completed
---@return any ... results or reason
---@overload async fun(fn: (async fun(scope: tide.Scope, ...): ...), ...): boolean, ...
---@overload fun(options: tide.ScopeOptions): tide.Scope
function tide.scope(options, fn, ...) end

---A function: calls it here; cancels from outside wait until it returned. A Task
---or Future: waits for it; a cancel ends only the waiting. Since 0.1.0.
---@async
---@param aw tide.Awaitable
---@param ... any
---@return any ...
function tide.shield(aw, ...) end

---Calls `fn(...)`, then `cleanup(err)`, shielded, whatever happened; the results
---or the error of `fn` pass on. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param cleanup async fun(err: any) given nil if `fn` returned
---@param ... any
---@return any ...
function tide.finally(fn, cleanup, ...) end

---Calls `fn(group, ...)`, waits for all tasks of the group; the results of `fn`.
---The first error cancels the others; one is raised unchanged, several as an
---ErrorGroup. A cancel while it waits cancels the tasks and is raised by the next
---await. Without `fn`, Lua 5.4.3 and later: a group for `local g <close> =`.
---Since 0.1.0.
---@async
---@param fn async fun(group: tide.Group, ...): ...
---@param ... any
---@return any ...
---@overload fun(): tide.Group
function tide.group(fn, ...) end

---The innermost scope that the task has open. Since 0.1.0.
---@nodiscard
---@return tide.Scope?
function tide.current_scope() end

-- Semaphores and events: the classes are in semaphore.lua

---`n` (1) permits: so many tasks at a time. Since 0.1.0.
---@nodiscard
---@param n? integer 0 or more
---@return tide.Semaphore
function tide.semaphore(n) end

---One that raises when it is released above `n`. Since 0.1.0.
---@nodiscard
---@param n? integer 0 or more
---@return tide.Semaphore
function tide.bounded_semaphore(n) end

---A flag to wait for, not set. Since 0.1.0.
---@nodiscard
---@return tide.Event
function tide.event() end

-- Locks, conditions and barriers: the classes are in lock.lua

---A lock, which belongs to the task that acquired it. Since 0.1.0.
---@nodiscard
---@return tide.Lock
function tide.lock() end

---A condition, with a lock of its own or a given one. Since 0.1.0.
---@nodiscard
---@param lock? tide.Lock
---@return tide.Condition
function tide.condition(lock) end

---A barrier for so many tasks. Since 0.1.0.
---@nodiscard
---@param parties integer 1 or more
---@return tide.Barrier
function tide.barrier(parties) end

-- Vars, generators, resources, callbacks: the classes are in var.lua,
-- generator.lua and with.lua

---A variable that each task has for itself. Since 0.1.0.
---@nodiscard
---@param default? any
---@return tide.Var
function tide.var(default) end

---An iterator for `for v in tide.generator(fn) do`, or to be called until it
---gives nil: the values that `fn` gives to its `yield`. `fn` may await. `yield`
---raises inside a scope that `fn` has open, and when the generator is closed.
---Since 0.1.0.
---@nodiscard
---@param fn async fun(yield: fun(...))
---@return tide.Generator generator
---@return nil
---@return nil
---@return tide.Generator closed at the end of a `for`, on Lua 5.4.3 and later
function tide.generator(fn) end

---Calls `fn(resource, ...)`, then closes the resource, shielded, whatever
---happened; the results of `fn`. A resource has a method `with`, or `__close`, or
---a method `close`. Since 0.1.0.
---@async
---@generic R
---@param resource R
---@param fn async fun(resource: R, ...): ...
---@param ... any
---@return any ...
function tide.with(resource, fn, ...) end

---Returns what it is given, or raises OSError for nil, message, code.
---Since 0.1.0.
---@generic T
---@param value T?
---@param ... any after nil: message and code
---@return T value
---@return any ...
function tide.check(value, ...) end

---A function that calls `fn(..., callback)`, waits until the callback is called,
---and returns what that was given, or raises the error. `fn` cannot await.
---Since 0.1.0.
---@nodiscard
---@param fn fun(...): ...
---@param options? tide.CallbackOptions
---@return tide.Callable
function tide.from_callback(fn, options) end

-- Queues: the classes are in queue.lua

---A queue, first in first out, of `maxsize` items; 0 or nil: unbounded. Since 0.1.0.
---@nodiscard
---@param maxsize? integer 0 or more
---@return tide.Queue
function tide.queue(maxsize) end

---A queue, last in first out. Since 0.1.0.
---@nodiscard
---@param maxsize? integer 0 or more
---@return tide.Queue
function tide.lifo_queue(maxsize) end

---A queue by priority, the lowest first. Since 0.1.0.
---@nodiscard
---@param maxsize? integer 0 or more
---@return tide.PriorityQueue
function tide.priority_queue(maxsize) end

-- Coroutines

---Lua's coroutine library, whose coroutines may await. Since 0.1.0.
---@class tide.coroutine
tide.coroutine = {}

---Since 0.1.0.
---@nodiscard
---@param fn async fun(...): ...
---@return thread
function tide.coroutine.create(fn) end

---Since 0.1.0.
---@async
---@param co thread
---@param ... any
---@return boolean ok
---@return any ...
function tide.coroutine.resume(co, ...) end

---Since 0.1.0.
---@async
---@param ... any
---@return any ...
function tide.coroutine.yield(...) end

---One that awaits is "normal". Since 0.1.0.
---@param co thread
---@return "running"|"suspended"|"normal"|"dead"
function tide.coroutine.status(co) end

---Since 0.1.0.
---@nodiscard
---@param fn async fun(...): ...
---@return async fun(...): ...
function tide.coroutine.wrap(fn) end

---Since 0.1.0.
---@return thread? running
---@return boolean? ismain
function tide.coroutine.running() end

---Only where Lua has it. Since 0.1.0.
---@param co? thread
---@return boolean
function tide.coroutine.isyieldable(co) end

---Only where Lua has it. Since 0.1.0.
---@param co thread
---@return boolean ok
---@return any err
function tide.coroutine.close(co) end

---The same as `tide.pcall`. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return boolean ok
---@return any ...
function tide.coroutine.pcall(fn, ...) end

---The same as `tide.xpcall`. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param handler fun(err: any): any
---@param ... any
---@return boolean ok
---@return any ...
function tide.coroutine.xpcall(fn, handler, ...) end

---Lua's; on PUC 5.1 one in which tasks can await. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param ... any
---@return boolean ok
---@return any ...
function tide.pcall(fn, ...) end

---Lua's; on PUC 5.1 one in which tasks can await. Since 0.1.0.
---@async
---@param fn tide.Callable
---@param handler fun(err: any): any
---@param ... any
---@return boolean ok
---@return any ...
function tide.xpcall(fn, handler, ...) end

return tide
