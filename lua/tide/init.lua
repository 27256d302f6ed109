--- tide: asyncio for Lua.
--
-- General layout. tide.core is the C module: tasks, sleep, park, the loop, run,
-- the error classes. On it stand, one noun a file:
--   tide.scope       timeout, move_on_after, wait_for, scope, shield, finally
--   tide.gather      gather, wait, race, as_completed
--   tide.group       groups of tasks
--   tide.loop        loop methods that wait
--   tide.semaphore   semaphore, bounded_semaphore
--   tide.lock        lock
--   tide.condition   condition
--   tide.barrier     barrier
--   tide.var         var
--   tide.generator   generator
--   tide.with        with, check
--   tide.callback    from_callback
--   tide.queue       queue, lifo_queue, priority_queue
--   tide.coroutine   coroutines that may await; pcall and xpcall for 5.1
--   tide.net         streams over TCP and Unix sockets, servers (loaded when asked for)
--   tide.connect     how net.connect tries the addresses of a name (not loaded from here)
--   tide.stream      what Lua adds to streams (not loaded from here)
--   tide.udp         net.udp, datagrams (not loaded from here)
--   tide.dns         addresses of names, names of addresses (loaded when asked for)
--   tide.fs          files and directories (loaded when asked for)
--   tide.signal      waiting for signals (loaded when asked for)
--   tide.stdio       standard input, output and error (loaded when asked for)
--   tide.process     children: spawn, run, shell (loaded when asked for)
--   tide.testing     virtual time, seeds, explore (loaded when asked for)
--   tide.busted      busted's tests as tasks (loaded when asked for)
--   tide.trial       what a test of tide.busted is made of (not loaded from here)
--   tide.luv         tasks in luv's loop: Neovim's (loaded when asked for)
--   tide.love        tasks in the frames of LÖVE (loaded when asked for)
--   tide.luasocket   LuaSocket whose calls await (loaded when asked for)
--   tide.host        what tide.luv and tide.love have in common (not loaded from here)
--   tide.compat51    makes the global pcall of 5.1 ours (not loaded from here)
--   tide.hold        what the methods `with` are made of (not loaded from here)
-- This file gathers what `require "tide"` gives.

local core = require "tide.core"
local barrier = require "tide.barrier"
local callback = require "tide.callback"
local condition = require "tide.condition"
local cothread = require "tide.coroutine"
local gather = require "tide.gather"
local generator = require "tide.generator"
local group = require "tide.group"
local lock = require "tide.lock"
local queue = require "tide.queue"
local scope = require "tide.scope"
local semaphore = require "tide.semaphore"
local var = require "tide.var"
local with = require "tide.with"
require "tide.loop"

core.own_chunk()

---@class tide
local tide = {
  _VERSION = "tide 0.1.0",

  task = core.task,
  current_task = core.current_task,
  all_tasks = core.all_tasks,
  sleep = core.sleep,
  next_tick = core.next_tick,
  park = core.park,
  poll = core.poll,
  poll_forget = core.poll_forget,
  loop = core.loop,
  stats = core.stats,
  is = core.is,
  is_cancelled = core.is_cancelled,

  timeout = scope.timeout,
  timeout_at = scope.timeout_at,
  move_on_after = scope.move_on_after,
  wait_for = scope.wait_for,
  scope = scope.scope,
  shield = scope.shield,
  finally = scope.finally,
  current_scope = core.current_scope,

  gather = gather.gather,
  wait = gather.wait,
  race = gather.race,
  as_completed = gather.as_completed,
  group = group.group,
  future = core.future,

  semaphore = semaphore.semaphore,
  bounded_semaphore = semaphore.bounded_semaphore,
  event = core.event,
  lock = lock.lock,
  condition = condition.condition,
  barrier = barrier.barrier,

  var = var.var,
  generator = generator.generator,
  with = with.with,
  check = with.check,
  from_callback = callback.from_callback,
  queue = queue.queue,
  lifo_queue = queue.lifo_queue,
  priority_queue = queue.priority_queue,

  coroutine = cothread,
  pcall = cothread.pcall,
  xpcall = cothread.xpcall,

  CancelledError = core.CancelledError,
  TimeoutError = core.TimeoutError,
  ScopeCancelled = core.ScopeCancelled,
  InvalidStateError = core.InvalidStateError,
  ProcessError = core.ProcessError,
  QueueShutDown = core.QueueShutDown,
  BrokenBarrierError = core.BrokenBarrierError,
  BrokenLockError = core.BrokenLockError,
  DeadlockError = core.DeadlockError,
  AbandonedError = core.AbandonedError,
  ErrorGroup = core.ErrorGroup,
  OSError = core.OSError,
  Interrupted = core.Interrupted,
}

--- Runs `fn` as the main task: its results, or its error. Tasks that are left
-- then are cancelled and awaited, for `loop():set_grace` seconds at most.
function tide.run(fn, ...)
  if core.in_script() and core.is_main() then
    core.check_callable(fn, 1, "tide.run")
    return fn(...) -- bin/tide has made the script the main task already
  end
  return core.run(fn, ...)
end

--- Iterates over the errors that `e` stands for: those of an ErrorGroup, or `e`
-- alone.
function tide.errors(e)
  local list = tide.is(e, tide.ErrorGroup) and e.errors or { e }
  local i = 0
  return function()
    i = i + 1
    return list[i]
  end
end

--- Ends the process with `code`, after the cleanup of all tasks.
function tide.exit(code)
  if code ~= nil and type(code) ~= "number" then
    core.misuse("bad argument #1 to 'tide.exit' (number expected, got " .. type(code) .. ")")
  end
  core.begin_exit(code)
  if core.in_task() then
    core.sleep(0) -- as all that is cancelled, it gives up a turn first
    error(core.CancelledError(), 0) -- it is another task than main, or shielded
  end
end

-- Loaded when they are first asked for: tide.testing.run
local modules = {
  busted = true,
  debug = true,
  dns = true,
  fs = true,
  luasocket = true,
  net = true,
  process = true,
  signal = true,
  stdio = true,
  testing = true,
}

return setmetatable(tide, {
  __index = function(_, name)
    if modules[name] then
      tide[name] = require("tide." .. name)
      return tide[name]
    end
  end,
})
