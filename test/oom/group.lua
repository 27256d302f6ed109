-- Groups that end well, by one error, by several, by a cancel; start.
local tide = require "tide"

local function fail(e)
  tide.sleep(1)
  error { e }
end

return function()
  assert(tide.group(function(group)
    group:task(tide.sleep, 1)
    group:task(function() group:task(tide.sleep, 1) end)
    local address = group:start(function(started)
      tide.sleep(0)
      started("address")
      tide.sleep(1)
    end)
    return address
  end) == "address")
  local ok, err = tide.pcall(tide.group, function(group)
    group:task(fail, 1)
    group:task(function() tide.finally(function() tide.sleep(9) end, fail) end)
    tide.sleep(5)
  end)
  assert(not ok)
  for _ in tide.errors(err) do
    tide.sleep(0)
  end
  tide.group(function(group)
    group:task(tide.sleep, 9)
    group:cancel("enough")
  end)
end
