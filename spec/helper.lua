--- Run by busted before the specs: after every test nothing of tide is left.

local busted = require "busted"
local support = require "spec.support"
local tide = require "tide"

busted.subscribe({ "test", "end" }, function(element, _, status)
  local left = support.left()
  if left then
    tide.loop():close()
    if status == "success" then
      busted.publish({ "failure", element.descriptor }, element, busted.parent(element),
        "leaked: " .. left, {})
    end
  end
  return nil, true
end)
