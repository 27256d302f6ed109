--- Each task has its own value.

local tide = require "tide"

return function(load)
  local name = tide.var("nobody")

  local function child(i)
    assert(name:get() == "parent")
    name:set(i)
    load:nap(0.004)
    assert(name:get() == i)
  end

  load:worker(function()
    name:set("parent")
    tide.group(function(g)
      for i = 1, 3 do
        g:task(child, i)
      end
    end)
    assert(name:get() == "parent")
  end)
end
