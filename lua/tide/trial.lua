--- A trial: functions that run one after the other in one task, while the main
-- program has its say between them, and what they leave behind. What
-- tide.busted makes of a test with its hooks.
--
-- The task is the main task of the loop while it has something to do: it is
-- told of a deadlock at its await, and an interrupt cancels it.

local core = require "tide.core"
local tide = require "tide"

core.own_chunk()

local GRACE = 5 -- seconds that what is left has for its cleanup

local Trial = {}
Trial.__index = Trial

local M = {}

local function pack(...)
  return { n = select("#", ...), ... }
end

-- ---- options

local checks = {
  task = function(v) return type(v) == "boolean", "boolean" end,
  clock = function(v) return v == "virtual" or v == "real", "'virtual' or 'real'" end,
  seed = function(v) return type(v) == "number" and v >= 0 and v < 2 ^ 53, "a number from 0 up" end,
  timeout = function(v) return type(v) == "number" and v > 0, "a number of seconds" end,
}

--- The options, which are argument `arg` of `name`, on top of those around them.
function M.options(around, options, arg, name)
  local all = {}
  for key, value in pairs(around) do
    all[key] = value
  end
  for key, value in pairs(options or {}) do
    if not checks[key] then
      core.misuse(("bad argument #%d to '%s' (unknown option '%s')"):format(arg, name,
        tostring(key)))
    end
    local ok, expected = checks[key](value)
    if not ok then
      core.misuse(("bad argument #%d to '%s' (%s: %s expected)"):format(arg, name, key, expected))
    end
    all[key] = value
  end
  return all
end

-- ---- what there is

local function tasks_now()
  local set = {}
  for _, task in ipairs(tide.all_tasks()) do
    set[task] = true
  end
  return set
end

local function calls_now()
  local set = {}
  for _, call in ipairs(core.pending_calls()) do
    set[call.key] = true
  end
  return set
end

--- A trial begins: what is there now is not its own.
function M.begin()
  local loop = tide.loop()
  local self = setmetatable({ tasks = tasks_now(), calls = calls_now(), reports = {} }, Trial)
  self.handles = tide.stats().handles
  self.handler = loop:get_exception_handler()
  loop:set_exception_handler(function(report)
    self.reports[#self.reports + 1] = report
  end)
  return self
end

-- ---- running functions

--- The trial's task: calls what it is given, then waits to be given more.
local function body(self)
  while self.fn do
    self.result = pack(tide.xpcall(self.fn, self.on_error))
    self.fn = nil
    while tide.current_task():uncancel() > 0 do end -- luacheck: ignore 542
    self.more = tide.future()
    core.pause()
    self.more:await()
  end
end

local function drive(self)
  local loop = tide.loop()
  local mine = loop:set_interrupt(true)
  local ok, interrupted = pcall(core.drive, self.task)
  if mine then
    loop:set_interrupt(false)
  end
  if not ok then
    error(interrupted, 0)
  end
  return interrupted
end

local function continue(self)
  if self.task and not self.task:done() then
    self.more:set_result()
  else
    self.task = tide.task(body, self):set_name("test")
  end
  return drive(self)
end

--- Cancels the task when the time is over, and keeps the tree of then.
local function start_alarm(self, seconds)
  return tide.loop():call_later(seconds, function()
    self.tree = tide.debug.tree()
    self.task:cancel("timeout")
  end)
end

local function own_end(self)
  local ok, err = pcall(self.task.result, self.task)
  return { n = 2, false, not ok and err or tide.AbandonedError("the test's task has ended") }
end

local function outcome(self, timeout)
  local result = self.result or own_end(self)
  if self.tree and (result[1] or tide.is_cancelled(result[2])) then
    return { n = 2, false, tide.TimeoutError(("timed out after %g s; the tasks were then:\n%s")
      :format(timeout, self.tree)) }
  end
  return result
end

--- Calls fn() in the trial's task: what pcall returns. `options`: clock, seed,
-- timeout. When fn fails, on_error(err[, co]) is called where it did, as xpcall
-- does it. The second result of an interrupted call is an Interrupted.
function Trial:call(fn, options, on_error)
  core.clock_virtual(options.clock == "virtual")
  core.seed(options.seed or 0)
  self.fn, self.on_error, self.result, self.tree = fn, on_error, nil, nil
  local timeout = options.timeout
  local alarm = timeout and start_alarm(self, timeout)
  local interrupted = continue(self)
  if alarm then
    alarm:cancel()
  end
  local result = outcome(self, timeout)
  if interrupted then
    return false, tide.Interrupted("interrupted")
  end
  return (table.unpack or unpack)(result, 1, result.n)
end

-- ---- what is left

--- The line of the traceback at which a user's function waits.
local function place_in(traceback)
  for source, line in (traceback or ""):gmatch("\n%s*([^\n]-):(%d+): in") do
    if not core.is_own("@" .. source) and not source:find("^%[") then
      return (" at %s:%s"):format(source, line)
    end
  end
  return ""
end

local function place_of(fn)
  local info = type(fn) == "function" and debug.getinfo(fn, "S")
  if not info or info.what == "C" then
    return tostring(fn)
  end
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

local function left_tasks(self)
  local list = {}
  for _, task in ipairs(tide.all_tasks()) do
    if not self.tasks[task] and task ~= self.task then
      list[#list + 1] = task
    end
  end
  return list
end

local function left_calls(self)
  local list = {}
  for _, call in ipairs(core.pending_calls()) do
    if not self.calls[call.key] then
      list[#list + 1] = call
    end
  end
  return list
end

--- The user's stack down to what C called. Lua's own traceback searches all
-- modules for the name of each function: too slow for each test.
function M.stack(level)
  local lines = { "\nstack traceback:" }
  local info = debug.getinfo(level, "Sl")
  while info and info.what ~= "C" do
    if info.currentline > 0 and not core.is_own(info.source) then
      lines[#lines + 1] = ("\t%s:%d: in %s"):format(info.short_src, info.currentline,
        info.what == "main" and "main chunk"
        or ("function <%s:%d>"):format(info.short_src, info.linedefined))
    end
    level = level + 1
    info = debug.getinfo(level, "Sl")
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Which tasks and delayed calls are left. What has been cancelled is ending.
local function tell_left(self, lines)
  for _, task in ipairs(left_tasks(self)) do
    if task:cancelling() == 0 then
      lines[#lines + 1] = "left: " .. tostring(task) .. place_in(task:traceback())
    end
  end
  for _, call in ipairs(left_calls(self)) do
    lines[#lines + 1] = "left: a delayed call of " .. place_of(call.fn)
  end
end

local function tell_handles(self, lines)
  local handles = tide.stats().handles - self.handles
  if handles > 0 then
    lines[#lines + 1] = ("left: %d open handle%s"):format(handles, handles == 1 and "" or "s")
  end
end

local function tell_reports(self, lines)
  for _, report in ipairs(self.reports) do
    local cause = report.traceback or report.error
    lines[#lines + 1] = report.message .. (cause ~= nil and ": " .. tostring(cause) or "")
  end
end

--- Errors of their cleanup are told; that one is abandoned is no news.
local function tell_ends(tasks, lines)
  for task in pairs(tasks) do
    local ok, err = pcall(task.exception, task)
    if ok and err ~= nil and not tide.is(err, tide.AbandonedError) then
      lines[#lines + 1] = ("%s failed when it was cancelled: %s"):format(task:get_name(),
        tostring(err))
    end
  end
end

--- Cancels the tasks that are left, and those that these start, and waits.
local function wind_up(self, lines)
  local loop = tide.loop()
  local till = loop:time() + GRACE
  local cancelled, list = {}, left_tasks(self)
  while #list > 0 and loop:time() < till do
    for _, task in ipairs(list) do
      task:cancel()
      cancelled[task] = true
    end
    tide.wait(list, { timeout = till - loop:time() })
    list = left_tasks(self)
  end
  for _, task in ipairs(list) do
    core.give_up(task)
  end
  if #list > 0 then
    tide.wait(list, { timeout = GRACE })
  end
  tell_ends(cancelled, lines)
end

--- The task returns when there is nothing for it to do. What was about to end
-- has had its turn then.
local function stop(self)
  if self.task then
    continue(self)
  end
  tide.sleep(0)
end

--- Ends the trial and what is left of it. Returns what was left, and what had
-- been reported, as a text; nil if there is nothing to tell.
function Trial:finish()
  local lines = {}
  stop(self)
  tell_left(self, lines)
  for _, call in ipairs(left_calls(self)) do
    call[1]:cancel()
  end
  wind_up(self, lines)
  tell_handles(self, lines)
  core.report_unseen()
  tell_reports(self, lines)
  tide.loop():set_exception_handler(self.handler)
  core.clock_virtual(false)
  core.seed(0)
  return #lines > 0 and table.concat(lines, "\n") or nil
end

return M
