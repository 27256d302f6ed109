-- Each item that a put took is got once, or still there.
local tide = require "tide"

local makers = { tide.queue, tide.lifo_queue, tide.priority_queue }
local queues, put, got = {}, {}, {}

local function produce(q, first)
  for i = first, first + 2 do
    q:put(i, i)
    put[q] = put[q] + 1
  end
end

local function consume(q)
  local item = q:get()
  while item do
    assert(not got[q][item], "got twice")
    got[q][item] = true
    q:task_done()
    item = q:get()
  end
end

local function use(q)
  tide.group(function(group)
    group:task(consume, q)
    group:task(consume, q)
    tide.gather(function() produce(q, 1) end, function() produce(q, 4) end)
    q:join()
    q:shutdown()
  end)
  assert(q:get_nowait() == nil)
end

return {
  prepare = function()
    for i, make in ipairs(makers) do
      queues[i] = make(1)
      put[queues[i]], got[queues[i]] = 0, { false, false, false, false, false, false }
    end
  end,
  main = function()
    for _, q in ipairs(queues) do
      use(q)
    end
    local q = tide.queue()
    for i = 1, 40 do
      assert(q:put_nowait(i))
    end
    assert(q:put_nowait(41) and q:qsize() == 41)
  end,
  after = function()
    for _, q in ipairs(queues) do
      local count, item = 0, q:get_nowait()
      while item do
        assert(not got[q][item], "both got and there")
        got[q][item] = true
        item = q:get_nowait()
      end
      for _, was_got in ipairs(got[q]) do
        count = count + (was_got and 1 or 0)
      end
      -- a put may have taken the item and not have been able to return
      assert(count >= put[q], "an item is lost")
      assert(tostring(q):find("0 getters, 0 putters", 1, true), tostring(q))
    end
  end,
}
