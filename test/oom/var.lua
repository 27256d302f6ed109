local tide = require "tide"

local request, user = tide.var(), tide.var("nobody")

local function child(name)
  assert(request:get() == name and user:get() == "nobody")
  local token = user:set(name)
  tide.sleep(0)
  tide.loop():call_soon(function() assert(user:get() == name) end)
  assert(user:get() == name)
  user:reset(token)
  assert(user:get() == "nobody")
end

return function()
  tide.group(function(group)
    for _, name in ipairs { "a", "b" } do
      request:set(name)
      group:task(child, name)
    end
  end)
  assert(request:get() == "b")
end
