--- Groups: what begins in one has ended when it has.

local tide = require "tide"

return function(load)
  load:worker(function()
    local inside = 0
    local function child(fails)
      inside = inside + 1
      tide.finally(load.nap, function() inside = inside - 1 end, load)
      if fails then
        error(load.oops)
      end
    end
    local function served(started)
      load:nap(0.002)
      started("up")
      load:nap()
    end
    local ok, err = tide.pcall(tide.group, function(g)
      for _ = 1, 3 do
        g:task(child, load.chance(8))
      end
      assert(g:start(served) == "up")
      if load.chance(4) then
        g:cancel("enough")
      end
    end)
    assert(inside == 0, "a task outlived its group")
    if not ok then
      for each in tide.errors(err) do
        assert(each == load.oops or tide.is_cancelled(each), tostring(each))
      end
      error(tide.is_cancelled(err) and err or load.oops, 0)
    end
  end)
end
