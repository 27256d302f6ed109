--- Tests of asynchronous code: virtual time, seeded order, cancelling at every
-- await.

local core = require "tide.core"
local tide = require "tide"

core.own_chunk()

local M = {}

local function restore(ok, ...)
  local err = ...
  core.clock_virtual(false)
  core.seed(0)
  if not ok then
    error(err, 0)
  end
  return ...
end

local function check_options(options)
  if options == nil then
    return {}
  end
  if type(options) ~= "table" then
    core.misuse("bad argument #2 to 'testing.run' (table expected, got " .. type(options) .. ")")
  end
  for key in pairs(options) do
    if key ~= "clock" and key ~= "seed" then
      core.misuse(("bad argument #2 to 'testing.run' (unknown option '%s')"):format(tostring(key)))
    end
  end
  local clock = options.clock
  if clock ~= nil and clock ~= "virtual" and clock ~= "real" then
    core.misuse("bad argument #2 to 'testing.run' (clock: 'virtual' or 'real' expected)")
  end
  local seed = options.seed
  if seed ~= nil and (type(seed) ~= "number" or not (seed >= 0 and seed < 2 ^ 53)) then
    core.misuse("bad argument #2 to 'testing.run' (seed: a number from 0 up expected)")
  end
  return options
end

--- tide.run(fn) for tests. Options: clock = "virtual" (the default: time jumps
-- when all tasks are blocked) or "real"; seed = n shuffles the order in which
-- ready tasks run, the same each time.
function M.run(fn, options)
  core.check_callable(fn, 1, "testing.run")
  options = check_options(options)
  if core.is_running() then
    core.misuse("'testing.run' cannot be called while the loop runs")
  end
  core.clock_virtual(options.clock ~= "real")
  core.seed(options.seed or 0)
  return restore(pcall(core.run, fn))
end

--- Waits until every other task is blocked.
M.wait_all_tasks_blocked = core.wait_all_tasks_blocked

--- Two streams in memory, each the other's peer: stream_pair([options]), as
-- those of `tide.net.connect`. Nothing of it is I/O: time may be virtual.
function M.stream_pair(options)
  require "tide.stream"
  return core.stream_pair(options)
end

local function outcome(k, at, ok, ...)
  return { k = k, at = at, ok = ok, hit = core.probe_hit(), n = select("#", ...), ... }
end

local function explore_once(fn, k, at, options)
  return outcome(k, at, pcall(M.run, function()
    core.probe(k, at)
    return fn()
  end, options))
end

local function check_outcome(result, seed)
  if not result.ok and not tide.is_cancelled(result[1]) then
    local where = result.hit and ("cancelled at await %d (%s)"):format(result.k, result.at)
      or "not cancelled"
    error(("explore: %s%s: %s"):format(where, seed and ", seed " .. seed or "",
      tostring(result[1])), 0)
  end
end

--- Runs `fn` again and again, cancelling its task at the 1st, 2nd, ... await,
-- until it ends before it gets there: once at the await's entry, once when it
-- has just been suspended there, once when it has just been woken. After each,
-- `check(outcome)` is called: {ok =, [1..n] = results or error, k =, at =}. An
-- error that is no CancelledError is raised. Returns the number of runs.
function M.explore(fn, check, options)
  core.check_callable(fn, 1, "testing.explore")
  if check ~= nil then
    core.check_callable(check, 2, "testing.explore")
  end
  local runs = 0
  for _, at in ipairs { "enter", "parked", "woken" } do
    local k = 0
    repeat
      k = k + 1
      local result = explore_once(fn, k, at, options)
      runs = runs + 1
      check_outcome(result, options and options.seed)
      if check then
        check(result)
      end
    until not result.hit
  end
  return runs
end

return M
