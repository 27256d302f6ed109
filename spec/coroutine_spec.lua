local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local co, pcall = tide.coroutine, tide.pcall
local is_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")

--- A test whose body is the main task.
local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

--- The same body in a task and in the main program, where nothing waits for
-- longer than a few milliseconds.
local function both_it(title, fn)
  task_it(title .. " (in a task)", fn)
  it(title .. " (in the main program)", fn)
end

describe("tide.coroutine, as Lua's own tests check it,", function()
  local function as_ever()
    local values = {}
    local c
    c = co.create(function(...)
      values[1] = pack(...)
      assert.equal("running", co.status(c))
      values[2] = pack(co.yield(1, nil, 3))
      values[3] = pack(co.yield())
      return "end", nil
    end)
    assert.equal("suspended", co.status(c))
    assert.same(pack(true, 1, nil, 3), pack(co.resume(c, "a", nil)))
    assert.equal("suspended", co.status(c))
    assert.same(pack(true), pack(co.resume(c, nil, "b", nil)))
    assert.same(pack(true, "end", nil), pack(co.resume(c)))
    assert.equal("dead", co.status(c))
    assert.same({ pack("a", nil), pack(nil, "b", nil), pack() }, values)
    assert.same(pack(false, "cannot resume dead coroutine"), pack(co.resume(c)))
  end

  both_it("resume and yield pass all values, nils too", as_ever)

  it("it works in a callback of the loop", function()
    local done
    tide.loop():call_soon(function() as_ever() done = true end)
    tide.sleep(0)
    assert.is_true(done)
  end)

  both_it("wrap raises the coroutine's own error object", function()
    local object = {}
    local f = co.wrap(function() co.yield(1) error(object) end)
    assert.equal(1, f())
    local ok, err = pcall(f)
    assert.is_false(ok)
    assert.equal(object, err)
    ok, err = pcall(f)
    assert.is_false(ok)
    assert.matches("cannot resume dead coroutine", err)
  end)

  both_it("resume gives false and the error, and the coroutine is dead", function()
    for _, value in ipairs { "text", { 1 }, 12, true, false } do
      local c = co.create(function() co.yield() error(value, 0) end)
      assert.is_true(co.resume(c))
      local ok, err = co.resume(c)
      assert.is_false(ok)
      assert.equal(value, err)
      assert.equal("dead", co.status(c))
    end
  end)

  both_it("a coroutine cannot resume itself or its resumer", function()
    local outer, inner
    outer = co.create(function()
      inner = co.create(function()
        assert.equal("normal", co.status(outer))
        assert.same({ false, "cannot resume non-suspended coroutine" }, { co.resume(outer) })
        assert.same({ false, "cannot resume non-suspended coroutine" }, { co.resume(inner) })
        return "inner"
      end)
      return select(2, co.resume(inner))
    end)
    assert.same({ true, "inner" }, { co.resume(outer) })
  end)

  it("bad arguments are told at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline
    local ok, err = pcall(function() co.resume(1) end)
    assert.is_false(ok)
    assert.matches("coroutine_spec.lua:" .. line + 1 .. ": .*coroutine expected", err)
    ok, err = pcall(function() co.status() end)
    assert.is_false(ok)
    assert.matches("coroutine expected, got no value", err)
  end)

  task_it("many values pass", function()
    local many = {}
    for i = 1, 200 do many[i] = i end
    local f = co.wrap(function(...)
      tide.sleep(0)
      return (unpack or table.unpack)({ ... }, 1, 200)
    end)
    assert.same(many, { f((unpack or table.unpack)(many)) })
  end)

  if co.close then -- 5.4 only
    both_it("close closes a suspended one and refuses one that waits", function()
      local log = {}
      local f = assert(load([[
        local log, yield = ...
        return function()
          local x <close> = setmetatable({}, { __close = function() log[1] = "closed" end })
          yield()
        end]]))(log, co.yield)
      local c = co.create(f)
      co.resume(c)
      assert.is_true(co.close(c))
      assert.same({ "closed" }, log)
      assert.equal("dead", co.status(c))
      local failed = co.create(error)
      co.resume(failed, "oops")
      assert.same({ false, "oops" }, { co.close(failed) })
    end)

    task_it("close of one that awaits is refused", function()
      local c = co.create(function() tide.sleep(1) return "slept" end)
      local task = tide.task(function() return co.resume(c) end)
      tide.sleep(0)
      local ok, err = pcall(co.close, c)
      assert.is_false(ok)
      assert.matches("cannot close a normal coroutine", err)
      assert.same({ true, "slept" }, { task:await() })
    end)
  end
end)

describe("a coroutine that awaits", function()
  both_it("suspends its resumer until it yields or ends", function()
    local f = co.wrap(function(a)
      local b = co.yield(tide.sleep(0.001, a))
      tide.sleep(0.001)
      tide.sleep(0)
      return co.yield(b), tide.sleep(0.001, "last")
    end)
    assert.equal("a", f("a"))
    assert.equal("b", f("b"))
    assert.same({ "c", "last" }, { f("c") })
  end)

  both_it("nests three deep, yields and awaits in any order", function()
    local log = {}
    local function say(...) log[#log + 1] = table.concat({ ... }, " ") end
    local third = co.wrap(function()
      for i = 1, 3 do
        tide.sleep(0.001)
        co.yield(i)
        if i == 2 then tide.sleep(0) end
      end
      return "end"
    end)
    local second = co.wrap(function()
      repeat
        local v = third()
        say("second", v)
        if v ~= 1 then tide.sleep(0.001) end
        co.yield(v)
      until v == "end"
      return "over"
    end)
    local first = co.wrap(function()
      repeat
        local v = second()
        if v == 3 then tide.sleep(0) end
        co.yield(v)
      until v == "over"
    end)
    for _, v in ipairs { 1, 2, 3, "end", "over" } do
      local got = first()
      assert.equal(v, got)
      say("main", got)
      tide.sleep(0)
    end
    assert.same({ "second 1", "main 1", "second 2", "main 2", "second 3", "main 3", "second end",
      "main end", "main over" }, log)
  end)

  both_it("raises before and after an await as its resume's failure", function()
    local object = { "x" }
    for _, before in ipairs { true, false } do
      local c = co.create(function()
        if before then error(object) end
        tide.sleep(0.001)
        error(object)
      end)
      local ok, err = co.resume(c)
      assert.is_false(ok)
      assert.equal(object, err)
      assert.equal("dead", co.status(c))
      local wrapped = co.wrap(function() tide.sleep(0) error(object) end)
      ok, err = pcall(wrapped)
      assert.is_false(ok)
      assert.equal(object, err)
      assert.equal(7, tide.sleep(0, 7))
    end
  end)

  both_it("can use tide.pcall, timeouts and finally", function()
    local log = {}
    local f = co.wrap(function()
      local ok, err = pcall(function() tide.sleep(0) error("inner", 0) end)
      log[#log + 1] = ok == false and err or "no error"
      co.yield(tide.timeout(5, tide.sleep, 0.001, "in time"))
      ok, err = pcall(tide.timeout, 0.001, tide.sleep, 5)
      log[#log + 1] = not ok and tide.is(err, tide.TimeoutError) and "timed out"
      return tide.finally(function() return tide.sleep(0, "value") end,
        function() tide.sleep(0) log[#log + 1] = "cleanup" end)
    end)
    assert.equal("in time", f())
    assert.equal("value", f())
    assert.same({ "inner", "timed out", "cleanup" }, log)
  end)

  task_it("does not hold up other tasks", function()
    local order = {}
    local function worker(name)
      local f = co.wrap(function()
        for i = 1, 3 do
          tide.sleep(1)
          order[#order + 1] = name .. i
          co.yield()
        end
      end)
      return tide.task(function() f() f() f() end)
    end
    local a, b = worker("a"), worker("b")
    a:await()
    b:await()
    assert.same({ "a1", "b1", "a2", "b2", "a3", "b3" }, order)
  end)

  task_it("is 'normal' while it waits, and only the loop can resume it", function()
    local c = co.create(function() tide.sleep(1) return "slept" end)
    local task = tide.task(function() return co.resume(c) end)
    tide.sleep(0)
    assert.equal("normal", co.status(c))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { co.resume(c, "x") })
    assert.same({ true, "slept" }, { task:await() })
    assert.equal("dead", co.status(c))
  end)

  task_it("can be resumed by one task after the other", function()
    local c = co.wrap(function()
      local seen = {}
      for _ = 1, 2 do
        seen[#seen + 1] = tide.current_task()
        tide.sleep(1)
        seen[#seen + 1] = tide.current_task()
        co.yield()
      end
      return seen
    end)
    local a, b = tide.task(function() c() end), tide.task(function() tide.sleep(5) c() end)
    a:await()
    b:await()
    assert.same({ a, a, b, b }, c())
  end)

  if is_51 or rawget(_G, "jit") then
    -- Without lua_yieldk a coroutine resumed from outside has lost its await.
    local full = tide.queue(1)
    local waits = {
      ["tide.sleep"] = function() tide.sleep(1) end,
      ["tide.next_tick"] = tide.next_tick,
      ["Queue:put"] = function() full:put(2) end,
    }
    for name, wait in pairs(waits) do
      task_it("resumed by the built-in resume " .. name .. " raises, the task fails", function()
        if full:empty() then full:put_nowait(1) end
        local own, after
        local task = tide.task(function() own = coroutine.running() wait() after = true end)
        tide.sleep(0)
        for _, outsiders in ipairs({ "x", false, 2 }) do
          local ok, err = coroutine.resume(own, outsiders)
          assert.is_false(ok)
          if outsiders == "x" then
            assert.matches("'" .. name .. "' was resumed from outside while it waited", err)
          end
        end
        full:get_nowait()
        assert.is_false((pcall(task.await, task)))
        assert.is_nil(after)
        assert.equal("x", tide.sleep(1, "x"))
      end)
    end

    task_it("made by tide.coroutine, its await raises when resumed by the built-in", function()
      local after
      local inner = co.create(function() tide.sleep(1) after = true end)
      local task = tide.task(function() return co.resume(inner) end)
      tide.sleep(0)
      local ok, err = coroutine.resume(inner)
      assert.is_false(ok)
      assert.matches("'tide.sleep' was resumed from outside while it waited", err)
      assert.is_false((task:await()))
      assert.is_nil(after)
    end)
  else
    task_it("goes on waiting when the built-in resume resumes it", function()
      local own
      local inner = co.create(function()
        tide.sleep(1)
        co.yield("yielded")
        return "end"
      end)
      local task = tide.task(function()
        own = coroutine.running()
        local _, first = co.resume(inner)
        local _, second = co.resume(inner)
        return first, second, tide.sleep(1, "own")
      end)
      tide.sleep(0)
      assert.is_true(coroutine.resume(inner, "x"))
      assert.is_true(coroutine.resume(own, "x"))
      tide.sleep(1.5)
      assert.is_true(coroutine.resume(own, "x"))
      assert.same({ "yielded", "end", "own" }, { task:await() })
    end)
  end

  task_it("gets the cancel of its task, and so does the task after it", function()
    local log = {}
    local c = co.create(function()
      local ok, err = pcall(tide.sleep, 10)
      log[1] = not ok and tide.is_cancelled(err)
      ok, err = pcall(tide.sleep, 10)
      log[2] = not ok and tide.is_cancelled(err)
      log[3] = err.reason
      error(err, 0)
    end)
    local task = tide.task(function()
      local ok, err = co.resume(c)
      log[4] = not ok and tide.is_cancelled(err)
      tide.sleep(0)
    end)
    tide.sleep(0)
    task:cancel("enough")
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.is_true(tide.is_cancelled(err))
    assert.is_true(task:cancelled())
    assert.same({ true, true, "enough", true }, log)
  end)

  task_it("a deadline of its resumer ends it, and the resumer gets the TimeoutError", function()
    local inner = co.wrap(function() tide.sleep(10) end)
    local ok, err = pcall(tide.timeout, 1, function() inner() end)
    assert.is_false(ok)
    assert.is_true(tide.is(err, tide.TimeoutError))
  end)

  task_it("takes its open scopes along while it is suspended", function()
    local c = co.wrap(function()
      local ok, err = pcall(tide.timeout, 1, function()
        co.yield("open")
        tide.sleep(10)
      end)
      return ok, tide.is(err, tide.TimeoutError)
    end)
    assert.equal("open", c())
    tide.sleep(5) -- not inside the coroutine's deadline
    assert.same({ false, true }, { c() })
    tide.sleep(1)
  end)

  task_it("that is dropped while suspended in a scope leaves nothing behind", function()
    for _ = 1, 20 do
      co.wrap(function() tide.timeout(1, co.yield) end)()
    end
    collectgarbage()
    collectgarbage()
    tide.sleep(0)
    assert.equal(0, tide.stats().timers)
    tide.sleep(2)
  end)

  it("a main program's coroutine survives a run in between", function()
    local c = co.wrap(function() tide.sleep(0.001) co.yield(1) tide.sleep(0.001) return 2 end)
    assert.equal(1, c())
    assert.equal(3, testing.run(function() return tide.sleep(1, 3) end))
    assert.equal(2, c())
  end)
end)

describe("coroutine.running and yield in a task", function()
  task_it("a hook may wake who has asked for it at any step of its await", function()
    for step = 1, 40 do
      local semaphore, steps = tide.semaphore(0), 0
      local task = tide.task(function()
        coroutine.running()
        debug.sethook(function()
          steps = steps + 1
          if steps == step then semaphore:release() end
        end, "", 1)
        semaphore:acquire()
        debug.sethook()
      end)
      tide.sleep(0)
      debug.sethook() -- LuaJIT has one for all
      semaphore:release()
      task:await()
      assert.equal(steps >= step and 1 or 0, semaphore:value())
    end
  end)

  task_it("running is the task's coroutine, the same in pcall", function()
    local main, is_main = coroutine.running()
    assert.equal("thread", type(main))
    assert.is_falsy(is_main)
    assert.equal(main, (co.running()))
    pcall(function()
      assert.equal(main, (coroutine.running()))
      pcall(function()
        tide.sleep(0)
        assert.equal(main, (coroutine.running()))
      end)
    end)
    local inner
    inner = co.create(function()
      tide.sleep(0)
      assert.equal(inner, (co.running()))
      pcall(function() assert.equal(inner, (co.running())) end)
      return "checked"
    end)
    assert.same({ true, "checked" }, { co.resume(inner) })
  end)

  task_it("the task's own coroutine cannot be resumed by anybody", function()
    local own
    local task = tide.task(function() own = coroutine.running() return tide.sleep(1, "slept") end)
    tide.sleep(0)
    assert.same({ false, "cannot resume non-suspended coroutine" }, { co.resume(own) })
    assert.equal("slept", task:await())
    assert.equal("dead", co.status(own))
  end)

  task_it("a plain yield out of a task's body fails the task", function()
    local task = tide.task(function() coroutine.yield(1) end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches("^[^:]*spec/coroutine_spec.lua:%d+: a task yielded outside of an await", err)
    task = tide.task(function() pcall(coroutine.yield, 1) return "not reached" end)
    ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches("yielded outside of an await", err)
  end)

  task_it("its own yield out of a task's body is an error there", function()
    local said = "attempt to yield from outside a coroutine"
    local task = tide.task(function() co.yield(1) end)
    local ok, err = pcall(task.await, task)
    assert.is_false(ok)
    assert.matches(said, err, 1, true)
    task = tide.task(function() return co.pcall(co.pcall, co.yield, 1) end)
    ok, err = select(2, task:await())
    assert.is_false(ok)
    assert.matches(said, err, 1, true)
    task = tide.task(co.wrap(function() return select(2, co.pcall(co.yield, 1)) end))
    assert.equal(1, task:await())
  end)

  task_it("150 resumes inside each other are fine", function()
    local function nest(n)
      if n == 0 then return "bottom" end
      local _, value = co.resume(co.create(nest), n - 1)
      return value
    end
    assert.equal("bottom", nest(150))
  end)
end)
