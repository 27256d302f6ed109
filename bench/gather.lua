--- gather of N tasks that do next to nothing: made, run, their results collected.
--   lua bench/gather.lua N   prints nanoseconds per task

local tide = require "tide"

local n = tonumber(arg[1])

local function make(i)
  return function() return i end
end

print(("%.1f"):format(tide.run(function()
  local functions = {}
  for i = 1, n do
    functions[i] = make(i)
  end
  local start = os.clock()
  local results = tide.gather(functions)
  local seconds = os.clock() - start
  assert(results[n] == n)
  return seconds / n * 1e9
end)))
