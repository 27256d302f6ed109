--- Processes, a few at a time: what they get comes back, and none is left. They
-- come from a program that grows, so each costs some milliseconds.

local process = require "tide.process"
local tide = require "tide"

--- The numbers of those that are there; nil where nobody tells.
local function children()
  local file = io.open "/proc/thread-self/children"
  local list = file and file:read "*a"
  if file then
    file:close()
  end
  return list
end

return function(load)
  load:worker(function()
    load:nap(0.1)
    local text = ("x"):rep(math.random(100000)) -- more than fits into a pipe
    local result = assert(process.run { "cat", input = text, grace = 0.1 })
    assert(result.code == 0 and result.stdout == text, "it is not what went in")
  end, 1)

  load:worker(function()
    load:nap(0.1)
    local child = assert(process.spawn { load.chance(2) and "true" or "cat", stdin = "pipe",
      stdout = "pipe" })
    tide.finally(function()
      tide.move_on_after(0.001, child.wait, child)
      child.stdin:close()
      assert(child.stdout:read(-1) == "")
      assert(child:wait() == 0)
    end, function() child:close() end)
  end, 1)

  load:check(function()
    local left = children()
    if left and left ~= "" then
      return "these are left: " .. left
    end
  end)
end
