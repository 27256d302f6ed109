-- An iterator that awaits is a plain function: a ticker in a `for` loop. 5.1
-- cannot await in a `for`: there it is called in a `while` loop.
-- check: lua5.2 lua5.3 lua5.4 lua5.5 luajit
local tide = require "tide"

local function ticker(seconds, times)
  local count = 0
  return function()
    if count < times then
      tide.sleep(seconds)
      count = count + 1
      return count
    end
  end
end

tide.run(function()
  local other = tide.task(function()
    for i in ticker(0.02, 2) do
      print("tock " .. i)
    end
  end)
  for i in ticker(0.015, 3) do
    print("tick " .. i)
  end
  other:await()
end)
