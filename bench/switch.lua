--- What a switch costs: `sleep(0)` in a loop, in WIDTH tasks, N in all.
--   lua bench/switch.lua N WIDTH   prints nanoseconds per switch
-- The time is the process's own: the loop never waits.

local tide = require "tide"

local n, width = tonumber(arg[1]), tonumber(arg[2])
local rounds = math.floor(n / width)

local function spin()
  local sleep = tide.sleep
  for _ = 1, rounds do
    sleep(0)
  end
end

print(("%.2f"):format(tide.run(function()
  local tasks = {}
  for i = 1, width do
    tasks[i] = tide.task(spin)
  end
  tide.sleep(0)
  local start = os.clock()
  for i = 1, width do
    tasks[i]:await()
  end
  return (os.clock() - start) / (rounds * width) * 1e9
end)))
