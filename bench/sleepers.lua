--- N tasks asleep at the same time, nobody holding them; and, as the floor, N
-- suspended coroutines in plain Lua.
--   lua bench/sleepers.lua tide|floor N [SECONDS]
-- Prints the memory of the process in bytes per task, and the seconds beyond
-- SECONDS that it all took.

local kind, n, seconds = arg[1], tonumber(arg[2]), tonumber(arg[3]) or 3

local function resident()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("^VmHWM:%s+(%d+)")
    if kilobytes then
      return tonumber(kilobytes) * 1024
    end
  end
end

local function tell(before, elapsed)
  print(("%.0f %.2f"):format((resident() - before) / n, elapsed))
end

if kind == "floor" then
  local before, kept = resident(), {}
  local function pause() coroutine.yield() end
  local start = os.clock()
  for i = 1, n do
    kept[i] = coroutine.create(pause)
    coroutine.resume(kept[i])
  end
  tell(before, os.clock() - start)
else
  local tide = require "tide"
  local before = resident()
  tide.run(function()
    local loop = tide.loop()
    local start = loop:time()
    for _ = 1, n do
      tide.task(tide.sleep, seconds)
    end
    tide.sleep(0)
    tide.sleep(seconds) -- the last to be woken
    tell(before, loop:time() - start - seconds)
  end)
end
