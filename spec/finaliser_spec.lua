-- What finalisers may do while tide allocates: they run at any place.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

local when_collected = support.when_collected

--- Calls fn(i) often, each time with another amount of garbage, so that the
-- finalisers that it makes run at many places in it.
local function everywhere(fn)
  testing.run(function()
    for i = 1, 3000 do
      for _ = 1, i % 50 do
        local _ = {}
      end
      fn(i)
    end
    collectgarbage()
  end)
end

describe("a finaliser", function()
  it("may add a done callback while one is added", function()
    everywhere(function()
      local future, called, added, over = tide.future(), 0, 1, false
      local function callback() called = called + 1 end
      when_collected(function()
        if not over then
          added = added + 1
          future:add_done_callback(callback)
        end
      end)
      future:add_done_callback(callback)
      over = true
      future:set_result()
      tide.sleep(0)
      assert.equal(added, called)
    end)
  end)

  it("may set a future while it is set", function()
    everywhere(function()
      local future, over = tide.future(), false
      when_collected(function() return over or pcall(future.set_result, future, "other") end)
      pcall(future.set_result, future, 1, 2)
      over = true
      local first, second = future:result()
      assert.is_true((first == 1 and second == 2) or (first == "other" and second == nil))
    end)
  end)

  it("may end what is gathered while the gather begins", function()
    testing.run(function()
      tide.loop():set_exception_handler(function() end)
      for i = 1, 60 do
        local future, over = tide.future(), false
        local list = { future }
        for n = 1, 30 do
          list[n + 1] = function() tide.sleep(60) end
        end
        for _ = 1, i * 5 do
          local _ = {}
        end
        when_collected(function() return over or pcall(future.set_exception, future, "bad") end)
        local last = tide.loop():call_later(1, function()
          over = true
          pcall(future.set_exception, future, "bad")
        end)
        assert.is_true(support.elapsed(pcall, tide.gather, list) <= 1)
        last:cancel()
      end
      tide.loop():set_exception_handler(nil)
    end)
  end)
end)

describe("a failure that nobody saw", function()
  -- In a child, whose small heap is collected often.
  it("is reported, also when the collector finds it while others are", function()
    assert.equal("30000\n", (support.child [[
      local tide = require "tide"
      local reported = 0
      collectgarbage("setpause", 100)
      tide.loop():set_exception_handler(function() reported = reported + 1 end)
      require "tide.testing".run(function()
        for _ = 1, 100 do
          for i = 1, 300 do
            tide.task(error, "unseen")
            if i % 3 == 0 then tide.sleep(0) end
          end
          collectgarbage()
          tide.sleep(0)
        end
      end)
      print(reported)]]))
  end)
end)

describe("a Task that only a finaliser could reach, and that it brings back,", function()
  if _VERSION == "Lua 5.1" then -- tables have no finaliser there
    return
  end

  it("knows that it has ended, and is no other's", function()
    local kept
    testing.run(function()
      do
        local box = { tide.task(tide.sleep, 5) }
        setmetatable(box, { __gc = function(o) kept = o[1] end })
      end
      tide.sleep(1)
      collectgarbage()
      collectgarbage()
      tide.sleep(10)
      local other = tide.task(tide.sleep, 1, "other")
      assert.same({ true, false }, { kept:done(), kept:cancel() })
      assert.matches("lost", tostring(kept))
      support.raises(tide.InvalidStateError, kept.await, kept)
      assert.equal("other", other:await())
    end)
  end)

  it("knows that its loop was closed", function()
    local kept
    do
      local box = { tide.task(tide.sleep, 60) }
      setmetatable(box, { __gc = function(o) kept = o[1] end })
    end
    tide.sleep(0)
    collectgarbage()
    collectgarbage()
    tide.loop():close()
    assert.is_true(kept:done())
    assert.matches("closed", tostring(kept))
  end)
end)

-- `make gcstress` collects right after a coroutine has stopped.
describe("a finaliser may wake what has just begun to wait:", function()
  local function wakes(through)
    testing.run(function()
      local event, over, woken = tide.event(), false, 0
      local function wake_who_waits()
        if not over then
          event:set()
          event:clear()
          when_collected(wake_who_waits)
        end
      end
      when_collected(wake_who_waits)
      local waiting = tide.task(function()
        for _ = 1, 3 do
          woken = woken + (through(function() return event:wait() and 1 end) or 100)
        end
      end)
      while not waiting:done() do
        tide.sleep(0)
        support.collect()
      end
      over = true
      waiting:await()
      assert.equal(3, woken)
    end)
  end

  it("a task", function()
    wakes(function(fn) return (fn()) end)
  end)

  it("a coroutine that a task resumed", function()
    wakes(function(fn) return tide.coroutine.wrap(fn)() end)
  end)
end)
