--- What the same costs with nothing but that Lua's coroutines. Nobody can wait
-- for time or for each other here: an await is a resume and a yield.
--   lua bench/programs/coroutines.lua ROW N [...]   as bench/programs/tide.lua

local meter = require "bench.meter"

local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield

local function nothing() end

local function yielder()
  return create(function()
    while true do
      yield()
    end
  end)
end

local rows = {}

function rows.switch(n, width)
  local threads = {}
  for i = 1, width do
    threads[i] = yielder()
  end
  if width == 1 then
    local thread = threads[1]
    return function()
      for _ = 1, n do
        resume(thread)
      end
    end
  end
  return function()
    for _ = 1, n / width do
      for i = 1, width do
        resume(threads[i])
      end
    end
  end
end

function rows.spawn(n)
  local waiter = yielder()
  return function()
    for _ = 1, n do
      resume(create(nothing))
      resume(waiter)
    end
  end
end

function rows.spawn_all(n)
  local waiter = yielder()
  return function()
    local threads = {}
    for i = 1, n do
      threads[i] = create(nothing)
    end
    for i = 1, n do
      resume(threads[i])
    end
    for _ = 1, n do
      resume(waiter)
    end
  end
end

function rows.gather(n)
  local functions = {}
  for i = 1, n do
    functions[i] = function() return i end
  end
  return function()
    local results, _ = {}, nil
    for i = 1, n do
      _, results[i] = resume(create(functions[i]))
    end
    assert(results[n] == n)
  end
end

function rows.skynet(n)
  local function sky(first, size)
    if size == 1 then
      return first
    end
    local part, sum = size / 10, 0
    for i = 0, 9 do
      local _, result = resume(create(sky), first + i * part, part)
      sum = sum + result
    end
    return sum
  end
  return function()
    assert(sky(0, n) == n * (n - 1) / 2)
  end
end

--- N coroutines that are suspended. A yield is all they do, as a sleep is all
-- that the tasks do; 5.1 makes no coroutine of a C function.
function rows.sleepers(n)
  local pause = _VERSION == "Lua 5.1" and function() yield() end or yield
  local before, threads = meter.resident(), {}
  return function()
    local start = os.clock()
    for i = 1, n do
      threads[i] = create(pause)
      resume(threads[i])
    end
    return meter.sleepers(n, before, os.clock() - start)
  end
end

--- A scheduler as one writes it by hand: who goes on in the next frame is put
-- into the other of two lists. Frames as in bench/floors/frames.c.
function rows.frames(n, percent, garbage)
  local before, threads, list, following = meter.resident(), {}, {}, {}
  local body = garbage == 1 and function()
    local x = { 0 }
    while true do
      x = { x[1] + 1 }
      yield()
    end
  end or function()
    local x = 0
    while true do
      x = x + 1
      yield()
    end
  end
  for i = 0, n - 1 do
    threads[i] = create(body)
    resume(threads[i])
    if i % (100 / percent) == 0 then
      list[#list + 1] = threads[i]
    end
  end
  return function()
    local times, clock = {}, os.clock
    for frame = 1, percent < 100 and 2000 or 200 do
      local start, count = clock(), 0
      for i = 1, #list do
        local thread = list[i]
        list[i] = nil
        assert(resume(thread))
        count = count + 1
        following[count] = thread
      end
      list, following = following, list
      times[frame] = (clock() - start) * 1000
    end
    return meter.frames(n, before, times)
  end
end

meter.main(rows, function(main) main() end)
