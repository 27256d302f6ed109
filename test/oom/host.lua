-- A host in C: tasks, futures, awaits, work, posts. Whatever it was promised to
-- be called is called, once.
local tide = require "tide"

return {
  prepare = oom.prepare,
  main = function()
    local task = oom.spawn(function()
      tide.sleep(1)
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
    local kept, promised = oom.kept()
    assert(kept == promised, "the host was called " .. kept .. " times, not " .. promised)
  end,
}
