-- The main task of a run, whose end may not even be told.
local tide = require "tide"

return {
  bare = true,
  main = function()
    tide.run(tide.sleep, 0)
    tide.run(function()
      tide.task(tide.sleep, 10) -- cancelled at the end
      tide.task(function() tide.pcall(tide.sleep, 10) end)
      return tide.sleep(1, "slept")
    end)
  end,
}
