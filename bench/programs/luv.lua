--- The rows in luv with coroutines. luv has no tasks: at the top is what who
-- writes with it needs at least. A coroutine starts at once; one that gives way
-- is put in a queue, which is run through between turns of the loop.
--   lua bench/programs/luv.lua ROW N [...]   as bench/programs/tide.lua

local uv = require "luv"
local meter = require "bench.meter"
local threads = require "bench.threads"

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
local running = coroutine.running

-- ---- tasks

local ready, spare, count = {}, {}, 0

--- Resumes it in the next turn.
local function defer(thread)
  count = count + 1
  ready[count] = thread
end

--- Runs until there is nothing to do. That is quicker than an idle handle.
local function loop()
  local alive = true
  while alive or count > 0 do
    local batch, n = ready, count
    ready, spare, count = spare, batch, 0
    for i = 1, n do
      assert(resume(batch[i]))
    end
    alive = uv.run(count > 0 and "nowait" or "once")
  end
end

local function pause()
  defer(running())
  yield()
end

local function body(task, fn, a, b)
  task.result = fn(a, b)
  task.done = true
  if task.waiter then
    defer(task.waiter)
  end
end

local function spawn(fn, a, b)
  local task = { done = false, result = nil, waiter = nil }
  assert(resume(create(body), task, fn, a, b))
  return task
end

local function await(task)
  if not task.done then
    task.waiter = running()
    yield()
  end
  return task.result
end

--- libuv counts from the time that it last looked at, when the turn began: with
-- much to do in a turn sleeps would be far too short.
local function sleep(milliseconds)
  local thread, timer = running(), uv.new_timer()
  uv.update_time()
  timer:start(milliseconds, 0, function()
    timer:close()
    assert(resume(thread))
  end)
  yield()
end

--- Waits in a list of waiters, of which `signal` resumes the first.
local function wait(waiters)
  waiters.last = waiters.last + 1
  waiters[waiters.last] = running()
  yield()
end

local function signal(waiters)
  local first = waiters.first
  if first <= waiters.last then
    defer(waiters[first])
    waiters[first] = nil
    waiters.first = first + 1
  end
end

local function nothing() end

-- ---- rows

local rows, await_all = threads(spawn, pause, await)

--- N items through a list of `maxsize`.
function rows.queue(n, maxsize, width)
  local items, first, last = {}, 1, 0
  local not_full, not_empty = { first = 1, last = 0 }, { first = 1, last = 0 }
  local limit = maxsize > 0 and maxsize or math.huge
  local function put(item)
    while last - first + 1 >= limit do
      wait(not_full)
    end
    last = last + 1
    items[last] = item
    signal(not_empty)
  end
  local function get()
    while last < first do
      wait(not_empty)
    end
    local item = items[first]
    items[first] = nil
    first = first + 1
    signal(not_full)
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

--- With a timer for the deadline; luv's users make no scope of it.
function rows.timeout(n)
  return function()
    for _ = 1, n do
      local timer, late = uv.new_timer(), nil
      timer:start(60000, 0, function() late = true end)
      nothing()
      timer:close()
      assert(not late)
    end
    pause() -- the loop frees what was closed
  end
end

function rows.cancel(n)
  local function sleeper(task)
    task.timer = uv.new_timer()
    task.thread = running()
    task.timer:start(60000, 0, function()
      task.timer:close()
      assert(resume(task.thread))
    end)
    return yield()
  end
  return function()
    local tasks = {}
    for i = 1, n do
      local task = {}
      task.task = spawn(sleeper, task)
      tasks[i] = task
    end
    for i = 1, n do
      tasks[i].timer:close()
      assert(resume(tasks[i].thread, "cancelled"))
    end
    for i = 1, n do
      assert(await(tasks[i].task) == "cancelled")
    end
  end
end

function rows.timers(n)
  return function()
    local timers, random = {}, math.random
    for i = 1, n do
      timers[i] = uv.new_timer()
      timers[i]:start(60000 + random(60000), 0, nothing)
    end
    for i = 1, n do
      timers[i]:close()
    end
    pause()
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
    local start, milliseconds, left, main = uv.hrtime(), seconds * 1000, n, running()
    local function sleeper()
      sleep(milliseconds)
      left = left - 1
      if left == 0 then
        defer(main)
      end
    end
    for _ = 1, n do
      assert(resume(create(sleeper)))
    end
    yield()
    return meter.sleepers(n, before, (uv.hrtime() - start) / 1e9 - seconds)
  end
end

function rows.poll(n)
  local poll, main = uv.new_poll(uv.socketpair()[1]), nil
  local function wake()
    defer(main)
  end
  return function()
    main = running()
    for _ = 1, n do
      poll:start("w", wake)
      yield()
      poll:stop()
    end
    poll:close()
  end
end

meter.main(rows, function(main)
  defer(create(main))
  loop()
end)
