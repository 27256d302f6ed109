local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local groups = require "spec.group_support"

require("tide.busted").configure { task = false }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local task_it, now, reports_of = groups.task_it, groups.now, groups.reports_of

local run, pcall, sleep, group = testing.run, tide.pcall, tide.sleep, tide.group

local WAITS = "a group ended where it could not wait for its tasks: 1 were cancelled"

describe("a group in a ring of awaits", function()
  --- A host, in whose group ring(g, host) runs; cancelled after a second it ends.
  local function ends(title, ring)
    task_it(title, function()
      local host
      host = tide.task(function()
        group(function(g)
          ring(g, function() return host end)
          sleep(60)
        end)
      end)
      sleep(1)
      host:cancel()
      raises(tide.CancelledError, tide.shield, host)
      assert.equal(1, now())
      for _ = 1, 3 do sleep(0) end
      assert.equal(1, tide.stats().tasks)
    end)
  end

  ends("ends when cancelled: children that await the host", function(g, host)
    g:task(function() host():await() end)
    g:task(function() host():await() end)
  end)

  ends("ends when cancelled: children that gather, race and wait for the host", function(g, host)
    g:task(function() tide.gather(host(), tide.sleep and function() sleep(60) end) end)
    g:task(function() tide.race(host()) end)
    g:task(function() tide.wait { host() } end)
    g:task(function() tide.wait_for(host(), 60) end)
    g:task(function() tide.shield(host()) end)
  end)

  ends("ends when cancelled: the ring goes through a task outside", function(g, host)
    local outside = tide.task(function() tide.gather(host()) end)
    g:task(function() outside:await() end)
  end)

  ends("ends when cancelled: a grandchild awaits its grandparent", function(g, host)
    g:task(function()
      group(function(inner)
        inner:task(function() host():await() end)
        inner:task(function() tide.gather(host()) end)
        sleep(60)
      end)
    end)
  end)

  ends("ends when cancelled: a task that is being started awaits the host", function(g, host)
    g:task(function() g:start(function() host():await() end) end)
  end)

  task_it("ends when its grandchild alone is cancelled, and so cancels its grandparent", function()
    local host, child
    host = tide.task(function()
      group(function(g)
        g:task(group, function(inner)
          child = inner:task(function() host:await() end)
          sleep(60)
        end)
      end)
    end)
    sleep(1)
    child:cancel()
    tide.wait { host }
    assert.equal(1, now())
  end)

  task_it("ends when the starter is cancelled, who waits for one that awaits the host", function()
    local held
    local host = tide.task(group, function(g) held = g sleep(0) end)
    sleep(0)
    local starter = tide.task(function()
      held:start(function() host:await() end)
    end)
    sleep(1)
    starter:cancel()
    raises(tide.CancelledError, tide.shield, starter)
    tide.shield(host) -- its child ended well: the cancel was never delivered
    assert.equal(1, now())
  end)

  task_it("of body and child is a deadlock, told once", function()
    local child
    raises(tide.DeadlockError, group, function(g)
      local host = tide.current_task()
      child = g:task(function() host:await() end)
      child:await()
    end)
    assert.is_true(child:cancelled())
  end)
end)

describe("a deadlock in a group", function()
  it("is raised once, and its children are cancelled", function()
    local child
    local err = raises(tide.DeadlockError, run, function()
      group(function(g)
        child = g:task(function() tide.event():wait() end)
        g:task(function() tide.semaphore(0):acquire() end)
      end)
    end)
    assert.matches("in event", err.message)
    assert.is_true(child:cancelled())
  end)

  it("in the body is raised as well", function()
    raises(tide.DeadlockError, run, function()
      group(function(g)
        g:task(function() tide.event():wait() end)
        tide.event():wait()
      end)
    end)
  end)

  it("of a child that no cancel reaches is raised once; that one is left and reported", function()
    run(function()
      local reports = reports_of(function()
        raises(tide.DeadlockError, group, function(g)
          g:task(tide.shield, function() tide.event():wait() end)
        end)
      end)
      assert.same({ WAITS }, reports)
      tide.loop():set_exception_handler(function() end) -- run abandons it
    end)
    tide.loop():set_exception_handler(nil)
  end)

  it("in the main program is raised there", function()
    raises(tide.DeadlockError, group, function(g)
      g:task(function() tide.event():wait() end)
    end)
  end)
end)

describe("an abandoned host", function()
  task_it("leaves children that are cancelled, and what it had to raise is reported", function()
    local child, host
    local reports = reports_of(function()
      host = tide.task(function()
        group(function(g)
          g:task(error, "early", 0)
          child = g:task(function() tide.shield(sleep, 60) sleep(60) end)
          while true do pcall(sleep, 60) end
        end)
      end):set_name("host")
      sleep(1)
      host:cancel()
      raises(tide.AbandonedError, host.await, host)
    end)
    assert.same({ "host catches its cancellation and goes on",
      WAITS .. ": early" }, reports)
    tide.wait { child }
    assert.is_true(child:cancelled())
    assert.equal(60, now())
  end)

  it("at the end of run, parked at its edge, does not crash", function()
    local quiet = function() end
    run(function()
      tide.loop():set_exception_handler(quiet)
      tide.loop():set_grace(1)
      tide.task(group, function(g)
        g:task(function()
          tide.shield(function() while true do pcall(sleep, 60) end end)
        end)
        g:task(group, function(inner)
          inner:task(tide.shield, function() tide.event():wait() end)
        end)
      end)
      sleep(0)
    end)
    assert.equal(0, tide.stats().tasks)
    tide.loop():set_exception_handler(nil)
    tide.loop():set_grace(5)
  end)
end)

describe("a group in a tide.coroutine", function()
  task_it("stays open while that is suspended, and ends where it is resumed", function()
    local log = {}
    local co = tide.coroutine.create(function()
      return group(function(g)
        g:task(function() sleep(1) log[#log + 1] = "child" end)
        tide.coroutine.yield("yielded")
        return "end"
      end)
    end)
    assert.same(pack(true, "yielded"), pack(tide.coroutine.resume(co)))
    local other = tide.task(function() return tide.coroutine.resume(co) end)
    assert.same(pack(true, "end"), pack(other:await()))
    assert.same({ "child" }, log)
  end)

  task_it("121: dropped with it: its children are cancelled, and it is reported", function()
    local child
    local reports = reports_of(function()
      local co = tide.coroutine.wrap(function()
        group(function(g)
          g:task(error, "early", 0)
          child = g:task(function() tide.shield(sleep, 1) sleep(60) end)
          tide.coroutine.yield()
        end)
      end)
      co()
      sleep(0)
      co = nil -- luacheck: ignore
      support.collect()
      sleep(0)
    end)
    assert.same({ WAITS .. ": early" },
      reports)
    tide.wait { child }
    assert.is_true(child:cancelled())
  end)

  if tide.coroutine.close then
    task_it("closed with it: its children are cancelled, and it is reported", function()
      local child
      local reports = reports_of(function()
        local co = tide.coroutine.create(function()
          group(function(g)
            child = g:task(sleep, 60)
            tide.coroutine.yield()
          end)
        end)
        tide.coroutine.resume(co)
        assert.is_true((tide.coroutine.close(co)))
        sleep(0)
      end)
      assert.same({ WAITS }, reports)
      assert.is_true(child:cancelled())
    end)
  end
end)

describe("a group used after its end", function()
  task_it("117: raises at the caller's line and runs nothing", function()
    local ran
    local function body() ran = true end
    local function check(g)
      misuse("'Group:task': the group has ended", function() g:task(body) end)
      misuse("'Group:start': the group has ended", function() g:start(body) end)
      assert.is_false(g:cancel())
      assert.equal("Group<ended>", tostring(g))
    end
    local held
    group(function(g) held = g end)
    check(held)
    pcall(group, function(g) held = g error("bad") end)
    check(held)
    group(function(g) held = g g:cancel() sleep(0) end)
    check(held)
    for _ = 1, 3 do sleep(0) end
    assert.is_nil(ran)
  end)

  it("of a closed loop does, too", function()
    local held
    group(function(g) held = g end)
    local co = coroutine.wrap(function() end)
    co()
    tide.loop():close()
    misuse("the group has ended", function() held:task(print) end)
    tide.loop()
    misuse("the group has ended", function() held:task(print) end)
    assert.is_false(held:cancel())
  end)

  it("that was open when its loop was closed does, too", function()
    local held
    tide.task(group, function(g) held = g sleep(60) end)
    tide.loop():step()
    assert.equal("Group<0 tasks>", tostring(held))
    tide.loop():close()
    misuse("the group has ended", function() held:task(print) end)
    assert.is_false(held:cancel())
    run(function()
      misuse("the group has ended", function() held:start(print) end)
      assert.equal("Group<ended>", tostring(held))
    end)
  end)
end)
