--- skynet: a tree of tasks, ten children each, whose leaves give their numbers;
-- every task returns the sum of its children's.
--   lua bench/skynet.lua LEAVES   prints nanoseconds per leaf

local tide = require "tide"

local leaves = tonumber(arg[1])

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

print(("%.1f"):format(tide.run(function()
  local start = os.clock()
  assert(sky(0, leaves) == leaves * (leaves - 1) / 2)
  return (os.clock() - start) / leaves * 1e9
end)))
