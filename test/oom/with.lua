-- A resource is closed as often as it was opened.
local tide = require "tide"

local opened, closed, begun = 0, 0, 0

local function open()
  local resource = { close = function()
    closed = closed + 1
    tide.sleep(1)
  end }
  opened = opened + 1
  return resource
end

local function use(seconds)
  local resource = open()
  tide.with(resource, function()
    begun = begun + 1
    tide.sleep(seconds)
  end)
end

return {
  main = function()
    use(1)
    assert(tide.move_on_after(1, use, 5) == false)
    tide.pcall(tide.with, open(), function()
      begun = begun + 1
      error { "failed" }
    end)
    assert(tide.check("value") == "value")
    assert(not tide.pcall(tide.check, nil, "no such file", 2))
  end,
  after = function(_, _, way)
    assert(closed <= opened, "a resource was closed twice")
    -- else Lua may not even be able to call what closes it
    assert(closed >= begun or way ~= "retried", "a resource was not closed")
  end,
}
