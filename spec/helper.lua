--- Run by busted before the specs: after every test nothing of tide is left.

local busted = require "busted"
local tide = require "tide"

local function leaks()
  local stats = tide.stats()
  local left = {}
  for _, name in ipairs { "tasks", "timers", "handles", "wakers" } do
    if stats[name] ~= 0 then
      left[#left + 1] = ("%d %s"):format(stats[name], name)
    end
  end
  return left
end

busted.subscribe({ "test", "end" }, function(element, _, status)
  local left = leaks()
  if #left > 0 then
    tide.loop():close()
    if status == "success" then
      busted.publish({ "failure", element.descriptor }, element, busted.parent(element),
        "leaked: " .. table.concat(left, ", "), {})
    end
  end
  return nil, true
end)
