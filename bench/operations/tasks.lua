--- Tasks: made, awaited, cancelled, ended.

local operations = require "bench.operations"
local tide = require "tide"

local real, whole = operations.real, operations.whole
local spawn, waiting, await_all = operations.spawn, operations.waiting, operations.await_all
local cancel_from_middle = operations.cancel_from_middle
local nothing, one, fail = operations.nothing, operations.one, operations.fail

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

real["done callbacks, removed"] = function(n)
  local future, callbacks = tide.future(), {}
  for i = 1, n do
    callbacks[i] = function() return i end
    future:add_done_callback(callbacks[i])
  end
  return function()
    for i = n, 1, -1 do
      future:remove_done_callback(callbacks[i])
    end
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
