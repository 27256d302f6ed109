--- The rows in cqueues. Its promises are its tasks, and its conditions are what
-- they wait for. It has no timers that are not a sleep, and no cancel.
--   lua bench/programs/cqueues.lua ROW N [...]   as bench/programs/tide.lua

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local promise = require "cqueues.promise"
local meter = require "bench.meter"

local queue = cqueues.new()
local spawn, sleep = promise.new, cqueues.sleep

local function nothing() end

local function await_all(tasks)
  for i = 1, #tasks do
    tasks[i]:get()
  end
end

local rows = {}

function rows.switch(n, width)
  local function spin()
    for _ = 1, n / width do
      sleep(0)
    end
  end
  local tasks = {}
  for i = 1, width do
    tasks[i] = spawn(spin)
  end
  sleep(0)
  return function() await_all(tasks) end
end

function rows.spawn(n)
  return function()
    for _ = 1, n do
      spawn(nothing):get()
    end
  end
end

function rows.spawn_all(n)
  return function()
    local tasks = {}
    for i = 1, n do
      tasks[i] = spawn(nothing)
    end
    await_all(tasks)
  end
end

function rows.gather(n)
  local functions = {}
  for i = 1, n do
    functions[i] = function() return i end
  end
  return function()
    local tasks, results = {}, {}
    for i = 1, n do
      tasks[i] = spawn(functions[i])
    end
    for i = 1, n do
      results[i] = tasks[i]:get()
    end
    assert(results[n] == n)
  end
end

--- N items through a list of `maxsize` and two conditions.
function rows.queue(n, maxsize, width)
  local items, first, last = {}, 1, 0
  local not_full, not_empty = condition.new(), condition.new()
  local limit = maxsize > 0 and maxsize or math.huge
  local function put(item)
    while last - first + 1 >= limit do
      not_full:wait()
    end
    last = last + 1
    items[last] = item
    not_empty:signal(1)
  end
  local function get()
    while last < first do
      not_empty:wait()
    end
    local item = items[first]
    items[first] = nil
    first = first + 1
    not_full:signal(1)
    return item
  end
  return function()
    local tasks = {}
    for _ = 1, width do
      tasks[#tasks + 1] = spawn(function() for _ = 1, n / width do get() end end)
      tasks[#tasks + 1] = spawn(function() for i = 1, n / width do put(i) end end)
    end
    await_all(tasks)
  end
end

--- A permit that is handed over to the longest waiter.
function rows.semaphore(n, waiters)
  local permits, waiting, released = 1, 0, condition.new()
  local function acquire()
    if permits > 0 then
      permits = permits - 1
      return
    end
    waiting = waiting + 1
    released:wait()
  end
  local function release()
    if waiting > 0 then
      waiting = waiting - 1
      released:signal(1)
    else
      permits = permits + 1
    end
  end
  local function spin()
    for _ = 1, n / waiters do
      acquire()
      release()
    end
  end
  local tasks = {}
  acquire()
  for i = 1, waiters do
    tasks[i] = spawn(spin)
  end
  while waiting < waiters do
    sleep(0)
  end
  return function()
    release()
    await_all(tasks)
  end
end

rows.lock = rows.semaphore

function rows.skynet(n)
  local function sky(first, size)
    if size == 1 then
      return first
    end
    local part, tasks, sum = size / 10, {}, 0
    for i = 0, 9 do
      tasks[i] = spawn(sky, first + i * part, part)
    end
    for i = 0, 9 do
      sum = sum + tasks[i]:get()
    end
    return sum
  end
  return function()
    assert(sky(0, n) == n * (n - 1) / 2)
  end
end

function rows.sleepers(n, seconds)
  local before = meter.resident()
  return function()
    local start = cqueues.monotime()
    for _ = 1, n do
      queue:wrap(sleep, seconds)
    end
    sleep(0)
    sleep(seconds) -- the last to be woken
    return meter.sleepers(n, before, cqueues.monotime() - start - seconds)
  end
end

meter.main(rows, function(main)
  queue:wrap(main)
  assert(queue:loop())
end)
