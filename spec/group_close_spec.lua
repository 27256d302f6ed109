-- The form for `<close>`, compiled here, as it is syntax of 5.4.
local tide = require "tide"
local support = require "spec.support"
local groups = require "spec.group_support"

require("tide.busted").configure { task = false }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local task_it, now, sleeper, reports_of =
  groups.task_it, groups.now, groups.sleeper, groups.reports_of

local pcall, sleep = tide.pcall, tide.sleep

local WAITS = "a group ended where it could not wait for its tasks: 1 were cancelled"

if _VERSION ~= "Lua 5.4" and _VERSION ~= "Lua 5.5" then
  describe("a group as a variable to be closed", function()
    task_it("is an error at the caller's line on this Lua, and opens none", function()
      misuse("'tide.group' without a function needs `local x <close>`", function() tide.group() end)
      assert.is_nil(tide.current_scope())
    end)
  end)
  return
end

--- opened(fn): fn(g) in the block of such a group
local opened = load([[
  local tide = require "tide"
  return function(fn)
    local g <close> = tide.group()
    return fn(g)
  end]])()

local function fails(fn)
  local ok, err = pcall(opened, fn)
  assert.is_false(ok)
  return err
end

describe("a group as a variable to be closed", function()
  task_it("waits at the end of its block, and keeps the results", function()
    local child
    assert.same(pack(1, nil), pack(opened(function(g)
      child = g:task(sleep, 1)
      return 1, nil
    end)))
    assert.is_true(child:done())
    assert.equal(1, now())
  end)

  task_it("T18: gives up its turn", function()
    local turned
    tide.task(function() turned = true end)
    opened(function() end)
    assert.is_true(turned)
  end)

  task_it("110: raises the error of a child, in the body's place or at the end", function()
    local err = {}
    assert.equal(err, fails(function(g) g:task(sleeper(1, err)) sleep(60) end))
    assert.equal(err, fails(function(g) g:task(sleeper(1, err)) return "lost" end))
    assert.equal(err, fails(function(g) g:task(sleeper(1, err)):await() end))
  end)

  task_it("111: an error of the body cancels the children and passes on", function()
    local child
    assert.equal("body", fails(function(g)
      child = g:task(sleep, 60)
      sleep(1)
      error("body", 0)
    end))
    assert.is_true(child:cancelled())
  end)

  task_it("110: replaces the body's error by an ErrorGroup of it and the children's", function()
    local err = fails(function(g)
      g:task(function() pcall(sleep, 60) error("child", 0) end)
      sleep(1)
      error("body", 0)
    end)
    assert.is_true(tide.is(err, tide.ErrorGroup))
    assert.same({ "body", "child" }, err.errors)
  end)

  task_it("g:cancel raises ScopeCancelled in the body's place", function()
    local err = fails(function(g)
      g:task(sleep, 60)
      g:cancel("why")
      sleep(60)
    end)
    assert.is_true(tide.is(err, tide.ScopeCancelled))
    assert.same({ "the group was cancelled", "why" }, { err.message, err.reason })
    assert.equal("results", opened(function(g)
      g:task(sleep, 60)
      g:cancel()
      return "results"
    end))
    assert.equal(0, now())
  end)

  task_it("a cancel from outside passes on, also one that comes at the edge", function()
    local child
    assert.is_false(tide.move_on_after(1, opened, function(g)
      child = g:task(sleep, 60)
      sleep(60)
    end))
    assert.is_true(child:cancelled())
    local host = tide.task(opened, function(g) child = g:task(sleep, 60) end)
    sleep(1)
    host:cancel("why")
    local err = raises(tide.CancelledError, host.await, host)
    assert.same({ true, "why" }, { child:cancelled(), err.reason })
  end)

  task_it("108: waits for tasks that come when the last has ended", function()
    local late
    opened(function(g)
      g:task(sleep, 1):add_done_callback(function()
        g:task(function() sleep(1) late = true end)
      end)
    end)
    assert.is_true(late)
  end)

  task_it("is closed by break, and by a generic for whose closing value it is", function()
    local children = load([[
      local tide, g = ...
      local tasks = {}
      for i in function(_, i) return (i or 0) + 1 end, nil, nil, g do
        tasks[i] = g:task(tide.sleep, i)
        if i == 3 then break end
      end
      return tasks]])(tide, tide.group())
    for i = 1, 3 do assert.is_true(children[i]:done()) end
    assert.equal(3, now())
  end)

  it("works in the main program", function()
    local child
    opened(function(g) child = g:task(sleep, 0.001) end)
    assert.is_true(child:done())
  end)

  it("a deadlock is raised at its edge", function()
    raises(tide.DeadlockError, opened, function(g)
      g:task(function() tide.event():wait() end)
    end)
  end)

  task_it("nests with scopes and timeouts", function()
    local nested = load([[
      local tide, log = ...
      local t <close> = tide.timeout(1)
      local outer <close> = tide.group()
      local inner <close> = tide.group()
      inner:task(function() tide.sleep(60) end)
      outer:task(function() tide.sleep(60) end)
      tide.sleep(60)]])
    raises(tide.TimeoutError, nested, tide)
    assert.equal(1, now())
    sleep(0)
  end)
end)

describe("a group that is closed where nothing can wait", function()
  task_it("cancels its tasks, hands them to the runtime, and reports", function()
    local child, after
    local reports = reports_of(function()
      assert.is_true(pcall(table.sort, { 1, 2 }, function()
        opened(function(g) child = g:task(function()
          pcall(sleep, 60)
          tide.shield(sleep, 1)
          after = now()
        end) end)
        return false
      end))
      assert.is_nil(tide.current_scope())
    end)
    assert.same({ WAITS }, reports)
    child:await()
    assert.equal(1, after)
  end)

  task_it("raises the errors that came before", function()
    local g
    local reports = reports_of(function()
      g = tide.group()
      g:task(error, "early", 0)
      pcall(sleep, 1)
      local ok, err = pcall(string.gsub, "x", "x", function() getmetatable(g).__close(g, nil) end)
      assert.same(pack(false, "early"), pack(ok, err))
    end)
    assert.same({}, reports)
    assert.equal("Group<ended>", tostring(g))
  end)

  task_it("with its coroutine: the same, and coroutine.close tells no error", function()
    for _, close in ipairs { tide.coroutine.close, coroutine.close } do
      local child
      local reports = reports_of(function()
        local co = tide.coroutine.create(function()
          opened(function(g)
            child = g:task(sleep, 60)
            tide.coroutine.yield()
          end)
        end)
        assert.is_true(tide.coroutine.resume(co))
        sleep(0)
        assert.same(pack(true), pack(close(co)))
        sleep(0)
      end)
      assert.same({ WAITS }, reports)
      assert.is_true(child:cancelled())
      support.collect()
    end
  end)

  task_it("with its abandoned host: the same", function()
    local child
    local reports = reports_of(function()
      local host = tide.task(opened, function(g)
        child = g:task(function() tide.shield(sleep, 60) sleep(60) end)
        g:task(error, "early", 0)
        while true do pcall(sleep, 60) end
      end):set_name("host")
      sleep(1)
      host:cancel()
      raises(tide.AbandonedError, host.await, host)
    end)
    table.sort(reports)
    assert.same({ "a group ended where it could not raise its errors: early", WAITS,
      "host catches its cancellation and goes on" }, reports)
    tide.wait { child }
    assert.is_true(child:cancelled())
  end)
end)

describe("a group that is never closed", function()
  local FORGOTTEN = "a task ended with a scope open: give it a function, or write " ..
    "`local x <close> = `"

  task_it("is reported at the end of its task, and its tasks are cancelled", function()
    local child
    local reports = reports_of(function()
      tide.task(function()
        local g = tide.group()
        child = g:task(sleep, 60)
        sleep(0)
      end):await()
    end)
    assert.same({ FORGOTTEN, WAITS }, reports)
    assert.is_true(child:cancelled())
  end)

  task_it("is reported with what it had to raise", function()
    local reports = reports_of(function()
      local host = tide.task(function()
        tide.group():task(error, "early", 0)
        pcall(sleep, 1)
        error("body", 0)
      end)
      assert.same(pack(false, "body"), pack(pcall(host.await, host)))
    end)
    assert.same({ FORGOTTEN, "a group ended where it could not raise its errors: early" }, reports)
  end)

  task_it("T10: is left with the scope around it, which is an error", function()
    local child
    local reports = reports_of(function()
      local ok, err = pcall(tide.move_on_after, 60, function()
        local g = tide.group()
        g:task(error, "early", 0)
        child = g:task(sleep, 60)
        pcall(sleep, 1)
      end)
      assert.is_false(ok)
      assert.matches("closed before the scopes inside it", err)
    end)
    assert.same({ WAITS .. ": early" }, reports)
    assert.is_true(child:cancelled())
    assert.is_nil(tide.current_scope())
  end)

  task_it("T10: closed twice is an error", function()
    local g = tide.group()
    local close = getmetatable(g).__close
    close(g)
    misuse("the group is not open in this task", function() close(g) end)
  end)
end)
