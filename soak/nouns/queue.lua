--- Queues: what was put is got once, or is still there.

local tide = require "tide"

return function(load)
  local queues = { tide.queue(3), tide.lifo_queue(3), tide.priority_queue(3) }
  local put, got = 0, 0

  load:worker(function()
    load:nap(0.005)
    local queue = queues[math.random(#queues)]
    for i = 1, 4 do
      tide.move_on_after(0.01, function()
        queue:put(i, i)
        put = put + 1
      end)
    end
  end)

  load:worker(function()
    load:nap(0.005)
    local queue = queues[math.random(#queues)]
    for _ = 1, 4 do
      tide.move_on_after(0.01, function()
        assert(queue:get())
        got = got + 1
      end)
    end
  end)

  load:check(function()
    local there = 0
    for _, queue in ipairs(queues) do
      there = there + queue:qsize()
    end
    if put - got ~= there then
      return ("%d items put, %d got, %d there"):format(put, got, there)
    end
  end)

  -- A server for the whole time, and those who ask it.
  local orders = tide.queue()
  load:resident(function()
    local order = orders:get()
    while order do
      order:set_result("served")
      order = orders:get()
    end
  end)
  load:at_end(function() orders:shutdown() end)

  load:worker(function()
    local order = tide.future()
    orders:put(order)
    load:nap(0.002)
    assert(tide.shield(order) == "served")
  end)
end
