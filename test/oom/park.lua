-- Waits of one's own, and callbacks made into them.
local tide = require "tide"

local function delayed(seconds, ...)
  local arguments, count = { ... }, select("#", ...)
  return tide.park(function(wake)
    local timer = tide.loop():call_later(seconds, function()
      wake((unpack or table.unpack)(arguments, 1, count))
    end)
    return function() timer:cancel() end
  end)
end

local function with_callback(a, callback)
  tide.loop():call_soon(callback, nil, a)
end

local function use()
  local one, two = delayed(1, 1, "two")
  assert(one == 1 and two == "two")
  assert(tide.move_on_after(1, delayed, 5) == false)
  assert(tide.park(function(wake) wake("at once") end) == "at once")
  assert(not tide.pcall(tide.park, error))
  local call = tide.from_callback(with_callback, { error = "first" })
  assert(call("a") == "a")
end

-- A callback that has no memory calls no wake.
return function()
  tide.timeout(50, use)
end
