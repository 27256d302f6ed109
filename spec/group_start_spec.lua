local tide = require "tide"
local support = require "spec.support"
local groups = require "spec.group_support"

require("tide.busted").configure { task = false }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local task_it, now, fails, reports_of = groups.task_it, groups.now, groups.fails, groups.reports_of

local pcall, sleep, group = tide.pcall, tide.sleep, tide.group

--- Starts a second after it is called, then works for another.
local function server(started, ...)
  sleep(1)
  started(...)
  sleep(1)
end

describe("T17: Group:start", function()
  task_it("returns what `started` was given; the task goes on in the group", function()
    local child
    group(function(g)
      assert.same(pack(1, nil, nil), pack(g:start(function(started, ...)
        child = tide.current_task()
        sleep(1)
        started(...)
        sleep(1)
      end, 1, nil, nil)))
      assert.equal(1, now())
      assert.is_false(child:done())
      assert.equal("Group<1 tasks>", tostring(g))
      assert.same(pack(), pack(g:start(function(started) started() end)))
    end)
    assert.is_true(child:done())
    assert.equal(2, now())
  end)

  task_it("returns at once, where `started` is called before any await", function()
    group(function(g)
      local order = {}
      assert.equal("up", g:start(function(started)
        started("up")
        order[#order + 1] = "child"
        sleep(1)
      end))
      assert.same({ "child" }, order)
      assert.equal(0, now())
    end)
  end)

  task_it("raises the error of a task that fails before, and the group goes on", function()
    local err, sibling = {}, nil
    assert.equal("fine", group(function(g)
      sibling = g:task(sleep, 5)
      assert.same(pack(false, err), pack(pcall(g.start, g, function() sleep(1) error(err) end)))
      assert.same(pack(false, err), pack(pcall(g.start, g, function() error(err) end)))
      return "fine"
    end))
    assert.is_false(sibling:cancelled())
  end)

  task_it("is an error at the caller's line, where the task ends before", function()
    group(function(g)
      local why = "'Group:start': the task ended before it called 'started'"
      misuse(why, function() g:start(function() end) end)
      misuse(why, function() g:start(setmetatable({}, { __call = function() sleep(1) end })) end)
      local function cancelled() tide.current_task():cancel("gone") sleep(1) end
      assert.equal("gone", raises(tide.CancelledError, g.start, g, cancelled).reason)
      local kept
      misuse(why, function() g:start(function(started) kept = started end) end)
      kept() -- nobody is left to hear it
    end)
  end)

  task_it("`started` twice is an error at its line, of the task", function()
    local err = fails(function(g)
      g:start(function(started)
        started(1)
        misuse("'started' was called already", function() started(2) end)
        started(3)
      end)
      sleep(60)
    end)
    assert.matches("group_start_spec.lua:%d+: 'started' was called already", err)
  end)

  task_it("an error after `started` is the group's", function()
    local sibling
    assert.equal("late", fails(function(g)
      sibling = g:task(sleep, 60)
      assert.equal("up", g:start(function(started) started("up") sleep(1) error("late", 0) end))
      sleep(60)
    end))
    assert.is_true(sibling:cancelled())
  end)

  task_it("an error in the turn of `started` is the group's, too", function()
    assert.equal("late", fails(function(g)
      assert.equal("up", g:start(function(started) started("up") error("late", 0) end))
    end))
  end)

  task_it("that is cancelled cancels the task and waits for its end", function()
    local child, log = nil, {}
    group(function(g)
      raises(tide.TimeoutError, tide.timeout, 1, g.start, g, function()
        child = tide.current_task()
        log[#log + 1] = pcall(sleep, 60) and "slept" or "cancelled"
        tide.shield(sleep, 2)
        log[#log + 1] = now()
        sleep(0)
      end)
      assert.is_true(child:cancelled())
      assert.equal("Group<0 tasks>", tostring(g))
      sleep(1)
    end)
    assert.same({ "cancelled", 3 }, log)
    assert.equal(4, now())
  end)

  task_it("that is cancelled raises the error of a cleanup that fails", function()
    assert.equal("fine", group(function(g)
      local task = tide.task(function()
        g:start(function() pcall(sleep, 60) error("cleanup", 0) end)
      end)
      sleep(1)
      task:cancel()
      assert.same(pack(false, "cleanup"), pack(pcall(task.await, task)))
      return "fine"
    end))
  end)

  task_it("`started` after the start was cancelled leaves the task where it was", function()
    local reached, child
    group(function(g)
      local task = tide.task(function()
        g:start(function(started)
          child = tide.current_task()
          tide.shield(sleep, 2)
          started("too late")
          assert.equal("Group<0 tasks>", tostring(g))
          sleep(0)
          reached = true
        end)
      end)
      sleep(1)
      task:cancel()
      raises(tide.CancelledError, tide.shield, task)
      assert.is_true(child:cancelled())
      assert.equal(2, now())
    end)
    assert.is_nil(reached)
  end)

  task_it("that is cancelled in the turn of `started` has what was handed over", function()
    for _, first in ipairs { "started", "cancel" } do
      local up, outcome
      group(function(g)
        local task = tide.task(function()
          outcome = pack(pcall(g.start, g, function(started)
            up = started
            sleep(1)
          end))
          sleep(0)
        end)
        sleep(0.5)
        if first == "cancel" then task:cancel() end
        up("value")
        if first == "started" then task:cancel() end
        raises(tide.CancelledError, tide.shield, task)
        assert.equal(first == "started" and "Group<1 tasks>" or "Group<0 tasks>", tostring(g))
      end)
      if first == "started" then
        assert.same(pack(true, "value"), outcome)
      else
        assert.is_true(tide.is_cancelled(outcome[2]))
      end
    end
  end)

  task_it("in a cancelled scope starts the task, which fails at its first await", function()
    local log = {}
    group(function(g)
      assert.is_false(tide.move_on_after(0, g.start, g, function(started)
        log[#log + 1] = "began"
        sleep(0)
        started()
      end))
      sleep(0)
    end)
    assert.same({ "began" }, log)
  end)

  task_it("keeps the group open that would end meanwhile", function()
    local held, log = nil, {}
    local other = tide.task(function()
      sleep(0.5)
      local value = held:start(server, "up")
      log[#log + 1] = value
    end)
    group(function(g)
      held = g
      g:task(sleep, 0.6)
    end)
    assert.equal(2.5, now())
    assert.same({ "up" }, log)
    other:await()
  end)

  task_it("lets the group end when it fails, or ends without `started`", function()
    for _, fn in ipairs { function() sleep(1) error("failed", 0) end, function() sleep(1) end } do
      local before, held = now(), nil
      local other = tide.task(function() sleep(0) return pcall(held.start, held, fn) end)
      group(function(g) held = g g:task(sleep, 0) end)
      assert.equal(1, now() - before)
      assert.is_false((other:await()))
    end
  end)

  task_it("into a group that was cancelled meanwhile: the task is cancelled there", function()
    local held, child
    local other = tide.task(function()
      return held:start(function(started)
        child = tide.current_task()
        sleep(2)
        started("up")
        sleep(60)
      end)
    end)
    group(function(g)
      held = g
      sleep(1)
      g:cancel()
    end)
    assert.equal(2, now())
    assert.is_true(child:cancelled())
    assert.equal("up", other:await())
  end)

  task_it("from a child of the group, which is cancelled with it", function()
    local child
    assert.equal("bad", fails(function(g)
      g:task(function()
        g:start(function() child = tide.current_task() sleep(60) end)
      end)
      g:task(function() sleep(1) error("bad", 0) end)
    end))
    assert.is_true(child:cancelled())
    assert.equal(1, now())
  end)

  task_it("`started` may be called by another task or a callback", function()
    group(function(g)
      assert.equal("callback", g:start(function(started)
        tide.loop():call_later(1, started, "callback")
        sleep(2)
      end))
      assert.equal("task", g:start(function(started)
        tide.task(started, "task")
        sleep(2)
      end))
    end)
    assert.equal(3, now())
  end)

  task_it("nests, and many are under way at a time", function()
    local sum = 0
    group(function(g)
      assert.equal("inner", g:start(function(started)
        started(g:start(function(inner) sleep(1) inner("inner") sleep(1) end))
        sleep(1)
      end))
      tide.group(function(starters)
        for i = 1, 100 do
          starters:task(function()
            local n = g:start(server, i)
            sum = sum + n
          end)
        end
      end)
    end)
    assert.equal(5050, sum)
    assert.equal(3, now())
  end)

  task_it("the task sees the scopes of its starter until `started`, then the group's", function()
    local child
    group(function(g)
      tide.timeout(1, function()
        assert.equal("up", g:start(function(started)
          child = tide.current_task()
          started("up")
          sleep(3)
          return "outlived the timeout"
        end))
      end)
      assert.equal("outlived the timeout", child:await())
    end)
  end)

  task_it("the task fails that another gathers with the host, and did before `started`", function()
    local child, up
    local host = tide.task(group, function(g)
      g:start(function(started)
        child, up = tide.current_task(), started
        sleep(2)
        error("bad", 0)
      end)
      sleep(60)
    end)
    sleep(1)
    local other = tide.task(function() return pcall(tide.gather, child, host) end)
    sleep(0)
    up()
    local reports = reports_of(function()
      assert.same(pack(false, "bad"), pack(other:await()))
    end)
    assert.is_true(#reports <= 1) -- gather's second error
  end)

  it("works in the main program", function()
    group(function(g)
      assert.equal("up", g:start(function(started)
        sleep(0.001)
        started("up")
        sleep(0.001)
      end))
    end)
  end)

  task_it("leaves the group free to end when its host is abandoned", function()
    local held, host, child
    local reports = reports_of(function()
      host = tide.task(function()
        group(function(g)
          held = g
          while true do pcall(sleep, 60) end
        end)
      end):set_name("host")
      sleep(0)
      local other = tide.task(function()
        return held:start(function(started)
          child = tide.current_task()
          tide.shield(sleep, 10)
          started("alone")
        end)
      end)
      sleep(0)
      host:cancel()
      raises(tide.AbandonedError, host.await, host)
      assert.is_false(child:done())
      assert.equal("alone", other:await())
      assert.is_true(child:done())
    end)
    assert.same({ "host catches its cancellation and goes on" }, reports)
  end)

  task_it("cannot be called where nothing can wait", function()
    local err
    group(function(g)
      tide.loop():call_soon(function() err = select(2, pcall(g.start, g, print)) end)
      sleep(0)
      assert.matches("'Group:start' cannot wait in a callback", err)
      misuse("cannot wait in a plain coroutine", coroutine.wrap(function() g:start(print) end))
      assert.equal("Group<0 tasks>", tostring(g))
    end)
  end)
end)
