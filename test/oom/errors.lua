-- Errors and their tracebacks: of tasks that awaited each other, that nobody
-- awaited, of callbacks; by a handler that fails.
local tide = require "tide"

local function chain(n)
  if n == 0 then
    tide.sleep(0)
    error { "deep" }
  end
  return tide.task(chain, n - 1):await()
end

return function()
  local task = tide.task(chain, 3)
  assert(not tide.pcall(task.await, task))
  assert(task:exception())
  task:traceback()
  tide.xpcall(function()
    tide.sleep(0)
    error("told", 0)
  end, debug.traceback)
  tide.pcall(tide.gather, tide.task(error), tide.task(chain, 1), tide.task(error, { 1 }))
  tide.task(error, "nobody awaits it")
  tide.loop():call_soon(error, "of a callback")
  tide.task(error):set_name("seen"):cancel()
  tide.sleep(1)
  collectgarbage()
  tide.sleep(0)
  tide.loop():set_exception_handler(error)
  tide.loop():call_soon(error, "that its handler does not take")
  tide.sleep(0)
end
