-- Two producers and three consumers over a queue of at most three items. join
-- returns when task_done was called for each item.
local tide = require "tide"

tide.run(function()
  local queue, sum, longest = tide.queue(3), 0, 0

  local function produce(from, to)
    for i = from, to do
      queue:put(i)
      longest = math.max(longest, queue:qsize())
    end
  end

  local function consume()
    while true do
      local item = queue:get()
      if item == nil then
        return -- shut down, and empty
      end
      tide.sleep(0.001)
      sum = sum + item
      queue:task_done()
    end
  end

  tide.group(function(group)
    for _ = 1, 3 do
      group:task(consume)
    end
    tide.gather(function() produce(1, 10) end, function() produce(11, 20) end)
    queue:join()
    queue:shutdown()
  end)
  print("sum " .. sum, "never more than " .. longest .. " items")
end)
