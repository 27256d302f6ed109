-- Ten jobs, at most three at a time.
local tide = require "tide"

tide.run(function()
  local semaphore = tide.semaphore(3)
  local running, most = 0, 0

  local function job(i)
    return semaphore:with(function()
      running = running + 1
      most = math.max(most, running)
      tide.sleep(0.005)
      running = running - 1
      return i * i
    end)
  end

  local jobs = {}
  for i = 1, 10 do
    jobs[i] = function() return job(i) end
  end
  print(table.concat(tide.gather(jobs), " "))
  print("at most " .. most .. " at a time")
end)
