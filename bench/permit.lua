--- A permit or lock that is taken and given back, N times.
--   lua bench/permit.lua semaphore|lock N [WAITERS]   prints nanoseconds per pair
-- With WAITERS as many tasks hand it round.

local tide = require "tide"

local kind, n, waiters = arg[1], tonumber(arg[2]), tonumber(arg[3]) or 1
local rounds = math.floor(n / waiters)

local function spin(permit)
  for _ = 1, rounds do
    permit:acquire()
    permit:release()
  end
end

--- Each release hands over to the next, who waits already.
local function hand_round(permit)
  for _ = 1, rounds do
    permit:acquire()
    tide.sleep(0)
    permit:release()
  end
end

print(("%.1f"):format(tide.run(function()
  local permit = kind == "lock" and tide.lock() or tide.semaphore(1)
  local tasks = {}
  for i = 1, waiters do
    tasks[i] = tide.task(waiters > 1 and hand_round or spin, permit)
  end
  local start = os.clock()
  for i = 1, waiters do
    tasks[i]:await()
  end
  return (os.clock() - start) / (rounds * waiters) * 1e9
end)))
