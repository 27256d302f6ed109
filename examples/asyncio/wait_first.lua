-- wait for the first of several, then cancel the rest.
local tide = require "tide"

local function fetch(mirror, seconds)
  return tide.finally(function()
    tide.sleep(seconds)
    return "the file, from " .. mirror
  end, function(err)
    if err then
      print(mirror .. " is not needed any more")
    end
  end)
end

tide.run(function()
  local tasks = {}
  for i, mirror in ipairs { "Berlin", "Lisbon", "Oslo" } do
    tasks[i] = tide.task(fetch, mirror, mirror == "Lisbon" and 0.01 or 5)
  end
  local done, pending = tide.wait(tasks, { return_when = "first_completed" })
  print(done[1]:result())
  for _, task in ipairs(pending) do
    task:cancel()
  end
  tide.wait(pending)
  print(#done, #pending, pending[1]:cancelled())
end)
