-- On Lua 5.4 a variable closes what it holds at the end of its block: locks and
-- semaphores, timeouts, groups, and what has a `__close` of your own, which may
-- await.
-- check: lua5.4 lua5.5
local tide = require "tide"

local function connect(name)
  return setmetatable({ name = name }, {
    __close = function(self)
      tide.shield(tide.sleep, 0.001)
      print(self.name .. " is closed")
    end,
  })
end

tide.run(function()
  do
    local connection <close> = connect("the library")
    print("using " .. connection.name)
  end

  local lock = tide.lock()
  do
    local _ <close> = lock:acquire()
    print(lock:locked())
  end
  print(lock:locked())

  print(tide.pcall(function()
    local _ <close> = tide.timeout(0.01)
    local connection <close> = connect("the museum")
    print("using " .. connection.name)
    tide.sleep(60)
  end))

  do
    local group <close> = tide.group()
    group:task(function() tide.sleep(0.001) print("a child") end)
  end
  print("all children have ended")
end)
