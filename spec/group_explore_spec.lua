-- Groups, with a cancel at every await of the host.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local explore, pcall, sleep, group = testing.explore, tide.pcall, tide.sleep, tide.group

local kept -- a coroutine that the collector must not meet
local alive -- children that began and have not ended

--- A child's body: counted while it runs.
local function counted(fn)
  return function(...)
    alive = alive + 1
    local ok, err = pcall(fn, ...)
    alive = alive - 1
    if not ok then error(err, 0) end
  end
end

-- 50,000 runs are checked: luassert would take longer than they do.
local function expect(expected, value, result, what)
  if value ~= expected then
    error(("seed %d, await %d, %s: %s: %s, not %s"):format(result.seed, result.k, result.at, what,
      tostring(value), tostring(expected)), 0)
  end
end

--- A cancel at every await of `body`, with many seeds. After each run nothing
-- may be left, nothing be reported, and no error come out but the cancel.
local function explored(title, body, check)
  it(title, function()
    local reports = {}
    tide.loop():set_exception_handler(function(report) reports[1] = report.message end)
    for seed = 1, support.seeds() do
      explore(function()
        alive = 0
        return body()
      end, function(result)
        local stats = tide.stats()
        result.seed = seed
        expect(0, alive, result, "children")
        expect(nil, reports[1], result, "reported")
        for _, what in ipairs { "tasks", "ready", "sleeping", "timers", "wakers", "handles" } do
          expect(0, stats[what], result, what)
        end
        if check and result.ok then
          check(result)
        end
      end, { seed = seed })
    end
    tide.loop():set_exception_handler(nil)
  end)
end

--- pcall whose CancelledErrors pass on: the error, or nil.
local function caught(fn, ...)
  local ok, err = pcall(fn, ...)
  if not ok and tide.is_cancelled(err) then error(err, 0) end
  return not ok and err or nil
end

--- A group that is the only one then: at its end no child may be alive.
local function whole(fn, ...)
  local function check(ok, ...)
    assert(alive == 0, "a group ended before its children")
    if not ok then error((...), 0) end
    return ...
  end
  return check(pcall(group, fn, ...))
end

describe("under explore,", function()
  explored("108: children that sleep, and one that adds another", function()
    whole(function(g)
      for i = 1, 3 do g:task(counted(sleep), i % 2) end
      g:task(counted(function() sleep(1) g:task(counted(sleep), 1) end))
      sleep(1)
      sleep(0)
    end)
    sleep(1)
  end)

  explored("110: a child fails, and another while it is cancelled", function()
    local err = caught(whole, function(g)
      g:task(counted(sleep), 5)
      g:task(counted(function() pcall(sleep, 60) error("second", 0) end))
      g:task(counted(function() sleep(1) error("first", 0) end))
      sleep(2)
      sleep(2)
    end)
    -- a cancel that comes first lets only the second fail
    for e in tide.errors(err) do assert(e == "first" or e == "second", tostring(e)) end
    assert(err)
    sleep(0)
    return err
  end, function(result)
    expect(true, result.hit or tide.is(result[1], tide.ErrorGroup), result, "both errors")
  end)

  explored("109: children are cancelled one by one", function()
    whole(function(g)
      for i = 1, 3 do
        local child = g:task(counted(sleep), 5)
        g:task(counted(function() sleep(i) child:cancel() end))
      end
      sleep(2)
    end)
    sleep(1)
  end)

  explored("120: the group is cancelled", function()
    whole(function(g)
      g:task(counted(sleep), 5)
      g:task(counted(function() sleep(1) g:cancel("why") end))
      sleep(1)
      sleep(1)
    end)
    sleep(1)
    assert(not tide.current_scope())
  end)

  explored("113: nested groups, the inner one fails", function()
    local err = caught(whole, function(outer)
      outer:task(counted(sleep), 5)
      group(function(inner)
        inner:task(counted(sleep), 5)
        inner:task(counted(group), function(deep)
          deep:task(counted(function() sleep(1) error("deep", 0) end))
          sleep(3)
        end)
        sleep(2)
      end)
    end)
    assert(err == nil or err == "deep", tostring(err))
    sleep(1)
  end)

  explored("T17: tasks are started, before and after the group is cancelled", function()
    caught(whole, function(g)
      local function server(started, seconds)
        sleep(seconds)
        started(seconds)
        sleep(2)
      end
      assert(g:start(counted(server), 0) == 0)
      assert(g:start(counted(server), 1) == 1)
      g:task(counted(function() g:start(counted(server), 1) end))
      g:task(counted(function() sleep(0.5) g:cancel() end))
      g:start(counted(server), 3)
    end)
    sleep(1)
  end)

  explored("T17: a task that is started fails", function()
    local early = {}
    local err = caught(whole, function(g)
      local e = caught(g.start, g, counted(function() sleep(1) error(early) end))
      assert(e == nil or e == early)
      g:start(counted(function(started) started() sleep(1) error("late", 0) end))
      sleep(5)
    end)
    assert(err == nil or err == "late", tostring(err))
    sleep(0)
  end)

  explored("118: a group under deadlines, and deadlines in it", function()
    tide.move_on_after(2, function()
      whole(function(g)
        for i = 1, 3 do g:task(counted(tide.move_on_after), i, sleep, 2) end
        tide.move_on_after(1, sleep, 5)
        tide.move_on_after(3, group, function(inner)
          inner:task(counted(sleep), 5)
          sleep(1)
        end)
      end)
      sleep(1)
    end)
    sleep(1)
  end)

  explored("T9: shields in the host, in a child and around", function()
    tide.shield(whole, function(g)
      g:task(counted(sleep), 1)
      sleep(1)
    end)
    whole(function(g)
      g:task(counted(tide.shield), sleep, 2)
      g:task(counted(sleep), 5)
      tide.shield(function()
        g:task(counted(sleep), 1)
        sleep(1)
      end)
      sleep(0)
    end)
    sleep(0)
  end)

  explored("producers and consumers with a semaphore and an event", function()
    local items, done = tide.semaphore(0), tide.event()
    local made, taken = 0, 0
    whole(function(g)
      for _ = 1, 2 do
        g:task(counted(function()
          while true do
            items:acquire()
            taken = taken + 1
            if taken == 6 then done:set() end
          end
        end))
      end
      for i = 1, 3 do
        g:task(counted(function()
          for _ = 1, 2 do
            sleep(i / 2)
            made = made + 1
            items:release()
          end
        end))
      end
      done:wait()
      g:cancel()
    end)
    assert(taken <= made and made <= 6)
    assert(made - taken == items:value())
    sleep(0)
  end)

  explored("a ring: children await the host, and are cancelled with it", function()
    local host = tide.current_task()
    whole(function(g)
      g:task(counted(function() host:await() end))
      g:task(counted(group), function(inner)
        inner:task(counted(function() tide.gather(host) end))
        sleep(60)
      end)
      sleep(1)
      g:cancel()
      sleep(1)
    end)
    sleep(0)
  end)

  explored("the body awaits children that fail or are cancelled", function()
    local err = caught(whole, function(g)
      local slow = g:task(counted(sleep), 2)
      local bad = g:task(counted(function() sleep(1) error("bad", 0) end))
      assert(caught(bad.await, bad) == "bad")
      slow:await()
    end)
    assert(err == nil or err == "bad", tostring(err))
    sleep(0)
  end)

  explored("tide.coroutine: a group whose block is suspended between its awaits", function()
    kept = tide.coroutine.wrap(function()
      whole(function(g)
        g:task(counted(sleep), 2)
        tide.coroutine.yield()
        sleep(1)
        tide.coroutine.yield()
      end)
    end)
    for _ = 1, 3 do
      kept()
      sleep(0)
    end
  end)
end)
