-- Generators that run, and how they are closed (generator.lua).
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local pcall, sleep, generator = tide.pcall, tide.sleep, tide.generator
-- `for` closes its fourth value, and `__close` may await, from 5.4.3 on.
local has_close = _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5"

--- The same body in a task and in the main program.
local function both_it(title, fn)
  it(title .. " (in a task)", fn)
  it(title .. " (in the main program)", { task = false }, fn)
end

--- The first values that are left, as a list.
local function rest(g)
  local list = {}
  local v = g()
  while v ~= nil do
    list[#list + 1] = v
    v = g()
  end
  return list
end

--- One that has yielded once, and whose cleanup is `cleanup(err)`.
local function begun(cleanup)
  local g = generator(function(yield)
    local ok, err = pcall(yield, "begun")
    assert.is_false(ok)
    return cleanup(err)
  end)
  assert.equal("begun", g())
  return g
end

describe("a generator that runs", function()
  it("cannot be called or closed by itself", function()
    local g
    g = generator(function(yield)
      misuse("'Generator': the generator is running", function() g() end)
      misuse("'Generator:close': the generator is running", function() g:close() end)
      yield(1)
    end)
    assert.equal(1, g())
    assert.is_nil(g())
  end)

  it("cannot be called or closed by another task while it awaits", function()
    local g = generator(function(yield) for i = 1, 2 do yield(sleep(1, i)) end end)
    local task = tide.task(function() return rest(g) end)
    sleep(0.5)
    for _ = 1, 2 do
      misuse("'Generator': the generator is running", function() g() end)
      misuse("'Generator:close': the generator is running", function() g:close() end)
      sleep(1)
    end
    assert.same({ 1, 2 }, task:await())
    assert.is_nil(g())
  end)
end)

describe("close of a generator", function()
  both_it("raises CancelledError at its yield, and waits for its end", function()
    local log = {}
    local g = begun(function(err)
      log[1] = err
      sleep(0.001)
      tide.shield(sleep, 0.001)
      log[2] = "cleaned"
      error(err, 0)
    end)
    assert.same(pack(), pack(g:close()))
    assert.is_true(tide.is_cancelled(log[1]))
    assert.equal("CancelledError: the generator was closed", tostring(log[1]))
    assert.equal("cleaned", log[2])
    assert.equal("Generator<ended>", tostring(g))
    assert.is_nil(g())
    g:close()
  end)

  it("of a fresh, an ended and a failed one does nothing", function()
    local called = false
    local g = generator(function() called = true end)
    g:close()
    assert.is_nil(g())
    assert.is_false(called)
    g:close()
    for _, fn in ipairs { function() end, error } do
      g = generator(fn)
      pcall(g)
      assert.same(pack(), pack(g:close()))
      assert.same(pack(), pack(g:close()))
    end
  end)

  it("a generator may swallow it and return", function()
    local g = begun(function() sleep(1) end)
    assert.same(pack(), pack(g:close()))
    assert.is_nil(g())
  end)

  it("raises what the generator raises instead", function()
    local object = {}
    local g = begun(function() sleep(1) error(object) end)
    assert.same(pack(false, object), pack(pcall(g.close, g)))
    g:close()
    g = begun(function() error(tide.CancelledError("another")) end)
    local err = raises(tide.CancelledError, g.close, g)
    assert.equal("another", err.message)
    assert.is_nil(g())
  end)

  it("of one that yields again is an error at the caller, and the end", function()
    local again = generator(function(yield)
      while true do pcall(yield, 1) end
    end)
    again()
    misuse("generator ignored close", function() again:close() end)
    assert.is_nil(again())
    again:close()
    again = generator(function(yield) pcall(yield, 1) coroutine.yield(1) end)
    again()
    misuse("not coroutine.yield", function() again:close() end)
    assert.is_nil(again())
  end)

  it("its yield in a scope is refused as ever", function()
    local g = generator(function(yield)
      pcall(yield, 1)
      tide.timeout(60, function() yield(2) end)
    end)
    g()
    local ok, err = pcall(g.close, g)
    assert.is_false(ok)
    assert.matches("inside a scope", err)
  end)

  it("in a cancelled task: its awaits raise, but if it or they are shielded", function()
    local log = {}
    local g = begun(function(err)
      tide.shield(function() sleep(1) log[1] = "shielded" end)
      log[2] = sleep(1, "not cancelled")
      error(err, 0)
    end)
    local task = tide.task(function()
      return tide.finally(function() sleep(60) end, function()
        log[3] = "closing"
        g:close()
      end)
    end)
    sleep(0)
    task:cancel("why")
    raises(tide.CancelledError, task.await, task)
    assert.same({ "shielded", "not cancelled", "closing" }, log)
    g = begun(function(err)
      tide.shield(function() sleep(1) log[1] = "again" end)
      log[2] = select(2, pcall(sleep, 1))
      error(err, 0)
    end)
    task = tide.task(function()
      pcall(sleep, 60)
      g:close()
      log[3] = "closed"
    end)
    sleep(0)
    task:cancel("why")
    task:await()
    assert.equal("again", log[1])
    assert.equal("why", log[2].reason)
    assert.equal("closed", log[3])
  end)

  it("cancelled while it waits: the generator gets that, and it is raised", function()
    local seen
    local g = begun(function()
      local ok, err = pcall(sleep, 60)
      seen = not ok and err
      error(err, 0)
    end)
    local task = tide.task(g.close, g)
    sleep(1)
    task:cancel("enough")
    assert.equal("enough", raises(tide.CancelledError, task.await, task).reason)
    assert.equal("enough", seen.reason)
    assert.is_nil(g())
  end)

  it("of one that another task closes is refused", function()
    local g = begun(function() sleep(2) end)
    local task = tide.task(g.close, g)
    sleep(1)
    misuse("'Generator:close': the generator is running", function() g:close() end)
    misuse("'Generator': the generator is running", function() g() end)
    task:await()
    g:close()
    assert.is_nil(g())
  end)

  it("closes what the generator uses, from the inside out", function()
    local log = {}
    local function over(name, inner)
      return (generator(function(yield)
        tide.finally(function()
          yield(name .. (inner and inner() or ""))
        end, function()
          if inner then inner:close() end
          sleep(1)
          log[#log + 1] = name
        end)
      end))
    end
    local g = over("a", over("b", over("c")))
    assert.equal("abc", g())
    g:close()
    assert.same({ "c", "b", "a" }, log)
  end)

  it("works in a callback if nothing awaits", { task = false }, function()
    local log = {}
    local g = begun(function(err) log[1] = tostring(err) end)
    tide.loop():call_soon(function() g:close() end)
    sleep(0)
    assert.same({ "CancelledError: the generator was closed" }, log)
  end)

  it("is what tide.with calls, and __close", function()
    local log = {}
    local function noting(name)
      return begun(function(err) sleep(1) log[#log + 1] = name error(err, 0) end)
    end
    assert.equal("result", tide.with(noting("with"), function(g)
      assert.equal("Generator<suspended>", tostring(g))
      return "result"
    end))
    assert.same(pack(false, "bad"), pack(pcall(tide.with, noting("failed"), function()
      error("bad", 0)
    end)))
    local g = noting("__close")
    getmetatable(g).__close(g, "error")
    assert.same({ "with", "failed", "__close" }, log)
  end)
end)

if has_close then
  describe("leaving the for of a generator", function()
    --- body(g, log): a function compiled here with a for over counting(5).
    local function looping(code)
      local log = {}
      local f = load("local counting, log, sleep = ...; return function() " .. code .. " end")
      return f(function()
        return generator(function(yield)
          local ok, err = pcall(function()
            for i = 1, 5 do yield(sleep(1, i)) end
          end)
          if not ok then
            tide.shield(sleep, 1)
            log[#log + 1] = tostring(err)
            error(err, 0)
          end
        end)
      end, log, sleep), log
    end

    local closed = "CancelledError: the generator was closed"

    it("by break, return, goto and at the end", function()
      for code, result in pairs {
        ["for v in counting() do if v == 2 then break end end return 'left'"] = "left",
        ["for v in counting() do sleep(0) return v end"] = 1,
        ["for v in counting() do if v == 3 then goto out end end ::out:: return 'out'"] = "out",
      } do
        local f, log = looping(code)
        assert.equal(result, f())
        assert.same({ closed }, log)
      end
      local f, log = looping("for v in counting() do log[#log + 1] = v end return 'end'")
      assert.equal("end", f())
      assert.same({ 1, 2, 3, 4, 5 }, log)
    end)

    it("by an error, which passes on", function()
      local f, log = looping("for v in counting() do error({ v }) end")
      assert.same({ false, { 1 } }, { pcall(f) })
      assert.same({ closed }, log)
    end)

    it("by a cancel in the loop or in the generator", function()
      for _, at in ipairs { 0.5, 1.5 } do
        local f, log = looping("for _ in counting() do sleep(1) end")
        local task = tide.task(f)
        sleep(at)
        task:cancel("why")
        assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
        assert.same({ at == 0.5 and "CancelledError: cancelled: why" or closed }, log)
      end
    end)

    it("in the main program", { task = false }, function()
      local list = {}
      local f = load [[
        local generator, sleep, list = ...
        for v in generator(function(yield)
          local ok, err = pcall(function() yield(sleep(0.001, 1)) end)
          sleep(0.001)
          list[2] = ok and "end" or tostring(err)
        end) do
          list[1] = v
          break
        end]]
      f(generator, sleep, list)
      assert.same({ 1, closed }, list)
    end)
  end)

  it("a `<close>` variable of a generator may await, however it ends", function()
    local body = load [[
      local tide, log, fail = ...
      return function(yield)
        local x <close> = setmetatable({}, { __close = function(_, err)
          tide.sleep(1)
          log[#log + 1] = tostring(err)
        end })
        yield(1)
        if fail then error("failed", 0) end
      end]]
    local log = {}
    assert.same({ 1 }, rest((generator(body(tide, log)))))
    local g = generator(body(tide, log))
    g()
    g:close()
    g = generator(body(tide, log, true))
    g()
    assert.same({ false, "failed" }, { pcall(g) })
    assert.same({ "nil", "CancelledError: the generator was closed", "failed" }, log)
  end)
end
