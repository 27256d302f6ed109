--- Several at once.

local tide = require "tide"

return function(load)
  local function part()
    load:nap()
    return 1
  end

  local function fails()
    load:nap()
    error(load.oops)
  end

  -- Another error would be reported, and nobody knew whether to expect it.
  load:worker(function()
    local a, b, c = tide.gather(part, load.chance(4) and fails or part, part)
    assert(a + b + c == 3)
  end)

  load:worker(function()
    assert(tide.race(part, part, part) == 1)
  end)

  load:worker(function()
    local step = tide.as_completed { part, part, part }
    for _ = 1, 3 do
      assert(step():await() == 1)
    end
  end)
end
