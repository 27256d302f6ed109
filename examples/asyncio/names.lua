-- Tasks have names and states; printed, they tell what they wait for.
local tide = require "tide"

tide.run(function()
  local event = tide.event()
  local waiter = tide.task(event.wait, event):set_name("waiter")
  local sleeper = tide.task(tide.sleep, 60):set_name("sleeper")
  local watcher = tide.task(sleeper.await, sleeper)
  watcher:set_name("watcher")
  tide.sleep(0)
  print(tide.current_task():get_name() == "task-1", #tide.all_tasks())
  print(waiter)
  print(sleeper)
  print(watcher)
  event:set()
  sleeper:cancel()
  tide.wait { waiter, sleeper, watcher }
  print(waiter)
  print(sleeper)
  print(watcher)
end)
