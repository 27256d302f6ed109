--- Small things, N times each.
--   lua bench/edge.lua timeout|cancel|call_soon|timers N   prints nanoseconds
-- timeout: around a function that does not wait. cancel: of a task that sleeps.
-- call_soon: a callback that the loop calls. timers: set at random times, and
-- cancelled.

local tide = require "tide"

local n = tonumber(arg[2])
local rows = {}

function rows.timeout()
  local timeout = tide.timeout
  local function nothing() end
  for _ = 1, n do
    timeout(60, nothing)
  end
end

function rows.cancel()
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

function rows.call_soon()
  local loop, left = tide.loop(), n
  local event = tide.event()
  local function called()
    left = left - 1
    if left == 0 then
      event:set()
    end
  end
  for _ = 1, n do
    loop:call_soon(called)
  end
  event:wait()
end

function rows.timers()
  local loop, handles = tide.loop(), {}
  local function never() end
  for i = 1, n do
    handles[i] = loop:call_later(60 + math.random() * 60, never)
  end
  for i = 1, n do
    handles[i]:cancel()
  end
end

print(("%.1f"):format(tide.run(function()
  local start = os.clock()
  rows[arg[1]]()
  return (os.clock() - start) / n * 1e9
end)))
