--- Tasks that end in every way, awaited or not.

local tide = require "tide"

return function(load)
  local function child()
    load:nap()
    if load.chance(8) then
      error(load.oops)
    end
    return "ended"
  end

  load:worker(function()
    local tasks = {}
    for i = 1, math.random(6) do
      tasks[i] = tide.task(child)
    end
    tide.finally(function()
      if load.chance(2) then
        tide.sleep(0)
        tasks[math.random(#tasks)]:cancel("by hand")
      end
      for _, task in ipairs(tasks) do
        local ok, result = tide.pcall(task.await, task)
        assert(not ok or result == "ended")
      end
    end, function()
      for _, task in ipairs(tasks) do
        task:cancel()
        tide.pcall(task.await, task)
      end
    end)
    if load.chance(20) then
      load:unseen()
    end
  end)

  -- Nobody waits for these: they only have to end.
  load:worker(function()
    for _ = 1, 20 do
      tide.task(tide.sleep, 0)
    end
    load:nap()
  end)
end
