-- wait with a timeout cancels nothing: what is not done goes on.
local tide = require "tide"

tide.run(function()
  local quick = tide.task(tide.sleep, 0.01, "quick")
  local slow = tide.task(tide.sleep, 0.1, "slow")

  local done, pending = tide.wait({ quick, slow }, { timeout = 0.05 })
  print(#done, done[1]:result())
  print(#pending, pending[1]:done())

  print(slow:await())
end)
