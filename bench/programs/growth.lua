--- Operations that are done N times at once, to see what they cost when N grows.
--   lua bench/programs/growth.lua OPERATION N   prints nanoseconds for each
--   lua bench/programs/growth.lua list          prints the names
--   lua bench/programs/growth.lua all N         only does each once
--
-- An operation prepares and returns the function that is measured. It is done
-- again and again, for a tenth of a second, where N is small.

local testing = require "tide.testing"
local tide = require "tide"

local function nothing() end
local function one() return 1 end
local function fail() error("failed", 0) end

local function spawn(n, fn, ...)
  local tasks = {}
  for i = 1, n do
    tasks[i] = tide.task(fn, ...)
  end
  return tasks
end

--- N tasks that run up to where they wait.
local function waiting(n, fn, ...)
  local tasks = spawn(n, fn, ...)
  tide.sleep(0)
  return tasks
end

local function await_all(tasks)
  for i = 1, #tasks do
    tasks[i]:await()
  end
end

--- The middle of the list first, its ends last.
local function cancel_from_middle(list)
  local middle = math.floor(#list / 2)
  for i = 1, middle do
    list[middle + i]:cancel()
    list[middle + 1 - i]:cancel()
  end
  if #list > 2 * middle then
    list[#list]:cancel()
  end
end

local ops, names = {}, {}

--- A table that keeps what is put into it, and in which order, with its kind:
-- "real" runs on the real clock, "virtual" on one that jumps; of a "whole" one
-- all of the run is measured, not a function that it returns.
local function definer(kind)
  return setmetatable({}, { __newindex = function(_, name, prepare)
    names[#names + 1] = name
    ops[name] = { kind = kind, prepare = prepare }
  end })
end

local real, virtual, whole = definer "real", definer "virtual", definer "whole"

-- ---- tasks

real["switch"] = function(n)
  local tasks = waiting(n, function()
    for _ = 1, 4 do
      tide.sleep(0)
    end
  end)
  return function() await_all(tasks) end
end

real["spawn and await"] = function(n)
  return function() await_all(spawn(n, nothing)) end
end

real["await chain"] = function(n)
  return function()
    local last = tide.task(tide.sleep, 0)
    for _ = 2, n do
      last = tide.task(last.await, last)
    end
    last:await()
  end
end

real["await chain, cancelled"] = function(n)
  local last = tide.task(tide.sleep, 60)
  for _ = 2, n do
    last = tide.task(last.await, last)
    tide.sleep(0)
  end
  return function()
    last:cancel()
    tide.wait { last }
  end
end

real["awaiters of one task"] = function(n)
  local ended = tide.event()
  local task = tide.task(ended.wait, ended)
  local tasks = waiting(n, task.await, task)
  return function()
    ended:set()
    await_all(tasks)
  end
end

real["awaiters of one, cancelled"] = function(n)
  local task = tide.task(tide.sleep, 60)
  local tasks = waiting(n, task.await, task)
  return function()
    cancel_from_middle(tasks)
    tide.wait(tasks)
  end
end

real["sleeps, cancelled"] = function(n)
  local tasks = waiting(n, function() tide.sleep(60 + math.random()) end)
  return function()
    cancel_from_middle(tasks)
    tide.wait(tasks)
  end
end

real["parks, cancelled"] = function(n)
  local tasks = waiting(n, tide.park, function() return one end)
  return function()
    cancel_from_middle(tasks)
    tide.wait(tasks)
  end
end

real["parks, woken"] = function(n)
  local wakes = {}
  local tasks = waiting(n, tide.park, function(wake) wakes[#wakes + 1] = wake end)
  return function()
    for i = 1, n do
      wakes[i]()
    end
    await_all(tasks)
  end
end

whole["tasks left when run ends"] = function(n)
  waiting(n, tide.sleep, 60)
end

real["done callbacks"] = function(n)
  local future, left, called = tide.future(), n, tide.event()
  return function()
    for _ = 1, n do
      future:add_done_callback(function()
        left = left - 1
        if left == 0 then
          called:set()
        end
      end)
    end
    future:set_result()
    called:wait()
  end
end

real["tasks named, all listed"] = function(n)
  local tasks = waiting(n, tide.sleep, 60)
  return function()
    for i = 1, n do
      tasks[i]:set_name("name")
    end
    assert(#tide.all_tasks() > n)
    cancel_from_middle(tasks)
    tide.wait(tasks)
  end
end

real["tasks failed, reported"] = function(n)
  tide.loop():set_exception_handler(nothing)
  return function()
    spawn(n, fail)
    tide.sleep(0)
    collectgarbage()
    tide.sleep(0)
  end
end

-- ---- several at once

local function functions(n, fn)
  local list = {}
  for i = 1, n do
    list[i] = fn
  end
  return list
end

real["gather"] = function(n)
  local list = functions(n, one)
  return function() tide.gather(list) end
end

real["gather, all fail"] = function(n)
  local list = functions(n, fail)
  return function() tide.gather(list, { return_exceptions = true }) end
end

real["gather, cancelled"] = function(n)
  local task = waiting(1, tide.gather, functions(n, function() tide.sleep(60) end))[1]
  tide.sleep(0)
  return function()
    task:cancel()
    tide.wait { task }
  end
end

real["race"] = function(n)
  local list = functions(n, function() tide.sleep(60) end)
  list[math.floor(n / 2)] = one
  return function() tide.race(list) end
end

real["wait"] = function(n)
  local tasks = spawn(n, tide.sleep, 0)
  return function() tide.wait(tasks) end
end

real["as_completed"] = function(n)
  local list = functions(n, one)
  return function()
    local iterate = tide.as_completed(list)
    while iterate() do end -- luacheck: ignore 542
  end
end

real["wait_for"] = function(n)
  return function()
    await_all(spawn(n, function() tide.wait_for(tide.task(one), 60) end))
  end
end

real["shield"] = function(n)
  return function()
    await_all(spawn(n, function() tide.shield(tide.task(one)) end))
  end
end

real["skynet"] = function(n)
  local function sky(first, size)
    if size == 1 then
      return first
    end
    local part, tasks, sum = size / 10, {}, 0
    for i = 0, 9 do
      tasks[i] = tide.task(sky, first + i * part, part)
    end
    for i = 0, 9 do
      sum = sum + tasks[i]:await()
    end
    return sum
  end
  return function() sky(0, n) end
end

-- ---- groups and scopes

real["group"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:task(one)
      end
    end)
  end
end

real["group, cancelled"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:task(tide.sleep, 60)
      end
      tide.sleep(0)
      g:cancel()
    end)
  end
end

real["group, all fail"] = function(n)
  return function()
    tide.pcall(tide.group, function(g)
      for _ = 1, n do
        g:task(fail)
      end
    end)
  end
end

real["group, started"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:start(function(started) started() end)
      end
    end)
  end
end

local function nest(depth, innermost)
  tide.group(function(g)
    if depth == 1 then
      return innermost()
    end
    g:task(nest, depth - 1, innermost)
  end)
end

real["groups, one in the other"] = function(n)
  return function() tide.task(nest, n, nothing):await() end
end

real["groups nested, cancelled"] = function(n)
  local deep = tide.event()
  local task = tide.task(nest, n, function()
    deep:set()
    tide.sleep(60)
  end)
  deep:wait()
  return function()
    task:cancel()
    tide.wait { task }
  end
end

real["scopes of one task"] = function(n)
  return function()
    for _ = 1, n do
      tide.scope(nothing)
    end
  end
end

real["timeouts, in time"] = function(n)
  local function body()
    tide.timeout(60 + math.random(), tide.sleep, 0)
  end
  return function() await_all(spawn(n, body)) end
end

virtual["timeouts, too late"] = function(n)
  local function body()
    tide.move_on_after(math.random() * 60, tide.sleep, 3600)
  end
  return function() await_all(spawn(n, body)) end
end

-- ---- time

virtual["sleepers, distinct deadlines"] = function(n)
  local function body()
    tide.sleep(math.random() * 60)
  end
  return function() await_all(spawn(n, body)) end
end

real["timers, cancelled"] = function(n)
  return function()
    local loop, handles = tide.loop(), {}
    for i = 1, n do
      handles[i] = loop:call_later(60 + math.random(), nothing)
    end
    cancel_from_middle(handles)
  end
end

virtual["timers, called"] = function(n)
  return function()
    local loop = tide.loop()
    for _ = 1, n do
      loop:call_later(math.random() * 60, nothing)
    end
    tide.sleep(61)
  end
end

real["call_soon"] = function(n)
  return function()
    local loop = tide.loop()
    for _ = 1, n do
      loop:call_soon(nothing)
    end
    tide.sleep(0)
  end
end

real["next_tick"] = function(n)
  return function() await_all(spawn(n, tide.next_tick)) end
end

-- ---- waiters: woken, and cancelled from the middle

local function waiters(title, make, wait, wake)
  real[title .. " waiters, woken"] = function(n)
    local object = make(n)
    local tasks = waiting(n, wait, object)
    return function()
      wake(object, n)
      await_all(tasks)
    end
  end
  real[title .. " waiters, cancelled"] = function(n)
    local object = make(n)
    local tasks = waiting(n, wait, object)
    return function()
      cancel_from_middle(tasks)
      tide.wait(tasks)
    end
  end
end

waiters("semaphore", function() return tide.semaphore(0) end,
  function(object) object:acquire() end,
  function(object, n) object:release(n) end)

waiters("lock", function()
  local lock = tide.lock()
  lock:acquire()
  return lock
end, function(object)
  object:acquire()
  object:release()
end, function(object) object:release() end)

waiters("event", function() return tide.event() end,
  function(object) object:wait() end,
  function(object) object:set() end)

waiters("condition", function() return tide.condition() end,
  function(object) object:with(object.wait, object) end,
  function(object)
    object:acquire()
    object:notify_all()
    object:release()
  end)

waiters("barrier", function(n) return tide.barrier(n + 1) end,
  function(object) object:wait() end,
  function(object) object:wait() end)

waiters("queue's get", function() return tide.queue() end,
  function(object) object:get() end,
  function(object, n)
    for i = 1, n do
      object:put(i)
    end
  end)

waiters("queue's put", function()
  local queue = tide.queue(1)
  queue:put(0)
  return queue
end, function(object) object:put(1) end,
function(object, n)
  for _ = 1, n do
    object:get()
  end
end)

waiters("future", function() return tide.future() end,
  function(object) tide.shield(object) end,
  function(object) object:set_result(1) end)

real["queue, filled and emptied"] = function(n)
  return function()
    local queue = tide.queue()
    for i = 1, n do
      queue:put(i)
    end
    for _ = 1, n do
      queue:get()
    end
  end
end

real["priority queue, the same"] = function(n)
  return function()
    local queue = tide.priority_queue()
    for i = 1, n do
      queue:put(i, math.random())
    end
    for _ = 1, n do
      queue:get()
    end
  end
end

-- ---- the rest

real["vars set in one task"] = function(n)
  return function()
    for _ = 1, n do
      tide.var():set(1)
    end
  end
end

real["a var set in each task"] = function(n)
  local var = tide.var()
  return function() await_all(spawn(n, function() var:set(1) end)) end
end

real["generator"] = function(n)
  return function()
    local iterate = tide.generator(function(yield)
      for i = 1, n do
        yield(i)
      end
    end)
    while iterate() do end -- luacheck: ignore 542
  end
end

real["coroutines that await"] = function(n)
  return function()
    await_all(spawn(n, function() tide.coroutine.wrap(function() tide.sleep(0) end)() end))
  end
end

real["from_callback"] = function(n)
  local call = tide.from_callback(function(f) f(nil, 1) end)
  return function() await_all(spawn(n, call)) end
end

-- ---- measuring

--- Seconds that it takes once, with `n`.
local function once(op, n)
  local start
  local function begin()
    collectgarbage()
    start = os.clock()
  end
  local seconds
  local function body()
    if op.kind == "whole" then
      return op.prepare(n)
    end
    local measured = op.prepare(n)
    begin()
    measured()
    seconds = os.clock() - start
  end
  begin()
  if op.kind == "virtual" then
    testing.run(body)
  else
    tide.run(body)
  end
  return seconds or os.clock() - start
end

--- The mean of many times, but for the first, which is slow.
local function measure(op, n)
  local seconds, times = once(op, n), 1
  if seconds < 0.1 then
    seconds, times = 0, 0
    repeat
      seconds, times = seconds + once(op, n), times + 1
    until seconds > 0.1 or times == 100
  end
  return seconds / times / n * 1e9
end

if arg[1] == "list" then
  print(table.concat(names, "\n"))
elseif arg[1] == "all" then
  for _, name in ipairs(names) do
    once(ops[name], tonumber(arg[2]))
  end
else
  print(("%.1f"):format(measure(ops[arg[1]], tonumber(arg[2]))))
end
