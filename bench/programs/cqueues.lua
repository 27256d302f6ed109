--- The rows in cqueues. It runs functions and has conditions to wait for, of
-- which `spawn` and `await` are made; its promises do the same, a little slower,
-- and not on 5.1. It has no timers that are not a sleep. A sleep that can be
-- cancelled is a wait for a condition.
--   lua bench/programs/cqueues.lua ROW N [...]   as bench/programs/tide.lua

local condition = require "cqueues.condition"
local cqueues = require "cqueues"
local meter = require "bench.meter"
local threads = require "bench.threads"

local queue = cqueues.new()
local pause, sleep = cqueues.poll, cqueues.sleep

local function body(task, fn, a, b)
  task.result = fn(a, b)
  task.done = true
  if task.ended then
    task.ended:signal()
  end
end

local function spawn(fn, a, b)
  local task = { done = false, result = nil, ended = nil }
  queue:wrap(body, task, fn, a, b)
  return task
end

local function await(task)
  if not task.done then
    task.ended = condition.new()
    task.ended:wait()
  end
  return task.result
end

local rows, await_all = threads(spawn, pause, await)

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
    pause()
  end
  return function()
    release()
    await_all(tasks)
  end
end

rows.lock = rows.semaphore

function rows.cancel(n)
  local asleep = 0
  local function sleeper(task)
    asleep = asleep + 1
    return task.cancelled:wait(60)
  end
  return function()
    local tasks = {}
    for i = 1, n do
      local task = { cancelled = condition.new() }
      task.task = spawn(sleeper, task)
      tasks[i] = task
    end
    while asleep < n do
      pause()
    end
    for i = 1, n do
      tasks[i].cancelled:signal()
    end
    for i = 1, n do
      assert(await(tasks[i].task))
    end
  end
end

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
      sum = sum + await(tasks[i])
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
    pause()
    sleep(seconds) -- the last to be woken
    return meter.sleepers(n, before, cqueues.monotime() - start - seconds)
  end
end

function rows.poll(n)
  local near = require("cqueues.socket").pair()
  local ready = { pollfd = near:pollfd(), events = "w" }
  return function()
    for _ = 1, n do
      pause(ready)
    end
  end
end

meter.main(rows, function(main)
  queue:wrap(main)
  assert(queue:loop())
end)
