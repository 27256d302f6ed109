local tide = require "tide"

local closed = 0

local function numbers(yield)
  tide.finally(function()
    for i = 1, 3 do
      tide.sleep(1)
      yield(i, "number")
    end
  end, function()
    tide.sleep(0)
    closed = closed + 1
  end)
end

return function()
  local sum, all, some = 0, tide.generator(numbers), tide.generator(numbers)
  local i, word = all()
  while i do
    assert(word == "number")
    sum = sum + i
    i, word = all()
  end
  assert(sum == 6 and closed == 1)
  some()
  some:close()
  assert(some() == nil and closed == 2)
  tide.generator(numbers)()
end
