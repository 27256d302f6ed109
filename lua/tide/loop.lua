--- Loop methods that wait: run_until_complete, run_forever; and what they need.
--
-- They wait in the main program, for a Future that `stop` sets: so an interrupt
-- and a deadlock are told there, as in any other wait.

local core = require "tide.core"
local gather = require "tide.gather"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local Loop = core.Loop

local stopper -- set by stop, while the loop is run from here
local stopped -- the loop whose stop was called before

local function close_stopper(ok, ...)
  stopper = nil
  if not ok then
    error((...), 0)
  end
end

--- Before anything is started for it: the main program must be what calls.
local function check_main(name)
  if core.is_running() then
    core.misuse(("'%s': the loop is running"):format(name))
  end
  core.check_task(name)
end

--- Runs the loop until `stop`, or until `aw` has ended, if there is one.
local function run(self, aw)
  if stopped == self then -- as asyncio's: one turn
    stopped = nil
    core.sleep(0)
    return
  end
  stopper = core.future()
  close_stopper(protected(gather.wait, core.note, { stopper, aw },
    { return_when = "first_completed" }))
end

--- Runs the loop until the Task or Future `aw` has ended, a function is made a
-- Task; its results, or its error. Other tasks are not ended.
function Loop:run_until_complete(aw)
  local name = "Loop:run_until_complete"
  core.check_loop(self, name)
  local is_awaitable = core.is_awaitable(aw)
  if not is_awaitable then
    core.check_callable(aw, 2, name)
  end
  check_main(name)
  aw = is_awaitable and aw or core.task(aw)
  run(self, aw)
  if not aw:done() then
    core.misuse(("'%s': the loop was stopped before it ended"):format(name))
  end
  return aw:result()
end

--- Runs the loop until `stop`.
function Loop:run_forever()
  core.check_loop(self, "Loop:run_forever")
  check_main("Loop:run_forever")
  run(self)
end

--- Ends run_until_complete or run_forever, or the next one, after this turn.
function Loop:stop()
  core.check_loop(self, "Loop:stop")
  if stopper then
    if not stopper:done() then
      stopper:set_result()
    end
  elseif core.is_running() then
    core.misuse("'Loop:stop': only run_forever and run_until_complete can be stopped")
  else
    stopped = self
  end
end

--- As `tide.task`.
function Loop:create_task(fn, ...)
  core.check_loop(self, "Loop:create_task")
  core.check_callable(fn, 2, "Loop:create_task")
  return core.task(fn, ...)
end

--- As `tide.future`.
function Loop:create_future()
  core.check_loop(self, "Loop:create_future")
  return core.future()
end
