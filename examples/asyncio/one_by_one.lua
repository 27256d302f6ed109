-- A task runs from the moment it is made; await only waits for its end. So the
-- three take as long as the longest of them.
local tide = require "tide"

local function work(name, seconds)
  print(name .. " begins")
  tide.sleep(seconds)
  return name .. " has ended"
end

tide.run(function()
  local start = tide.loop():time()
  local first = tide.task(work, "first", 0.03)
  local second = tide.task(work, "second", 0.02)
  local third = tide.task(work, "third", 0.01)
  print(first:await())
  print(second:await())
  print(third:await())
  print("one after the other: " .. tostring(tide.loop():time() - start > 0.06))
end)
