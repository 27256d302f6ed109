--- tide.process: children: spawn, run, shell.

local tide = require "tide"
local core = require "tide.core"
local protected = require "tide.coroutine".xpcall
require "tide.stream"

core.own_chunk()

local process = {}
local Process, misuse = core.Process, core.misuse

local GRACE = 2 -- seconds between SIGTERM and SIGKILL; less than run's own
local KILLED = 1 -- seconds to wait for what was killed
local LOOKS = 3 -- in vain, until there is none in a pipe
local FULL = 1048576 -- bytes: as many as a pipe has, at most
local RUNS = { "input", "check" } -- options that nobody may take for those of spawn
local LINE = 60 -- bytes of a line of the shell in a message

--- A process: `spawn{command, arguments..., cwd=, env=, stdin=, stdout=, stderr=,
-- uid=, gid=, detached=}`; or nil, message, code.
function process.spawn(options)
  for _, name in ipairs(RUNS) do
    if type(options) == "table" and rawget(options, name) ~= nil then
      misuse(("bad option '%s' to 'tide.process.spawn' (that is for 'run')"):format(name))
    end
  end
  return core.spawn(options, "tide.process.spawn", false)
end

--- The environment of this process as a table, with some changed; false: without.
function process.environ(changes)
  if changes ~= nil and type(changes) ~= "table" then
    misuse("bad argument #1 to 'tide.process.environ' (table expected, got " ..
      type(changes) .. ")")
  end
  local env = core.environ()
  for name, value in pairs(changes or {}) do
    env[name] = value or nil
  end
  return env
end

-- ---- ending

--- Until neither it nor another of its own group is there.
local function wait_until_gone(child)
  local pause = 0.001
  child:wait()
  while core.process_is_left(child) do
    tide.sleep(pause)
    pause = math.min(2 * pause, 0.2)
  end
end

local function ask_to_end(child, grace)
  core.process_kill_all(child, "SIGTERM")
  tide.move_on_after(grace, wait_until_gone, child)
end

local function make_end(child)
  core.process_kill_all(child, "SIGKILL")
  tide.move_on_after(KILLED, wait_until_gone, child)
  child:close()
end

local function seconds(value, otherwise, what, name)
  if value == nil then
    return otherwise
  elseif type(value) ~= "number" or value ~= value then
    misuse(("bad %s to '%s' (a number of seconds expected)"):format(what, name))
  end
  return value
end

--- SIGTERM to all of its group, if that is its own, SIGKILL after `grace` seconds
-- to what is left, and closes it: what `wait` returns. A cancel ends the grace.
function Process:terminate(grace)
  core.check_process(self, "Process:terminate")
  grace = seconds(grace, GRACE, "argument #1", "Process:terminate")
  core.check_task("Process:terminate", true)
  tide.finally(ask_to_end, function() make_end(self) end, self, grace)
  return self:wait()
end

--- As `terminate`, also for who was cancelled; at once where nobody can wait.
function core.ProcessClass.__close(child)
  local ok, err = true, nil
  if core.can_wait() then
    ok, err = protected(tide.shield, core.note, child.terminate, child)
  end
  child:close() -- also if there was no memory to do it well
  if not ok then
    error(err, 0)
  end
end

-- ---- run

--- What it does not want to read is no error.
local function feed(stream, input)
  if stream:write(input) then
    stream:shutdown()
  end
  stream:close()
end

local function collect(job, stream, parts)
  local size, data = 0, stream:read()
  while data do
    parts[#parts + 1] = data
    size = size + #data
    job.size = job.size + #data
    if size > job.limit then
      job.too_long = true
      job.group:cancel()
    end
    data = stream:read()
  end
end

local function is_any_left(tasks)
  for _, task in ipairs(tasks) do
    if not task:done() then
      return true
    end
  end
  return false
end

--- What it wrote is in the pipes, however early or late it is that nobody waits
-- for more.
local function take_rest(job, tasks)
  local looks, most = LOOKS, job.size + FULL
  while looks > 0 and job.size < most and is_any_left(tasks) do
    local before = job.size
    tide.wait(tasks, { timeout = 0.001 })
    looks = job.size == before and looks - 1 or LOOKS
  end
end

--- Its end, and then that of its output, which others may have as well.
local function communicate(group, job)
  local child, tasks = job.child, {}
  job.group = group
  if job.input ~= nil then
    tasks[1] = group:task(feed, child.stdin, job.input)
  elseif child.stdin then
    child.stdin:close() -- nobody has it to write to
  end
  for _, name in ipairs { "stdout", "stderr" } do
    if child[name] then
      job[name] = {}
      tasks[#tasks + 1] = group:task(collect, job, child[name], job[name])
    end
  end
  job.code, job.message, job.signal = child:wait()
  if #tasks > 0 then
    tide.wait(tasks, { timeout = job.linger })
    take_rest(job, tasks)
    job.is_held = is_any_left(tasks)
    group:cancel()
  end
end

--- Its children live on if all is well and they do not hold its pipes.
local function finish(job, err)
  if err ~= nil or job.is_held or job.too_long then
    ask_to_end(job.child, job.grace)
    make_end(job.child)
  else
    core.process_is_left(job.child)
    job.child:close()
  end
end

local function to_its_end(job)
  tide.finally(tide.group, job.finish, communicate, job)
end

local function result_of(job)
  if job.too_long then
    return nil, "its output is longer than the limit", "EMSGSIZE"
  elseif job.code == nil and job.message ~= "signal" then
    return nil, job.message, job.signal
  end
  return {
    code = job.code,
    signal = job.signal,
    stdout = job.stdout and table.concat(job.stdout),
    stderr = job.stderr and table.concat(job.stderr),
  }
end

--- For a message.
local function beginning_of(line)
  local first = line:match("^[^\n]*"):sub(1, LINE)
  return ("'%s'"):format(first == line and line or first .. "...")
end

local function raise_failure(command, result, message, code)
  if not result then
    error(core.OSError { message = message, code = code }, 0)
  end
  local how = result.signal and "was killed by " .. result.signal
    or "ended with code " .. result.code
  error(core.ProcessError {
    message = command .. " " .. how,
    code = result.code,
    signal = result.signal,
    stdout = result.stdout,
    stderr = result.stderr,
  }, 0)
end

local function spawn_to_run(options, name)
  local wanted = options
  if options.input ~= nil then
    wanted = { stdin = "pipe" }
    for key, value in pairs(options) do
      wanted[key] = value
    end
  end
  return core.spawn(wanted, name, true)
end

local function read_limit(options, name)
  local limit = options.limit
  if limit ~= nil and (type(limit) ~= "number" or limit ~= limit or limit < 1) then
    misuse("bad option 'limit' to '" .. name .. "' (a number from 1 up expected)")
  end
  return limit or math.huge
end

local function check_input(options, name)
  local kind = type(options.input)
  if kind == "table" then
    for i, item in ipairs(options.input) do
      if type(item) ~= "string" and type(item) ~= "number" then
        misuse(("bad option 'input' to '%s' (item %d: string expected, got %s)"):format(name, i,
          type(item)))
      end
    end
  elseif kind ~= "nil" and kind ~= "string" then
    misuse(("bad option 'input' to '%s' (string or list expected, got %s)"):format(name, kind))
  end
  if kind ~= "nil" and options.stdin ~= nil then
    misuse(("bad option 'stdin' to '%s' (there is an 'input')"):format(name))
  end
end

--- Runs it; `line`: of the shell.
local function run(options, name, line)
  if type(options) ~= "table" then
    misuse(("bad argument #1 to '%s' (table expected, got %s)"):format(name, type(options)))
  end
  check_input(options, name)
  local job = {
    input = options.input,
    limit = read_limit(options, name),
    grace = seconds(options.grace, GRACE, "option 'grace'", name),
    linger = seconds(options.linger, GRACE, "option 'linger'", name),
    child = false,
    size = 0,
  }
  local result, message, code
  core.check_task(name, true)
  core.checkpoint() -- who was cancelled before starts nothing
  job.finish = function(err) finish(job, err) end
  job.child, message, code = spawn_to_run(options, name)
  if job.child then
    local ok, err = protected(to_its_end, core.note, job)
    job.child:close() -- also if there was no memory to do it well
    if not ok then
      error(err, 0)
    end
    result, message, code = result_of(job)
  end
  if options.check and not (result and result.code == 0) then
    raise_failure(line and beginning_of(line) or options[1], result, message, code)
  end
  return result, message, code
end

--- Runs a command to its end: `run{command, arguments..., input=, check=, limit=,
-- grace=, linger=}` and what spawn takes: {code=, signal=, stdout=, stderr=}; or
-- nil, message, code. It does not outlive the call.
function process.run(options)
  return run(options, "tide.process.run")
end

--- The same of a command of the shell: `shell(command[, options])`. Nothing in it
-- is quoted: of what others say, nothing is to be in it.
function process.shell(command, options)
  if type(command) ~= "string" then
    misuse("bad argument #1 to 'tide.process.shell' (string expected, got " ..
      type(command) .. ")")
  elseif options ~= nil and type(options) ~= "table" then
    misuse("bad argument #2 to 'tide.process.shell' (table expected, got " ..
      type(options) .. ")")
  end
  local all = {}
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  all[1], all[2], all[3] = "/bin/sh", "-c", command
  if package.config:sub(1, 1) == "\\" then
    all[1], all[2] = "cmd.exe", "/c"
  end
  return run(all, "tide.process.shell", command)
end

return process
