-- Results in the order in which they come. 5.1 cannot await in a `for`: there
-- the iterator is called in a `while` loop.
-- check: lua5.2 lua5.3 lua5.4 lua5.5 luajit
local tide = require "tide"

local function measure(name, seconds)
  tide.sleep(seconds)
  if name == "broken" then
    error("no signal", 0)
  end
  return name
end

tide.run(function()
  local sensors = {
    function() return measure("slow", 0.03) end,
    function() return measure("quick", 0.01) end,
    function() return measure("broken", 0.02) end,
  }
  for task in tide.as_completed(sensors, { timeout = 5 }) do
    print(tide.pcall(task.await, task))
  end
end)
