-- gather, wait, race and as_completed: of functions and of Tasks, that fail too.
local tide = require "tide"

local function value(v, seconds)
  return function()
    tide.sleep(seconds)
    return v
  end
end

local function fails()
  tide.sleep(1)
  error { "failed" }
end

return function()
  local a, b = tide.gather(value(1, 1), tide.task(value(2, 2)))
  assert(a == 1 and b == 2)
  local results, errors = tide.gather({ value(1, 0), fails }, { return_exceptions = true })
  assert((results[1] == 1 or errors[1]) and errors[2])
  assert(not tide.pcall(tide.gather, value(1, 5), fails, fails))
  assert(tide.race(value("slow", 2), value("quick", 1)) == "quick")
  local done, pending = tide.wait({ tide.task(value(1, 1)), tide.task(value(2, 2)) },
    { return_when = "first_completed" })
  assert(#done == 1 and #pending == 1)
  pending[1]:cancel()
  local next_done = tide.as_completed { value(1, 2), value(2, 1) }
  assert(next_done():await() == 2 and next_done():await() == 1)
end
