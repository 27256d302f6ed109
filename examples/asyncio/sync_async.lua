-- One function, called synchronously and asynchronously. Outside of a task an
-- awaiting call runs the loop until it is done.
local tide = require "tide"

local function greet(name)
  tide.sleep(0.005)
  return "hello, " .. name
end

print(greet("script"))

tide.run(function()
  print(greet("task"))
  print(tide.gather(
    function() return greet("one") end,
    function() return greet("two") end))
end)

local task = tide.task(greet, "later")
print(greet("meanwhile"))
print(task:await())
