-- A generator gives values with `yield` and may await between them. 5.1 cannot
-- await in a `for`: there it is called in a `while` loop.
-- check: lua5.2 lua5.3 lua5.4 lua5.5 luajit
local tide = require "tide"

local function pages(count)
  return tide.generator(function(yield)
    for i = 1, count do
      tide.sleep(0.001) -- fetch it
      yield(i, "page " .. i)
    end
  end)
end

tide.run(function()
  for number, text in pages(3) do
    print(number, text)
  end

  local generator = pages(100)
  print((generator()))
  generator:close()
  print((generator()))
end)
