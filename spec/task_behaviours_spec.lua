-- Tasks and their cancellation: what asyncio's own tests hold.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local now, pack, raises = support.now, support.pack, support.raises

local run, pcall = testing.run, tide.pcall
local unpack = unpack or table.unpack

--- A task of fn that is cancelled, with the reason "why", after a second.
local function cancelled(fn)
  local task = tide.task(fn)
  tide.loop():call_later(1, function() task:cancel("why") end)
  return task
end

--- Something to clean up: sleeps, and raises `err` when it is cancelled.
local function failing_cleanup(err)
  tide.finally(function() tide.sleep(60) end, function()
    tide.sleep(1)
    error(err, 0)
  end)
end

describe("a cancelled task", function()
  it("14: has a traceback of all calls down to the await that was cancelled", function()
    local function innermost() tide.sleep(60) return 1 end
    local function middle() return innermost() + 1 end
    local function outermost() return middle() + 1 end
    tide.loop():set_debug(true)
    local task = cancelled(function() return outermost() + 1 end)
    local waiter = tide.task(function() return task:await() end)
    local err = raises(tide.CancelledError, waiter.await, waiter)
    tide.loop():set_debug(false)
    assert.matches("sleep.*innermost.*middle.*outermost", err.traceback)
    assert.is_true(waiter:cancelled())
  end)

  it("17: whose cleanup raises ends with that error, of whatever kind", function()
    for _, err in ipairs { "text", {}, print, false, io.stdout, tide.OSError "gone" } do
      local task = cancelled(function() failing_cleanup(err) end)
      local waiter = tide.task(function() return task:await() end)
      assert.same(pack(false, err), pack(pcall(waiter.await, waiter)))
      assert.is_false(task:cancelled() or waiter:cancelled())
      assert.is_true(rawequal(err, task:exception()))
    end
  end)

  it("17: an error of a cleanup leaves run, and later cleanups have run",
  { task = false }, function()
    local err, cleaned = {}, false
    assert.same(pack(false, err), pack(pcall(run, function()
      local main = tide.current_task()
      tide.task(tide.finally, function() tide.sleep(60) end, function()
        tide.sleep(1)
        cleaned = true
      end)
      tide.loop():call_later(1, function() main:cancel() end)
      failing_cleanup(err)
    end)))
    assert.is_true(cleaned)
  end)

  it("9, 10: that cancels itself again after it caught the first is cancelled once", function()
    local task = cancelled(function()
      local me = tide.current_task()
      raises(tide.CancelledError, tide.sleep, 60)
      me:cancel("again")
      local err = raises(tide.CancelledError, tide.sleep, 60)
      assert.equal("again", err.reason)
      assert.same({ 1, 0 }, { me:uncancel(), me:uncancel() })
      return tide.sleep(1, "uncancelled")
    end)
    assert.equal("uncancelled", task:await())
  end)
end)

describe("a timeout and a cancel of its task", function()
  --- What timeout(1, fn) ends with in a task that `meanwhile(task)` is done to.
  local function ends(fn, meanwhile)
    local scope
    local task = tide.task(function()
      return tide.timeout(1, function()
        scope = tide.current_scope()
        return fn()
      end)
    end)
    if meanwhile then
      meanwhile(task)
    end
    local ok, result = pcall(task.await, task)
    local class = ok and "value" or tide.is_cancelled(result) and "cancelled"
      or tide.is(result, tide.TimeoutError) and "timeout" or "error"
    return class, scope and scope:cancelled_caught()
  end

  local function sleeping() tide.sleep(60) end
  local function cancel_at(seconds)
    return function(task) tide.loop():call_later(seconds, function() task:cancel() end) end
  end

  it("16: it is a TimeoutError only if its deadline alone ended the block", function()
    assert.same({ "timeout", true }, { ends(sleeping) })
    assert.same({ "cancelled", false }, { ends(sleeping, cancel_at(0.5)) })
    -- after the deadline, before the edge
    assert.same({ "cancelled", false }, { ends(function()
      tide.finally(sleeping, function() tide.sleep(3) end)
    end, cancel_at(2)) })
    -- neither the cancel nor the deadline decide, if the block does not raise for them
    assert.same({ "value", false }, { ends(function() return tide.shield(tide.sleep, 3) end,
      cancel_at(2)) })
    assert.same({ "error", false }, { ends(function() failing_cleanup("foreign") end) })
    assert.same({ "error", false }, { ends(function() failing_cleanup("foreign") end,
      cancel_at(0.5)) })
  end)

  it("16: in one turn the cancel wins, whichever came first", function()
    assert.same({ "cancelled", false }, { ends(sleeping, cancel_at(1)) })
    assert.same({ "cancelled", false }, { ends(sleeping, function(task)
      tide.sleep(0) -- its timer is set before ours
      cancel_at(1)(task)
    end) })
  end)

  it("16: a cancel that is lifted inside leaves the deadline alone", function()
    assert.same({ "timeout", true }, { ends(function()
      raises(tide.CancelledError, tide.sleep, 60)
      assert.equal(0, tide.current_task():uncancel())
      tide.sleep(60)
    end, cancel_at(0.5)) })
  end)
end)

describe("tide.task", function()
  it("31: never runs user code itself, from wherever it is called", function()
    local log = {}
    local callable = setmetatable({}, { __call = function(_, v) log[#log + 1] = v end })
    local function call(v) log[#log + 1] = v end
    tide.task(callable, "callable")
    tide.task(call, "function")
    tide.coroutine.wrap(function() tide.task(call, "coroutine") end)()
    tide.loop():call_soon(function()
      tide.task(call, "callback")
      log[#log + 1] = "end of callback"
    end)
    assert.same({}, log)
    tide.sleep(0)
    tide.sleep(0)
    assert.same({ "end of callback", "callable", "function", "coroutine", "callback" }, log)
  end)

  it("31: a cancel after an end that needed no await does nothing", function()
    local task = tide.task(function() return "at once" end)
    tide.sleep(0)
    assert.is_false(task:cancel())
    assert.equal("at once", task:await())
  end)

  it("22: that raises leaves no task", function()
    for _, bad in ipairs { 5, "x", {}, false } do
      assert.is_false((pcall(tide.task, bad)))
      assert.equal(1, tide.stats().tasks)
    end
    local many, sizes = {}, { 0, 200, 999900, 999960 }
    for i = 1, 1e6 do many[i] = i end
    for n = 7980, 8000 do -- 5.1 and LuaJIT have room for so many, others for a million
      sizes[#sizes + 1] = n
    end
    for _, n in ipairs(sizes) do
      local ok, task = pcall(function() return tide.task(select, "#", unpack(many, 1, n)) end)
      assert.equal(ok and 2 or 1, tide.stats().tasks)
      if ok then
        assert.equal(n, task:await())
      end
    end
  end)
end)

describe("a chain of awaits", function()
  it("32: is a hundred calls deep as well as a hundred tasks", function()
    local function deep(n)
      return n == 0 and tide.sleep(1, 0) or 1 + deep(n - 1)
    end
    local function chain(n)
      return n == 0 and deep(100) or 1 + tide.task(chain, n - 1):await()
    end
    local start = now()
    assert.equal(200, chain(100))
    assert.near(1, now() - start, 1e-6)
  end)

  it("32: of 5 tasks that each start 5, four deep, ends with all of them", function()
    local function tree(depth)
      if depth == 0 then
        return tide.sleep(1, 1)
      end
      local tasks, sum = {}, 0
      for i = 1, 5 do
        tasks[i] = tide.task(tree, depth - 1)
      end
      for _, task in ipairs(tasks) do
        sum = sum + task:await()
      end
      return sum
    end
    assert.equal(5 ^ 4, tree(4))
    assert.equal(1, tide.stats().tasks)
  end)
end)

describe("an object that is not what its metatable says", function()
  --- A userdata of somebody else with this metatable.
  local function forge(metatable)
    local forged = newproxy and newproxy() or assert(io.tmpfile())
    debug.setmetatable(forged, metatable)
    return forged
  end

  it("60: is told in every method, and never crashes", function()
    local objects = { Task = tide.current_task(), Loop = tide.loop(), Event = tide.event(),
      Semaphore = tide.semaphore(), Handle = tide.loop():call_soon(function() end),
      Scope = select(2, tide.scope(function(s) return s end)), Future = tide.future(),
      Group = tide.group(function(g) return g end), Queue = tide.queue(), Lock = tide.lock(),
      Condition = tide.condition(), Barrier = tide.barrier(1) }
    for class, object in pairs(objects) do
      local mt = debug.getmetatable(object)
      local forged = forge(mt)
      for name, method in pairs(mt.methods or mt.__index) do
        local ok, err = pcall(method, forged, 1)
        assert.is_false(ok, name)
        assert.matches(class .. " expected", err)
      end
      for name, event in pairs(mt) do
        if type(event) == "function" and name:match("^__") then
          pcall(event, forged, "deadline", 1)
        end
      end
      assert.is_false(forged == object)
    end
    collectgarbage()
    collectgarbage()
    tide.sleep(0)
  end)
end)
