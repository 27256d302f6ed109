--- Waiting for several at once.

local operations = require "bench.operations"
local tide = require "tide"

local real = operations.real
local spawn, waiting, await_all = operations.spawn, operations.waiting, operations.await_all
local cancel_from_middle = operations.cancel_from_middle
local one, fail = operations.one, operations.fail

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

real["gathers of one task"] = function(n)
  return function()
    local task = tide.task(tide.sleep, 0)
    await_all(spawn(n, function() tide.gather(task, task) end))
  end
end

real["gathers of one, cancelled"] = function(n)
  local task = tide.task(tide.sleep, 60)
  local tasks = waiting(n, function() tide.gather(task, task) end)
  return function()
    cancel_from_middle(tasks)
    tide.wait(tasks)
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
