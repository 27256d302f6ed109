local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pack = support.pack

local is_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
local unpack = unpack or table.unpack -- luacheck: ignore 143 113

--- A body that is tried in a task, in a coroutine of a task, in the main
-- program and in a coroutine of the main program.
local function everywhere(title, fn)
  it(title .. " (task)", function() testing.run(fn) end)
  it(title .. " (coroutine of a task)", function()
    testing.run(function() tide.coroutine.wrap(fn)() end)
  end)
  it(title .. " (main program)", fn)
  it(title .. " (coroutine of the main program)", function() tide.coroutine.wrap(fn)() end)
end

describe("tide.pcall", function()
  everywhere("gives true and all results, nils too, across an await", function()
    local function f(...)
      tide.sleep(0.001)
      return ...
    end
    assert.same(pack(true), pack(tide.pcall(f)))
    assert.same(pack(true, nil, 2, nil), pack(tide.pcall(f, nil, 2, nil)))
    assert.same(pack(true, "r"), pack(tide.pcall(tide.sleep, 0, "r")))
    assert.same(pack(true, 1, nil), pack(tide.pcall(tide.coroutine.wrap(f), 1, nil)))
    local many = {}
    for i = 1, 200 do many[i] = i end
    assert.equal(201, select("#", tide.pcall(f, unpack(many))))
  end)

  everywhere("gives false and the error object unchanged", function()
    local object = setmetatable({}, { __tostring = function() return "object" end })
    for _, value in ipairs { object, "text", 12, false, true } do
      for _, wait in ipairs { false, true } do
        local results = pack(tide.pcall(function()
          if wait then tide.sleep(0) end
          error(value, 0)
        end))
        assert.equal(2, results.n)
        assert.is_false(results[1])
        assert.equal(value, results[2])
      end
    end
  end)

  everywhere("an error has the line where it happened", function()
    local line = debug.getinfo(1, "l").currentline
    local ok, err = tide.pcall(function()
      tide.sleep(0)
      error("here")
    end)
    assert.is_false(ok)
    assert.matches("pcall_spec.lua:" .. line + 3 .. ": here", err)
    ok, err = tide.pcall(function() local x = nil; return x.y end)
    assert.is_false(ok)
    assert.matches("pcall_spec.lua:" .. line + 7 .. ": attempt to index", err)
  end)

  everywhere("what is no function is an error, not a raise", function()
    local ok, err = tide.pcall(12)
    assert.is_false(ok)
    assert.matches("attempt to call a number value", err)
    ok, err = tide.pcall(nil)
    assert.is_false(ok)
    assert.matches("attempt to call a nil value", err)
    local callable = setmetatable({}, { __call = function(_, a) return tide.sleep(0, a) end })
    assert.same({ true, "a" }, { tide.pcall(callable, "a") })
  end)

  everywhere("nested, the inner one catches first, awaits on all levels", function()
    local log = {}
    local ok, err = tide.pcall(function()
      tide.sleep(0)
      local inner, message = tide.pcall(function()
        tide.sleep(0)
        error("inner", 0)
      end)
      log[#log + 1] = tostring(inner) .. message
      tide.sleep(0)
      error("outer", 0)
    end)
    assert.same({ "falseinner" }, log)
    assert.same({ false, "outer" }, { ok, err })
  end)

  everywhere("150 deep works, with an await at the bottom", function()
    local function deep(n)
      if n == 0 then return tide.sleep(0.001, "bottom") end
      local ok, value = tide.pcall(deep, n - 1)
      assert(ok, value)
      return value
    end
    assert.equal("bottom", deep(150))
  end)

  everywhere("a yield passes through it, to and fro", function()
    local f = tide.coroutine.wrap(function(a)
      local log = { a }
      local ok, err = tide.pcall(function()
        log[#log + 1] = tide.coroutine.yield("y1", nil)
        tide.sleep(0)
        tide.pcall(function()
          log[#log + 1] = tide.coroutine.yield("y2")
          tide.sleep(0)
          log[#log + 1] = coroutine.yield("y3")
        end)
        error("stop", 0)
      end)
      log[#log + 1] = tostring(ok) .. err
      return log
    end)
    assert.same(pack("y1", nil), pack(f("r0")))
    assert.same(pack("y2"), pack(f("r1")))
    assert.same(pack("y3"), pack(f("r2")))
    assert.same({ "r0", "r1", "r2", "r3", "falsestop" }, f("r3"))
  end)

  everywhere("coroutine.running is the same inside", function()
    local outside = coroutine.running()
    tide.pcall(function()
      assert.equal(outside, (coroutine.running()))
      tide.sleep(0)
      tide.xpcall(function() assert.equal(outside, (coroutine.running())) end, print)
    end)
    assert.equal(tide.current_task(), select(2, tide.pcall(tide.current_task)))
  end)

  it("catches a cancel, and the next await raises again", function()
    testing.run(function()
      local log = {}
      local task = tide.task(function()
        for i = 1, 3 do
          local ok, err = tide.pcall(tide.sleep, 1)
          log[i] = not ok and tide.is_cancelled(err)
        end
      end)
      tide.sleep(0)
      task:cancel()
      local ok, err = tide.pcall(task.await, task)
      assert.same({ true, nil }, { ok, err })
      assert.same({ true, true, true }, log)
    end)
  end)

  it("in a callback of the loop it is Lua's", function()
    local results
    tide.loop():call_soon(function()
      results = { tide.pcall(function() tide.sleep(0) end) }
    end)
    tide.sleep(0)
    assert.is_false(results[1])
    assert.matches("cannot wait in a callback", results[2])
  end)

  it("1,000 times in a row leaves nothing behind", function()
    testing.run(function()
      for i = 1, 1000 do
        local _, v = tide.pcall(tide.sleep, 0, i)
        assert.equal(i, v)
      end
    end)
  end)

  it("of a coroutine that is dropped half way is collected", function()
    testing.run(function()
      local weak = setmetatable({}, { __mode = "v" })
      do
        local held = {}
        weak[1] = held
        tide.coroutine.wrap(function()
          tide.pcall(function() tide.sleep(0) tide.coroutine.yield() return held end)
        end)()
        held = nil -- luacheck: ignore 311
      end
      tide.sleep(0)
      support.collect()
      assert.is_nil(weak[1])
    end)
  end)
end)

describe("tide.xpcall", function()
  everywhere("passes results, and errors through the handler", function()
    local function f(...) tide.sleep(0) return ... end
    assert.same(pack(true, 1, nil), pack(tide.xpcall(f, print, 1, nil)))
    assert.same({ false, "handled oops" }, { tide.xpcall(function()
      tide.sleep(0)
      error("oops", 0)
    end, function(e) return "handled " .. e end) })
    local object = {}
    assert.same({ false, object }, { tide.xpcall(error, function(e) return e end, object) })
  end)

  everywhere("arguments after the handler are the function's, on every Lua", function()
    local got = pack(select(2, tide.xpcall(function(...) return pack(...) end, print, nil, 2, nil)))
    assert.same(pack(nil, 2, nil), got[1])
  end)

  everywhere("an error in the handler is no crash", function()
    local ok = tide.xpcall(function() error("first") end, function() error("second") end)
    assert.is_false(ok)
  end)

  everywhere("debug.traceback as a handler names the place", function()
    local ok, err = tide.xpcall(function() tide.sleep(0) error("where") end, debug.traceback)
    assert.is_false(ok)
    assert.matches("where", err)
    assert.matches("stack traceback", err)
  end)
end)

describe("tide.pcall in a task", function()
  local task_it = support.task_it

  task_it("yields as many values as its function, none too", function()
    local f = tide.coroutine.wrap(function()
      return tide.pcall(function()
        return select("#", tide.coroutine.yield()), select("#", tide.coroutine.yield(nil, nil))
      end)
    end)
    assert.same(pack(), pack(f()))
    assert.same(pack(nil, nil), pack(f(nil, nil, nil)))
    assert.same(pack(true, 3, 0), pack(f()))
  end)

  task_it("each call is as good as the first", function()
    local function id(...) return ... end
    for round = 1, 3 do
      assert.same(pack(true, round, nil), pack(tide.pcall(id, round, nil)))
      assert.same(pack(true), pack(tide.pcall(id)))
      local e = { round }
      assert.same(pack(false, e), pack(tide.pcall(error, e)))
      assert.same(pack(true, false, e), pack(tide.pcall(tide.pcall, error, e)))
      assert.same(pack(true, "slept"), pack(tide.pcall(tide.sleep, 1, "slept")))
    end
  end)

  task_it("keeps neither the function, nor arguments, nor results, nor the caller", function()
    local weak = setmetatable({}, { __mode = "v" })
    local function call()
      local function f(argument, ...)
        local result = {}
        weak[1], weak[2], weak[3] = argument, ..., result
        tide.sleep(0)
        return result, ...
      end
      local caller = tide.coroutine.create(function() tide.pcall(f, {}, {}) end)
      weak[4], weak[5] = f, caller
      tide.coroutine.resume(caller)
      tide.pcall(f, {}, {})
    end
    call()
    support.collect()
    assert.same({}, { weak[1], weak[2], weak[3], weak[4], weak[5] })
  end)

  task_it("a traceback does not tell of the calls before", function()
    for _ = 1, 20 do tide.pcall(tide.sleep, 0) end
    local _, traceback = tide.xpcall(error, debug.traceback, "e")
    assert.is_true(select(2, traceback:gsub("tail call", "")) < 5)
  end)

  if is_51 then
    -- There the function runs in a coroutine, which is used again.
    task_it("its function has the hook of the caller", function()
      tide.pcall(tostring, 1)
      local calls = 0
      debug.sethook(function() calls = calls + 1 end, "l")
      tide.pcall(function() return 1 end)
      debug.sethook()
      local with_hook = calls
      tide.pcall(function() return 1 end)
      assert.is_true(with_hook > 2)
      assert.equal(with_hook, calls)
    end)
  end
end)

describe("tide.compat51", function()
  if is_51 then
    it("makes pcall and xpcall tide's, twice is fine", function()
      local pcall_before, xpcall_before = _G.pcall, _G.xpcall
      package.loaded["tide.compat51"] = nil
      assert.is_true(require "tide.compat51")
      package.loaded["tide.compat51"] = nil
      require "tide.compat51"
      local ours, xours = _G.pcall, _G.xpcall
      _G.pcall, _G.xpcall = pcall_before, xpcall_before
      assert.equal(tide.pcall, ours)
      assert.equal(tide.xpcall, xours)
    end)

    it("without it, an await in the built-in pcall says: use tide.pcall", function()
      testing.run(function()
        local function wait() tide.sleep(1) end
        local ok, err = pcall(wait)
        assert.is_false(ok)
        assert.matches("cannot wait inside the C function 'pcall'.*use tide.pcall", err)
        ok, err = xpcall(wait, tostring)
        assert.is_false(ok)
        assert.matches("cannot wait inside the C function 'xpcall'.*use tide.pcall", err)
        assert.equal("x", tide.sleep(1, "x"))
      end)
    end)
  else
    it("changes nothing where the built-in ones can be awaited across", function()
      local before = pcall
      assert.is_true(require "tide.compat51")
      assert.equal(before, pcall)
      assert.equal(pcall, tide.pcall)
      assert.equal(xpcall, tide.xpcall)
    end)
  end
end)
