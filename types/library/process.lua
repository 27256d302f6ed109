---@meta tide.process

--- Other programs: `require "tide.process"`.
---@class tide.process
local process = {}

---What stdin, stdout or stderr is: "pipe", "inherit", "null", of stderr "stdout",
---the path of a file, a descriptor, or what has one by `fileno`.
---@alias tide.process.Stdio string|integer|tide.Stream

---@class tide.process.SpawnOptions
---@field [integer] string|number the command and its arguments
---@field cwd? string
---@field env? table<string, string|number> instead of this program's
---@field stdin? tide.process.Stdio "null"
---@field stdout? tide.process.Stdio "inherit"
---@field stderr? tide.process.Stdio "inherit"
---@field uid? integer
---@field gid? integer
---@field detached? boolean it leads a session and a group of its own
---@field limit? integer
---@field high_water? integer

---@class tide.process.RunOptions: tide.process.SpawnOptions
---@field input? string|(string|number)[] its stdin
---@field check? boolean raise a ProcessError if it fails
---@field grace? number seconds between SIGTERM and SIGKILL: 2
---@field linger? number seconds for others that hold its pipes: 2

---@class tide.process.Result
---@field code integer?
---@field signal string?
---@field stdout string?
---@field stderr string?

---@class tide.Process
---@field pid integer
---@field stdin tide.Stream?
---@field stdout tide.Stream?
---@field stderr tide.Stream?
local Process = {}

---Its code; nil, "signal", its name; or nil, message, code. Since 0.1.0.
---@async
---@return integer? code
---@return string? message "signal", or why it is not known
---@return string? code "SIGTERM", or "ECHILD", "ECANCELED"
function Process:wait() end

---Sends a signal. Since 0.1.0.
---@param signal string|integer "SIGTERM", or its number
---@return true? ok
---@return string? message
---@return string? code "ESRCH": it has ended
function Process:kill(signal) end

---SIGTERM, then SIGKILL, to all of its group if it is detached. Since 0.1.0.
---@async
---@param grace? number seconds between them: 2
---@return integer? code
---@return string? message
---@return string? code
function Process:terminate(grace) end

---Kills it if it runs, closes its streams. `<close>` and `tide.with` do as
---`terminate`. Since 0.1.0.
function Process:close() end

---Starts a command; or nil, message, code. Since 0.1.0.
---@param options tide.process.SpawnOptions
---@return tide.Process? process
---@return string? message
---@return string? code
function process.spawn(options) end

---Runs a command to its end; or nil, message, code. Since 0.1.0.
---@async
---@param options tide.process.RunOptions
---@return tide.process.Result? result
---@return string? message
---@return string? code
function process.run(options) end

---Runs a command of the shell, in which nothing is quoted. Since 0.1.0.
---@async
---@param command string
---@param options? tide.process.RunOptions
---@return tide.process.Result? result
---@return string? message
---@return string? code
function process.shell(command, options) end

---The environment of this program, with changes; false: without. Since 0.1.0.
---@param changes? table<string, string|number|false>
---@return table<string, string|number>
function process.environ(changes) end

return process
