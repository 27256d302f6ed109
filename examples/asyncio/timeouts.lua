-- A deadline around a piece of code, and one around a task.
local tide = require "tide"
local pcall = tide.pcall

local function answer(seconds)
  tide.sleep(seconds)
  return "an answer"
end

tide.run(function()
  -- The function runs here, in this task.
  print(tide.timeout(1, answer, 0.01))
  local ok, err = pcall(tide.timeout, 0.01, answer, 60)
  print(ok, tide.is(err, tide.TimeoutError))

  -- Without an error: true and the results, or false.
  print(tide.move_on_after(0.01, answer, 60))

  -- A task is cancelled at the deadline.
  local task = tide.task(answer, 60)
  print(pcall(tide.wait_for, task, 0.01))
  print(task:cancelled())
end)
