-- A future: a result that somebody sets later.
local tide = require "tide"

tide.run(function()
  local future = tide.future()
  future:add_done_callback(function(f) print("set to " .. f:result()) end)
  tide.loop():call_later(0.01, function() future:set_result("the news", 42) end)
  print("waiting", future)
  print(future:await())
  print(future)
end)
