--- Futures that callbacks complete.

local tide = require "tide"

return function(load)
  load:worker(function()
    local future = tide.future()
    local handle = tide.loop():call_later(math.random() * 0.005, function()
      if not future:done() then
        future:set_result("set")
      end
    end)
    tide.finally(function()
      assert(future:await() == "set")
    end, function()
      handle:cancel()
    end)
  end)
end
