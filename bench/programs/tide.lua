--- The rows in tide.
--   lua bench/programs/tide.lua ROW N [...]   prints nanoseconds, mostly

local meter = require "bench.meter"
local tide = require "tide"

local function nothing() end

local function await_all(tasks)
  for i = 1, #tasks do
    tasks[i]:await()
  end
end

local rows = {}

--- N turns of `width` tasks.
function rows.switch(n, width)
  local function spin()
    local sleep = tide.sleep
    for _ = 1, n / width do
      sleep(0)
    end
  end
  local tasks = {}
  for i = 1, width do
    tasks[i] = tide.task(spin)
  end
  tide.sleep(0)
  return function() await_all(tasks) end
end

function rows.spawn(n)
  return function()
    local task = tide.task
    for _ = 1, n do
      task(nothing):await()
    end
  end
end

function rows.spawn_all(n)
  return function()
    local task, tasks = tide.task, {}
    for i = 1, n do
      tasks[i] = task(nothing)
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
    assert(tide.gather(functions)[n] == n)
  end
end

--- N items between `width` producers and as many consumers.
function rows.queue(n, maxsize, width)
  local function produce(queue)
    for i = 1, n / width do
      queue:put(i)
    end
  end
  local function consume(queue)
    for _ = 1, n / width do
      queue:get()
    end
  end
  return function()
    local queue, tasks = tide.queue(maxsize), {}
    for _ = 1, width do
      tasks[#tasks + 1] = tide.task(consume, queue)
      tasks[#tasks + 1] = tide.task(produce, queue)
    end
    await_all(tasks)
  end
end

--- One task takes and gives back, N times; or `waiters` hand it round.
local function permits(make)
  return function(n, waiters)
    local permit = make(1)
    local function spin()
      for _ = 1, n / (waiters or 1) do
        permit:acquire()
        permit:release()
      end
    end
    if not waiters then
      return spin
    end
    local tasks = {}
    permit:acquire()
    for i = 1, waiters do
      tasks[i] = tide.task(spin)
    end
    tide.sleep(0) -- now all wait
    return function()
      permit:release()
      await_all(tasks)
    end
  end
end

rows.semaphore = permits(tide.semaphore)
rows.lock = permits(tide.lock)

function rows.timeout(n)
  return function()
    local timeout = tide.timeout
    for _ = 1, n do
      timeout(60, nothing)
    end
  end
end

--- Tasks that sleep are cancelled, and awaited.
function rows.cancel(n)
  return function()
    local tasks = {}
    for i = 1, n do
      tasks[i] = tide.task(tide.sleep, 60)
    end
    tide.sleep(0)
    for i = 1, n do
      tasks[i]:cancel()
    end
    tide.wait(tasks)
  end
end

function rows.call_soon(n)
  local loop, called, left = tide.loop(), tide.event(), n
  local function call()
    left = left - 1
    if left == 0 then
      called:set()
    end
  end
  return function()
    for _ = 1, n do
      loop:call_soon(call)
    end
    called:wait()
  end
end

--- All are set, at random times, before the first is cancelled.
function rows.timers(n)
  return function()
    local loop, handles, random = tide.loop(), {}, math.random
    for i = 1, n do
      handles[i] = loop:call_later(60 + random() * 60, nothing)
    end
    for i = 1, n do
      handles[i]:cancel()
    end
    tide.sleep(0)
  end
end

--- A tree of tasks, ten children each; the leaves give their numbers, every
-- other task the sum of its children's.
function rows.skynet(n)
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
  return function()
    assert(sky(0, n) == n * (n - 1) / 2)
  end
end

--- N tasks asleep at the same time, nobody holding them.
function rows.sleepers(n, seconds)
  local before, loop = meter.resident(), tide.loop()
  return function()
    local start, task, sleep = loop:time(), tide.task, tide.sleep
    for _ = 1, n do
      task(sleep, seconds)
    end
    sleep(0)
    sleep(seconds) -- the last to be woken
    return meter.sleepers(n, before, loop:time() - start - seconds)
  end
end

--- A descriptor that is ready is waited for.
function rows.poll(n)
  local net = require "tide.net"
  local server = assert(net.listen("127.0.0.1", 0))
  local client = assert(net.connect("127.0.0.1", select(2, server:sockname())))
  local fd, poll = client:fileno(), tide.poll
  return function()
    for _ = 1, n do
      poll(fd, "w")
    end
    client:close()
    server:close()
  end
end

--- N short children, so many at a time: real microseconds each.
function rows.process(n, at_once)
  local process, loop, slots = tide.process, tide.loop(), tide.semaphore(at_once)
  local function child()
    local it = process.spawn { "/bin/true" }
    assert(it:wait() == 0)
    it:close()
  end
  return function()
    local start = loop:time()
    tide.group(function(group)
      for _ = 1, n do
        group:task(slots.with, slots, child)
      end
    end)
    return ("%.1f"):format((loop:time() - start) / n * 1e6)
  end
end

meter.main(rows, tide.run)
