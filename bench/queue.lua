--- What an item costs on its way through a queue: put, get, and the switches
-- between them.
--   lua bench/queue.lua [N [MAXSIZE [TASKS]]]   prints nanoseconds per item
-- Without MAXSIZE: for 1, 10 and unbounded queues, between 1 and 1, and between
-- 10 and 10 tasks. The time is the process's own: the loop never waits.

local tide = require "tide"

local n = tonumber(arg[1]) or 1000000

local function produce(queue, count)
  for i = 1, count do
    queue:put(i)
  end
end

local function consume(queue, count)
  for _ = 1, count do
    queue:get()
  end
end

--- Nanoseconds per item through `make(maxsize)`, between `width` tasks a side.
local function measure(maxsize, width)
  local count = math.floor(n / width)
  return tide.run(function()
    local queue, tasks = tide.queue(maxsize), {}
    for _ = 1, width do
      tasks[#tasks + 1] = tide.task(consume, queue, count)
      tasks[#tasks + 1] = tide.task(produce, queue, count)
    end
    local start = os.clock()
    for _, task in ipairs(tasks) do
      task:await()
    end
    return (os.clock() - start) / (count * width) * 1e9
  end)
end

if arg[2] then
  print(("%.1f"):format(measure(tonumber(arg[2]), tonumber(arg[3]) or 1)))
  return
end
print("maxsize  1 x 1  10 x 10   ns per item")
for _, maxsize in ipairs { 1, 10, 0 } do
  print(("%7s %6.1f %8.1f"):format(maxsize, measure(maxsize, 1), measure(maxsize, 10)))
end
