--- What tasks wait in: all are woken, or cancelled from the middle.

local operations = require "bench.operations"
local tide = require "tide"

local real = operations.real
local waiting, await_all = operations.waiting, operations.await_all
local cancel_from_middle = operations.cancel_from_middle

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
