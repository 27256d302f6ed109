-- Tasks that are cancelled: in a sleep, an await, a wait, before they began; one
-- that does not want to.
local tide = require "tide"

local function stubborn()
  for _ = 1, 3 do
    tide.pcall(tide.sleep, 10)
  end
end

return function()
  local queue, forever = tide.queue(), tide.future()
  local tasks = {
    tide.task(tide.sleep, 10),
    tide.task(function() tide.task(tide.sleep, 10):await() end),
    tide.task(queue.get, queue),
    tide.task(forever.await, forever),
    tide.task(stubborn),
  }
  tide.sleep(0)
  tasks[6] = tide.task(tide.sleep, 10)
  for _, task in ipairs(tasks) do
    task:cancel("no more")
  end
  tide.wait(tasks)
  for _, task in ipairs(tasks) do
    assert(task:done())
  end
  forever:cancel()
end
