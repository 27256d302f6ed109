-- Plain functions that the loop calls: soon, later, at a time. They cannot
-- await; a handle takes them back.
local tide = require "tide"

local loop = tide.loop()

tide.run(function()
  loop:call_soon(print, "soon")
  loop:call_later(0.02, print, "later")
  loop:call_at(loop:time() + 0.01, print, "at its time")
  local handle = loop:call_later(0.015, print, "never")
  handle:cancel()
  print("first")
  tide.sleep(0.03)
  print(handle:cancelled())
end)
