local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local pcall, run = tide.pcall, testing.run

--- What happens when a task awaits the one that is to run next: that one may
-- run inside of the await, and nobody is to notice.
describe("an await of the task that runs next", function()
  local function log_of(f)
    local log = {}
    run(function() f(function(...) log[#log + 1] = table.concat({ ... }, " ") end) end)
    return table.concat(log, ", ")
  end

  it("runs others in their order", function()
    assert.equal("next, called back, other, again", log_of(function(say)
      local loop = tide.loop()
      local task = tide.task(function()
        tide.task(say, "other")
        loop:call_soon(say, "called back")
        say "next"
      end)
      task:await()
      say "again"
    end))
  end)

  it("comes back after those that were ready before", function()
    assert.equal("1, 2, 3, again, 4", log_of(function(say)
      local first = tide.task(say, 1)
      tide.task(function()
        say(2)
        tide.sleep(0)
        say(4)
      end)
      tide.task(say, 3)
      first:await()
      say "again"
    end))
  end)

  it("waits if that one waits", function()
    assert.equal("begins, other, ends, 7", log_of(function(say)
      local task = tide.task(function()
        say "begins"
        tide.sleep(1)
        say "ends"
        return 7
      end)
      tide.task(say, "other")
      say(task:await())
    end))
  end)

  it("waits if that one waits, in a protected call", function()
    assert.equal("begins, ends, 7, begins, ends, 7", log_of(function(say)
      local function wait()
        local task = tide.task(function()
          say "begins"
          tide.sleep(1)
          say "ends"
          return 7
        end)
        collectgarbage()
        return task:await()
      end
      say(select(2, pcall(wait)))
      say(tide.coroutine.wrap(function() return select(2, pcall(wait)) end)())
    end))
  end)

  it("gives its results, whatever they are", function()
    local t = {}
    for _, results in ipairs { pack(), pack(nil), pack(false), pack(true), pack(1.5), pack(7),
      pack(2), pack "text", pack(t), pack(print), pack(1, nil), pack(nil, 2, 3) } do
      local got
      run(function()
        local unpack = unpack or table.unpack -- luacheck: ignore 113 143
        local task = tide.task(unpack, results, 1, results.n)
        got = pack(task:await())
        assert.same(results, pack(task:result()))
        assert.same(results, pack(task:await()))
      end)
      assert.same(results, got)
    end
  end)

  it("raises its error", function()
    run(function()
      local task = tide.task(error, "no", 0)
      assert.same({ false, "no" }, { pcall(task.await, task) })
      assert.equal("no", task:exception())
      local bad = tide.task(coroutine.yield)
      assert.matches("outside of an await", select(2, pcall(bad.await, bad)))
    end)
  end)

  it("is cancelled by it", function()
    local log = log_of(function(say)
      local me = tide.current_task()
      local task = tide.task(function()
        me:cancel()
        return "done"
      end)
      local ok, err = pcall(task.await, task)
      say(tostring(ok), tostring(tide.is_cancelled(err)))
      me:uncancel()
      say(task:cancelled() and "cancelled" or "ended")
    end)
    assert.equal("false true, cancelled", log)
  end)

  it("is told of a cancel that the other caught", function()
    run(function()
      local task = tide.task(function()
        tide.current_task():cancel()
        return "done"
      end)
      assert.is_true(tide.is_cancelled(select(2, pcall(task.await, task))))
      assert.is_true(task:cancelled())
      assert.equal(1, task:cancelling())
    end)
  end)

  it("nests as deep as you like", function()
    local function down(n)
      return n == 0 and 0 or 1 + tide.task(down, n - 1):await()
    end
    assert.equal(3000, run(function() return down(3000) end))
  end)

  it("leaves room for calls from C", function()
    local function down(n)
      return n == 0 and 0 or 1 + select(2, pcall(down, n - 1))
    end
    run(function()
      local function deep(n)
        if n == 0 then
          return tide.task(down, 100):await()
        end
        return select(2, pcall(deep, n - 1))
      end
      assert.equal(100, deep(100))
    end)
  end)

  it("happens in a coroutine of its own", function()
    run(function()
      local co = tide.coroutine.wrap(function()
        local x = tide.task(function() return 1 end):await()
        coroutine.yield(x)
        return tide.task(function() return tide.sleep(0, 2) end):await()
      end)
      assert.equal(1, co())
      assert.equal(2, co())
    end)
  end)

  it("counts as a switch, and as a turn", function()
    run(function()
      local before = tide.stats()
      tide.task(function() end):await()
      local after = tide.stats()
      assert.equal(2, after.switches - before.switches)
      assert.equal(2, after.turns - before.turns)
      assert.equal(before.tasks, after.tasks)
    end)
  end)

  it("keeps what it ended with for a Task that was asked for anew", function()
    run(function()
      local again
      local task = tide.task(function()
        again = tide.current_task()
        return 5
      end)
      assert.equal(5, task:await())
      assert.equal(task, again)
      assert.equal(5, again:result())
    end)
  end)

  it("runs done callbacks before it goes on", function()
    assert.equal("called, again", log_of(function(say)
      local task = tide.task(function() end)
      task:add_done_callback(function() say "called" end)
      task:await()
      say "again"
    end))
  end)

  it("is as before in the steps of a host, and for a stranger", function()
    run(function()
      local co = coroutine.running()
      local status = tide.task(function() return coroutine.status(co) end):await()
      assert.equal("suspended", status)
    end)
  end)

  it("ends the scopes and variables of that task", function()
    run(function()
      local name = tide.var("none")
      local task = tide.task(function()
        name:set("inner")
        tide.timeout(5, tide.sleep, 0)
        return name:get()
      end)
      assert.equal("inner", task:await())
      assert.equal("none", name:get())
    end)
  end)
end)
