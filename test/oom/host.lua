-- A host in C: tasks, futures, awaits, work, posts. Whatever it was promised to
-- be called is called once, when the loop is closed at the latest.
local tide = require "tide"
local core = require "tide.core"

-- A post that cannot be begun without memory is tried again each turn, so in
-- virtual time the grace of the run would never be over.
return {
  prepare = function()
    oom.prepare()
    core.clock_virtual(false)
    tide.loop():set_grace(0.01)
  end,
  before = function()
    core.clock_virtual(true)
  end,
  main = function()
    local task = oom.spawn(function()
      tide.sleep(0.001)
      return "spawned"
    end)
    assert(task:await() == "spawned")
    assert(oom.future("future"):await() == "future")
    oom.await()
    oom.work()
    oom.post()
    tide.gather(oom.await, oom.work, oom.post)
    tide.move_on_after(0, oom.await)
    tide.move_on_after(0, oom.work)
    oom.spawn(oom.await)
  end,
  after = function()
    tide.loop():close()
    collectgarbage()
    collectgarbage()
    local kept, promised = oom.kept()
    assert(kept == promised, "the host was called " .. kept .. " times, not " .. promised)
  end,
}
