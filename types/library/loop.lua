---@meta _

---@class tide
local tide = {}

---The loop of this Lua state. Since 0.1.0.
---@nodiscard
---@return tide.Loop
function tide.loop() end

---What the exception handler gets.
---@class tide.Report
---@field message string
---@field error? any
---@field task? tide.Task
---@field traceback? string
---@field swallowed? integer of a task that goes on although cancelled: how often
---@field created? string in debug mode: where the task was made

---The loop object. Since 0.1.0.
---@class tide.Loop
---@field slow_callback_duration number seconds; longer is reported in debug mode
local Loop = {}

---Seconds on a monotonic clock. Since 0.1.0.
---@nodiscard
---@return number
function Loop:time() end

---Calls `fn(...)` in the next turn; it cannot await. Since 0.1.0.
---@param fn tide.Callback
---@param ... any
---@return tide.Handle
function Loop:call_soon(fn, ...) end

---Calls `fn(...)` after so many seconds; it cannot await. Since 0.1.0.
---@param seconds number
---@param fn tide.Callback
---@param ... any
---@return tide.Handle
function Loop:call_later(seconds, fn, ...) end

---Calls `fn(...)` at that point in time; it cannot await. Since 0.1.0.
---@param when number
---@param fn tide.Callback
---@param ... any
---@return tide.Handle
function Loop:call_at(when, fn, ...) end

---Whether the loop runs. Since 0.1.0.
---@nodiscard
---@return boolean
function Loop:is_running() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function Loop:is_closed() end

---Drops unfinished tasks. An error while the loop runs. Since 0.1.0.
function Loop:close() end

---For hosts: turns until nothing is ready or `budget` seconds (0: one turn) are
---spent, then looks for events. True if work is ready. Raises while the loop
---runs. Since 0.1.0.
---@param budget? number
---@return boolean
function Loop:step(budget) end

---A descriptor to poll, or nil. Since 0.1.0.
---@nodiscard
---@return integer?
function Loop:fd() end

---Seconds until a step is due; `math.huge`: only by the descriptor. Since 0.1.0.
---@nodiscard
---@return number
function Loop:next_timeout() end

---Whether anything can still happen. Since 0.1.0.
---@nodiscard
---@return boolean
function Loop:alive() end

---It is called for errors that nobody else gets, and cannot await. nil: the
---default, which prints to stderr. Since 0.1.0.
---@param fn fun(report: tide.Report)|nil
function Loop:set_exception_handler(fn) end

---What was set; nil: the default. Since 0.1.0.
---@nodiscard
---@return fun(report: tide.Report)?
function Loop:get_exception_handler() end

---Debug mode; on from the beginning if the environment has TIDE_DEBUG=1.
---Since 0.1.0.
---@param on boolean
function Loop:set_debug(on) end

---Whether debug mode is on. Since 0.1.0.
---@nodiscard
---@return boolean
function Loop:get_debug() end

---false: awaiting in the main program is an error. Since 0.1.0.
---@param on boolean
function Loop:set_blocking(on) end

---While on, SIGINT cancels the main task; a second one is passed on. Since 0.1.0.
---@param on boolean
---@return true? ok
---@return string? message
---@return "EBUSY"|"ENOTSUP"|nil code another loop of this process has it; Windows
function Loop:set_interrupt(on) end

---How long `run` waits for what it cancelled: 5 seconds. Since 0.1.0.
---@param seconds number
function Loop:set_grace(seconds) end

---Runs the loop until a Task, Future or function has ended: its results, or
---raises its error. Raises DeadlockError; a string if it is stopped before, or if
---the loop runs. Other tasks are not ended. Since 0.1.0.
---@param aw tide.Awaitable
---@return any ...
function Loop:run_until_complete(aw) end

---Runs the loop until `stop`. Raises DeadlockError; a string if the loop runs.
---Since 0.1.0.
function Loop:run_forever() end

---Ends `run_until_complete` or `run_forever` after this turn; if none of them
---runs, the next makes one turn. Raises in `run`. Since 0.1.0.
function Loop:stop() end

---As `tide.task`. Since 0.1.0.
---@param fn tide.Callable
---@param ... any
---@return tide.Task
function Loop:create_task(fn, ...) end

---As `tide.future`. Since 0.1.0.
---@return tide.Future
function Loop:create_future() end

-- Handle

---A call that the loop will make. Since 0.1.0.
---@class tide.Handle
local Handle = {}

---It will not be called. Since 0.1.0.
function Handle:cancel() end

---Whether it was taken back. Since 0.1.0.
---@return boolean
function Handle:cancelled() end

---Its point in time. Since 0.1.0.
---@return number
function Handle:when() end
