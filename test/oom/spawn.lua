-- Tasks and callbacks, with a Task in Lua and without.
local tide = require "tide"

local ended = 0

local function child(_, i)
  local name = ("x"):rep(10) .. tostring(i)
  tide.sleep(0)
  tide.task(tide.sleep, 0):await()
  ended = ended + 1
  return i, name
end

return function()
  local tasks = {}
  tide.loop():call_soon(child, {}, 0)
  tide.loop():call_later(0.1, child, {}, 4)
  for i = 1, 3 do
    tasks[i] = tide.task(child, {}, i)
    tide.task(tide.sleep, 0)
  end
  for i = 1, 3 do
    local got, name = tasks[i]:await()
    assert(got == i and name == "xxxxxxxxxx" .. i)
  end
  tasks[1]:set_name("first")
  tasks[1]:add_done_callback(function() ended = ended + 1 end)
  tide.sleep(1)
end
