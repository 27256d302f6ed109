--- What lua_oom.c does with a scenario, in Lua. It is given the scenario's name
-- and returns `start`, in which allocations fail, and `after`, when none does
-- any more: it asks whether the state works, and whether anybody still waits.
--
-- test/oom/NAME.lua returns a function, the main task's, or a table:
--   main     the function
--   bare     main is called by the main program and not as a task
--   prepare  called before, while there is memory
--   after    called in the end by `after`
--   lost     tasks may still wait for ever in the end: nobody was told to wake
--            them (of a scenario that leaves some behind)
-- It runs in virtual time. Who waits for another task is in a group or a gather
-- with it, which cancels it if the other fails: a DeadlockError is a failure.

local scenario = dofile("test/oom/" .. ... .. ".lua")
if type(scenario) == "function" then
  scenario = { main = scenario }
end
local main, bare = scenario.main, scenario.bare
local ok, err, tide, deadlock

local function is_deadlock(e)
  return tide and tide.is(e, tide.DeadlockError)
end

local function on_report(report)
  deadlock = deadlock or is_deadlock(report.error) and report.error
end

local function use_tide()
  tide = require "tide"
  require "tide.core".clock_virtual(true)
  tide.loop():set_exception_handler(on_report)
end

local function start()
  if bare then
    ok, err = pcall(main)
  else
    ok, err = pcall(tide.run, main)
  end
end

--- A bit of all that there is, in virtual time.
local function check_state()
  local q, sum = tide.queue(2), 0
  local function produce()
    for i = 1, 5 do
      q:put(i)
      tide.sleep(0.1)
    end
    q:shutdown()
    return "done", 2
  end
  local function consume()
    local item = q:get()
    while item do
      sum = sum + item
      item = q:get()
    end
  end
  local begun = tide.loop():time()
  local word, two = tide.run(function()
    local producer = tide.task(produce)
    tide.gather(consume, consume)
    return producer:await()
  end)
  assert(word == "done" and two == 2 and sum == 15)
  assert(tide.loop():time() - begun >= 0.5)
end

--- What was left behind goes on, as far as it can.
local function check_left()
  tide.run(tide.sleep, 1000)
  collectgarbage()
  tide.run(tide.sleep, 0)
  local stats = tide.stats()
  if not scenario.lost then
    for _, task in ipairs(tide.all_tasks()) do
      error("asleep: " .. tostring(task))
    end
    assert(stats.tasks == 0, "there are tasks left")
  end
  assert(stats.timers == 0 and stats.handles == 0, "timers or handles are left")
end

local function after()
  if not tide then
    use_tide()
  end
  if not ok and is_deadlock(err) then
    error(err, 0)
  end
  check_left()
  check_state()
  if scenario.after then
    scenario.after(ok, err)
  end
  assert(not deadlock, deadlock)
end

if package.loaded["tide"] then
  use_tide()
end
if scenario.prepare then
  scenario.prepare()
end
return { start, after }
