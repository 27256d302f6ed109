--- A thread that posts, awaits in C, work in the pool.

local tide = require "tide"
local native = require "soak_native"

return function(load)
  native.open()

  load:worker(function()
    assert(native.echo())
    load:nap(0.002)
    assert(native.stubborn())
  end)

  load:worker(function()
    load:nap(0.005)
    tide.move_on_after(0.0001, native.work)
    assert(native.work())
  end)

  load:at_end(native.close)

  load:check(function()
    local letters = native.letters()
    return letters ~= 0 and letters .. " letters not freed" or nil
  end)
end
