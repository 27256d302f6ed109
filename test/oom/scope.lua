-- Timeouts, nested scopes, shields, cleanups.
local tide = require "tide"

local function noted(list, what)
  list[#list + 1] = what
end

return function()
  local cleaned = {}
  assert(tide.timeout(5, tide.sleep, 1, "slept") == "slept")
  assert(not tide.pcall(tide.timeout, 1, tide.sleep, 5))
  assert(tide.move_on_after(1, function()
    tide.finally(function() tide.sleep(5) end, function()
      noted(cleaned, "finally")
      tide.sleep(1) -- raises if there was no memory for the shield
    end)
  end) == false)
  assert(tide.scope(function(scope)
    scope:reschedule(tide.loop():time() + 1)
    tide.scope({ shield = true }, function() tide.sleep(2) end)
    tide.sleep(5)
  end) == false)
  tide.pcall(tide.wait_for, tide.task(tide.sleep, 5), 1)
  tide.shield(tide.task(tide.sleep, 1))
  assert(cleaned[1] == "finally")
end
