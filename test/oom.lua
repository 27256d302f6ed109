--- What lua_oom.c does with a scenario, in Lua. It is given the scenario's name
-- and how allocations fail, and returns `start`, in which they do, and `after`,
-- when none does any more: it asks whether the state works, and whether anybody
-- still waits.
--
-- test/oom/NAME.lua returns a function, the main task's, or a table:
--   main     the function
--   bare     main is called by the main program and not as a task
--   prepare  called before, while there is memory
--   host     main steps the loop: it goes on to a new one
--   before   called first by `after`
--   after    called in the end by `after`: whether main returned, its error, and
--            how allocations failed
--   lost     tasks may still wait for ever in the end: nobody was told to wake
--            them (of a scenario that leaves some behind)
-- It runs in virtual time. Who waits for another task is in a group or a gather
-- with it, which cancels it if the other fails: a DeadlockError is a failure.

local name, way = ...
local scenario = dofile("test/oom/" .. name .. ".lua")
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
      error("asleep: " .. task:traceback())
    end
    assert(stats.tasks == 0, "there are tasks left")
  end
  assert(stats.timers == 0 and stats.handles == 0, "timers or handles are left")
end

--- 5.1 marks a module that it loads, and takes the mark for a loop when it did
-- not load. The mark is a light userdata, which LuaJIT may take for a number.
local function forget_unloaded()
  for module, value in pairs(package.loaded) do
    if type(value) == "userdata" or type(value) == "number" then
      package.loaded[module] = nil
    end
  end
end

local function check_all()
  forget_unloaded()
  if scenario.before then
    scenario.before()
  end
  if scenario.host then
    tide.loop():close()
  end
  if not tide or scenario.host then
    use_tide()
  end
  assert(ok or not is_deadlock(err) and not tostring(err):find("assertion failed", 1, true))
  check_left()
  check_state()
  if scenario.after then
    scenario.after(ok, err, way)
  end
  assert(not deadlock, deadlock)
end

local function after()
  local well, why = pcall(check_all)
  if not well then
    error(("%s (it ended: %s, %s)"):format(tostring(why), tostring(ok), tostring(err)), 0)
  end
end

if package.loaded["tide"] then
  use_tide()
end
if scenario.prepare then
  scenario.prepare()
end
return { start, after }
