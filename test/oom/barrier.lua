local tide = require "tide"

local barrier = tide.barrier(3)

local function meet()
  barrier:wait()
  barrier:with(function() tide.sleep(0) end)
end

return {
  main = function()
    tide.group(function(group)
      for _ = 1, 3 do
        group:task(meet)
      end
    end)
    local aborted = tide.barrier(2)
    tide.gather(function() tide.pcall(aborted.wait, aborted) end, function() aborted:abort() end)
  end,
  after = function()
    assert(barrier:n_waiting() == 0)
  end,
}
