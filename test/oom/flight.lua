-- A host's program that ends, or goes on without memory, while tasks wait in
-- whatever there is.
local tide = require "tide"

local function open_scope()
  tide.timeout(50, tide.group, function(group)
    group:task(tide.shield, tide.sleep, 40)
    tide.sleep(60)
  end)
end

return {
  bare = true,
  lost = true,
  main = function()
    local queue, full, semaphore = tide.queue(), tide.queue(1), tide.semaphore(0)
    local lock, event, condition = tide.lock(), tide.event(), tide.condition()
    local future, barrier = tide.future(), tide.barrier(2)
    local named = tide.task(tide.sleep, 30):set_name("named")
    local value = tide.var()
    full:put_nowait(1)
    tide.task(lock.acquire, lock)
    value:set("value")
    for _, wait in ipairs {
      function() queue:get() end,
      function() full:put(2) end,
      function() semaphore:acquire() end,
      function() lock:acquire() end,
      function() event:wait() end,
      function() condition:with(condition.wait, condition) end,
      function() future:await() end,
      function() barrier:wait() end,
      function() named:await() end,
      function() tide.gather(named, future, tide.sleep) end,
      function() tide.wait { named, future } end,
      function() tide.park(function() return error end) end,
      function() tide.generator(function(yield) yield(tide.sleep(20)) end)() end,
      function() tide.coroutine.wrap(tide.sleep)(20) end,
      function() tide.finally(function() tide.sleep(20) end, function() tide.sleep(20) end) end,
      function() tide.next_tick() tide.sleep(20) end,
      open_scope,
    } do
      tide.task(wait)
    end
    tide.loop():call_later(20, error)
    for _ = 1, 3 do
      tide.sleep(1)
    end
    named:cancel()
    tide.sleep(0)
  end,
}
