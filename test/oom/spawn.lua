local tide = require "tide"

local function child(i, name)
  tide.sleep(0)
  return i, name .. i
end

return function()
  local tasks = {}
  for i = 1, 3 do
    tasks[i] = tide.task(child, i, "child")
  end
  for i = 1, 3 do
    local got, name = tasks[i]:await()
    assert(got == i and name == "child" .. i)
  end
end
