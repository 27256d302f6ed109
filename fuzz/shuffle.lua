--- The order in which runtime/shuffle.c runs the tasks of a turn (xorshift64*,
-- Fisher-Yates): new(seed)(list). nil where Lua has no integers of 64 bits; then
-- the model does not know the order.

local load = loadstring or load

local WITH_INTEGERS = [[
  return function(seed)
    local state = math.tointeger(seed)
    return function(list)
      for i = #list, 2, -1 do
        state = state ~ state >> 12
        state = state ~ state << 25
        state = state ~ state >> 27
        local j = (state * 0x2545F4914F6CDD1D >> 32) % i + 1
        list[i], list[j] = list[j], list[i]
      end
    end
  end
]]

local WITH_CDATA = [[
  local bit = require "bit"
  return function(seed)
    local state = 0ULL + seed
    return function(list)
      for i = #list, 2, -1 do
        state = bit.bxor(state, bit.rshift(state, 12))
        state = bit.bxor(state, bit.lshift(state, 25))
        state = bit.bxor(state, bit.rshift(state, 27))
        local j = tonumber(bit.rshift(state * 0x2545F4914F6CDD1DULL, 32)) % i + 1
        list[i], list[j] = list[j], list[i]
      end
    end
  end
]]

local chunk = load(WITH_INTEGERS) or load(WITH_CDATA)

return { new = chunk and chunk() }
