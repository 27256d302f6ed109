--- Spawning: a trivial task is made, run and awaited, N times; and its floor in
-- Lua: coroutine.create, a resume to its end, and one resume/yield pair.
--   lua bench/spawn.lua N   prints both, in nanoseconds

local tide = require "tide"

local n = tonumber(arg[1])

local function nothing() end

local function floor()
  local create, resume, yield = coroutine.create, coroutine.resume, coroutine.yield
  local waiter = create(function()
    while true do
      yield()
    end
  end)
  local start = os.clock()
  for _ = 1, n do
    resume(create(nothing))
    resume(waiter)
  end
  return (os.clock() - start) / n * 1e9
end

local function ours()
  return tide.run(function()
    local task = tide.task
    local start = os.clock()
    for _ = 1, n do
      task(nothing):await()
    end
    return (os.clock() - start) / n * 1e9
  end)
end

print(("%.2f %.2f"):format(floor(), ours()))
