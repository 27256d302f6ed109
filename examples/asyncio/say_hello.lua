-- Three tasks at the same time: gather starts them, waits for all, and returns
-- their results in order.
local tide = require "tide"

local function say(what, seconds)
  tide.sleep(seconds)
  print(what)
  return #what
end

tide.run(function()
  print(tide.gather(
    function() return say("hello", 0.03) end,
    function() return say("to", 0.02) end,
    function() return say("all", 0.01) end))
end)
