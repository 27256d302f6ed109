-- A host in Lua that steps the loop, and one in C.
local tide = require "tide"

return {
  bare = true,
  host = true,
  main = function()
    local ended = 0
    for i = 1, 3 do
      tide.task(function()
        tide.sleep(0)
        tide.next_tick()
        tide.sleep(i)
        ended = ended + 1
      end)
    end
    tide.loop():call_later(1, tide.sleep)
    local loop = tide.loop()
    for _ = 1, 5 do
      loop:step()
      loop:step(0.001)
      loop:fd()
      loop:next_timeout()
      oom.step()
    end
    assert(loop:alive() == (ended < 3))
  end,
}
