--- Random numbers that are the same on every Lua (Park and Miller's).

local M = {}

function M.new(seed)
  local state = seed % 2147483646 + 1
  local function next_number()
    state = state * 16807 % 2147483647
    return state
  end
  for _ = 1, 3 do -- near seeds begin alike
    next_number()
  end
  local random = {}

  function random.int(_, low, high)
    return low + next_number() % (high - low + 1)
  end

  function random.chance(_, probability)
    return next_number() < probability * 2147483647
  end

  function random.pick(_, list)
    return list[1 + next_number() % #list]
  end

  return random
end

return M
