-- A cancelled task cleans up. Its awaits go on raising, so cleanup that awaits
-- stands in `finally`, which shields it.
local tide = require "tide"

local function serve()
  tide.finally(function()
    print("serving")
    tide.sleep(math.huge)
  end, function(err)
    print("closing: " .. tostring(err))
    tide.sleep(0.01)
    print("closed")
  end)
end

tide.run(function()
  local task = tide.task(serve)
  tide.sleep(0.01)
  task:cancel("the shop is closed")
  local ok, err = tide.pcall(task.await, task)
  print(ok, tide.is_cancelled(err), err.reason)
end)
