local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local task_it = support.task_it
local misuse, pack, raises = support.misuse, support.pack, support.raises

local pcall, sleep, generator = tide.pcall, tide.sleep, tide.generator
local is_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
-- `for` closes its fourth value, and `__close` may await, from 5.4.3 on.
local has_close = _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5"

--- The same body in a task and in the main program.
local function both_it(title, fn)
  task_it(title .. " (in a task)", fn)
  it(title .. " (in the main program)", fn)
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

--- Yields 1 to n, sleeping before each, and says in log how it ended.
local function counting(n, log, seconds)
  return (generator(function(yield)
    local ok, err = pcall(function()
      for i = 1, n do
        sleep(seconds or 0.001)
        yield(i)
      end
    end)
    if log then log[#log + 1] = ok and "end" or err end
    if not ok then error(err, 0) end
  end))
end

local collect = support.collect

describe("a generator", function()
  both_it("gives what fn yields, then nil for ever", function()
    local g = counting(3)
    assert.same({ 1, 2, 3 }, rest(g))
    for _ = 1, 3 do assert.same(pack(nil), pack(g())) end
  end)

  both_it("passes several values, false and nils after the first", function()
    local g = generator(function(yield)
      assert.same(pack(), pack(yield(1, nil, 3, nil)))
      yield(false)
      sleep(0)
      yield(false, nil)
      return "ignored"
    end)
    assert.same(pack(1, nil, 3, nil), pack(g("ignored", 2)))
    assert.same(pack(false), pack(g()))
    assert.same(pack(false, nil), pack(g()))
    assert.same(pack(nil), pack(g()))
  end)

  both_it("begins with the first call only", function()
    local begun_ = false
    local g = generator(function() begun_ = true end)
    sleep(0)
    assert.is_false(begun_)
    assert.is_nil(g())
    assert.is_true(begun_)
  end)

  it("comes as a for of 5.4 wants it, of any callable", function()
    local g, state, control, closing = generator(print)
    assert.same({ "nil", "nil" }, { type(state), type(control) })
    assert.equal(g, closing)
    assert.equal("table", type(g))
    local callable = setmetatable({}, { __call = function(_, yield) yield(7) end })
    assert.same({ 7 }, rest((generator(callable))))
    assert.is_nil((generator(type))())
  end)

  both_it("runs in a for, on every Lua, if it does not await", function()
    local list = {}
    for a, b in generator(function(yield) yield(1, "a") yield(2, "b") end) do
      list[#list + 1] = a .. b
    end
    assert.same({ "1a", "2b" }, list)
  end)

  if is_51 then
    task_it("that awaits in a for says what to do on 5.1, and ends", function()
      local g = counting(3)
      local ok, err = pcall(function() for _ in g do error("not reached") end end)
      assert.is_false(ok)
      assert.matches("'tide.sleep' cannot wait here.*iterator of a 'for': use 'while'", err)
      assert.is_nil(g())
      sleep(0)
    end)
  end

  local function awaits_in_for()
    local list = {}
    for v in counting(3) do
      sleep(0)
      list[#list + 1] = v
    end
    assert.same({ 1, 2, 3 }, list)
  end
  it("awaits in a for (in the main program)", awaits_in_for)
  if not is_51 then
    task_it("awaits in a for (in a task)", awaits_in_for)
  end

  it("works in a callback and in a plain coroutine, as long as it does not await", function()
    local function numbers(yield) for i = 1, 3 do yield(i) end end
    local list, err
    tide.loop():call_soon(function()
      list = rest((generator(numbers)))
      err = select(2, pcall(counting(1)))
    end)
    sleep(0)
    assert.same({ 1, 2, 3 }, list)
    assert.matches("'tide.sleep' cannot wait in a callback of the loop", err)
    assert.same({ 1, 2, 3 }, coroutine.wrap(function() return rest((generator(numbers))) end)())
    local _, why = coroutine.wrap(function() return pcall(counting(1)) end)()
    assert.matches("'tide.sleep' cannot wait in a plain coroutine", why)
  end)

  task_it("suspends the task that calls it, and no other", function()
    local order = {}
    local function consume(name, seconds)
      return tide.task(function()
        local g = counting(2, nil, seconds)
        local v = g()
        while v do
          order[#order + 1] = name .. v
          v = g()
        end
      end)
    end
    local a, b = consume("a", 2), consume("b", 3)
    a:await()
    b:await()
    assert.same({ "a1", "b1", "a2", "b2" }, order)
  end)

  task_it("made in one task is consumed in others", function()
    local g, log = tide.task(counting, 3, {}, 1):await(), {}
    for i = 1, 2 do
      tide.task(function() log[i] = g() sleep(0) end):await()
    end
    assert.same({ 1, 2 }, log)
    assert.same({ 3 }, rest(g))
  end)

  task_it("nests, and calls others", function()
    local function walk(tree)
      return (generator(function(yield)
        for _, node in ipairs(tree) do
          if type(node) == "table" then
            for _, v in ipairs(rest(walk(node))) do yield(v) end
          else
            sleep(0)
            yield(node)
          end
        end
      end))
    end
    assert.same({ 1, 2, 3, 4, 5 }, rest(walk { 1, { 2, { 3, {} } }, { { 4 } }, 5 }))
    local function nest(n)
      return (generator(function(yield) yield(n == 0 and 0 or nest(n - 1)() + 1) end))
    end
    assert.equal(60, nest(60)())
  end)

  both_it("raises an error of fn at the call, unchanged, and has ended", function()
    for _, value in ipairs { "text", { 1 }, 12, true } do
      local g = generator(function(yield) sleep(0) yield(1) sleep(0) error(value, 0) end)
      assert.equal(1, g())
      assert.same(pack(false, value), pack(pcall(g)))
      assert.is_nil(g())
      g:close()
    end
    local g = generator(function() error() end)
    assert.same({ false, "<no error object>" }, { pcall(g) })
  end)

  task_it("an error of fn keeps the place where it was raised", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local g = generator(function() sleep(0) error({}) end)
    local task = tide.task(function() return g() end)
    assert.is_false((pcall(task.await, task)))
    assert.matches("generator_spec.lua:" .. line, task:traceback())
  end)

  task_it("gets the cancel of the task that calls it, and passes it on", function()
    local log = {}
    local g = counting(5, log, 1)
    local task = tide.task(function() return rest(g) end)
    sleep(1.5)
    task:cancel("enough")
    local err = raises(tide.CancelledError, task.await, task)
    assert.equal("enough", err.reason)
    assert.equal(1, #log)
    assert.equal("enough", log[1].reason)
    assert.is_nil(g())
  end)

  task_it("is ended by a deadline of its caller, or catches that and goes on", function()
    local g = counting(5, {}, 1)
    assert.is_false(tide.move_on_after(0.5, g))
    assert.is_nil(g())
    g = generator(function(yield)
      pcall(sleep, 60)
      yield("caught")
      yield(sleep(1, "later"))
    end)
    assert.same({ true, "caught" }, { tide.move_on_after(1, g) })
    assert.equal("later", g())
    g:close()
  end)

  task_it("can use scopes that it leaves before it yields", function()
    local g = generator(function(yield)
      while true do
        yield(tide.move_on_after(1, sleep, 2))
        yield(tide.timeout(1, sleep, 0.5, "slept"))
        tide.shield(sleep, 1)
        yield(tide.finally(function() yield("inner") return "f" end, function() sleep(1) end))
      end
    end)
    for _ = 1, 2 do
      assert.is_false(g())
      assert.equal("slept", g())
      assert.equal("inner", g())
      assert.equal("f", g())
    end
    g:close()
  end)

  both_it("can be consumed inside a scope, and partly", function()
    local g = counting(4)
    assert.equal(1, g())
    assert.same({ true, 2 }, { tide.scope(function() return g() end) })
    assert.equal(3, tide.timeout(60, tide.shield, g))
    assert.same({ 4 }, rest(g))
  end)

  task_it("the cancel of its task, whose scope is made meanwhile, is no open scope", function()
    local me = tide.current_task()
    local g = generator(function(yield)
      me:cancel()
      yield(1)
      me:uncancel()
      yield(2)
    end)
    assert.same({ 1, 2 }, rest(g))
    sleep(0)
  end)

  task_it("tells its state", function()
    local states, g = {}, nil
    g = generator(function(yield) states[2] = tostring(g) yield(1) end)
    states[1] = tostring(g)
    g()
    states[3] = tostring(g)
    g()
    states[4] = tostring(g)
    assert.same({ "Generator<fresh>", "Generator<running>", "Generator<suspended>",
      "Generator<ended>" }, states)
  end)

  task_it("that is dropped is collected, and runs nothing", function()
    local weak, log = setmetatable({}, { __mode = "k" }), {}
    for i = 1, 3 do
      local g = counting(3, log, 0)
      weak[g] = true
      for _ = 2, i do g() end
    end
    collect()
    assert.is_nil(next(weak))
    assert.same({}, log)
  end)

  task_it("is kept by the task that waits in it", function()
    local task = tide.task(function() return rest(counting(3, {}, 1)) end)
    for _ = 1, 4 do
      sleep(0.75)
      collect()
    end
    assert.same({ 1, 2, 3 }, task:await())
  end)

  it("of a loop that was closed while it awaited is lost, others go on", function()
    local lost, kept = counting(2, {}, 60), counting(2)
    kept()
    local task = tide.task(lost)
    sleep(0)
    tide.loop():close()
    assert.same({ 2 }, rest(kept))
    misuse("'Generator': the generator is running", function() lost() end)
    assert.is_true(task:done())
  end)
end)

describe("the yield of a generator", function()
  --- fn(yield) fails: the error that a generator of it raises.
  local function failing(fn)
    local g = generator(fn)
    local ok, err = pcall(g)
    assert.is_false(ok)
    assert.is_nil(g())
    return err
  end

  --- The line below the call, as an error names it.
  local function below()
    local caller = debug.getinfo(2, "Sl")
    return "generator_spec.lua:" .. caller.currentline + 1 .. ": "
  end

  task_it("refuses nil and nothing, at its line, and fn may go on", function()
    local pattern = "bad argument #1 to 'yield' %(value expected, got nil"
    local where = below()
    assert.matches(where .. pattern, failing(function(yield) yield(nil, 1) end))
    assert.matches(pattern, failing(function(yield) yield() end))
    local g = generator(function(yield)
      assert.is_false((pcall(yield, nil)))
      yield("on")
    end)
    assert.same({ "on" }, rest(g))
  end)

  local opened = {
    timeout = function(f) return tide.timeout(60, f) end,
    move_on_after = function(f) return tide.move_on_after(60, f) end,
    scope = function(f) return tide.scope(f) end,
    shield = function(f) return tide.shield(f) end,
    ["the cleanup of finally"] = function(f) return tide.finally(tide.stats, f) end,
    ["wait_for"] = function(f) return tide.wait_for(f, 60) end,
  }
  for name, open in pairs(opened) do
    both_it("PEP 789: is refused inside " .. name .. ", at its line", function()
      local where = below()
      local err = failing(function(yield) open(function() yield(1) end) end)
      assert.matches(where .. "'yield' cannot be called inside a scope", err)
      assert.equal(0, tide.stats().timers)
      assert.is_nil(tide.current_scope())
      -- also if the generator was asked inside of a scope, and after an await
      tide.scope(function(scope)
        assert.matches("inside a scope", failing(function(yield)
          open(function() sleep(0) yield(1) end)
        end))
        assert.equal(scope, tide.current_scope())
      end)
    end)
  end

  task_it("PEP 789: refused in a scope, fn may catch it and go on outside", function()
    local g = generator(function(yield)
      local ok, err = tide.timeout(60, pcall, yield, 1)
      yield(ok)
      yield(err)
    end)
    assert.is_false(g())
    assert.matches("inside a scope", g())
    assert.is_nil(g())
  end)

  task_it("is refused where a scope around the call was left by the generator", function()
    local ok, err
    assert.is_false((pcall(tide.scope, function()
      local id = require "tide.core".scope_id()
      pcall(generator(function(yield)
        require "tide.core".scope_leave(id, true)
        ok, err = pcall(yield, 1)
      end))
    end)))
    assert.is_false(ok)
    assert.matches("inside a scope", err)
  end)

  if has_close then
    task_it("PEP 789: is refused while a variable keeps a scope open", function()
      local fn = load [[
        local tide = ...
        return function(yield)
          local scope <close> = tide.timeout(60)
          yield(1)
        end]]
      assert.matches("inside a scope", failing(fn(tide)))
      assert.equal(0, tide.stats().timers)
    end)
  end

  task_it("is refused in another task, coroutine, generator and outside", function()
    local pattern = "'yield' cannot be called outside of its generator"
    local kept
    local g = generator(function(yield)
      kept = yield
      local task = tide.task(function() misuse(pattern, function() yield(1) end) end)
      task:await()
      for _, wrap in ipairs { coroutine.wrap, tide.coroutine.wrap } do
        wrap(function() misuse(pattern, function() yield(1) end) end)()
      end
      generator(function() misuse(pattern, function() yield(1) end) end)()
      yield("own")
      sleep(1)
    end)
    misuse(pattern, function() generator(function(yield) kept = yield end)() kept(1) end)
    assert.equal("own", g())
    misuse(pattern, function() kept(1) end)
    local task = tide.task(g)
    sleep(0.5)
    misuse(pattern, function() kept(1) end)
    task:await()
    misuse(pattern, function() kept(1) end)
  end)

  it("is refused in the main program when the generator has ended", function()
    local kept
    assert.is_nil(generator(function(yield) kept = yield end)())
    misuse("outside of its generator", function() kept(1) end)
  end)

  task_it("works inside pcall and xpcall, around awaits", function()
    local g = generator(function(yield)
      local results = pack(pcall(function()
        sleep(0)
        yield(1)
        return tide.xpcall(function() yield(2) sleep(0) error("inner", 0) end,
          function(e) return e .. " handled" end)
      end))
      yield(results)
    end)
    assert.equal(1, g())
    assert.equal(2, g())
    assert.same(pack(true, false, "inner handled"), g())
    assert.is_nil(g())
  end)

  both_it("is not coroutine.yield, which ends the generator with an error", function()
    for _, yield in ipairs { coroutine.yield, tide.coroutine.yield } do
      local g = generator(function() yield(1) error("not reached") end)
      misuse("call the yield that it was given, not coroutine.yield", function() g() end)
      assert.is_nil(g())
      g:close()
    end
    local g = generator(function() tide.timeout(60, coroutine.yield) end)
    assert.is_false((pcall(g)))
    g = nil -- luacheck: ignore
    collect()
    sleep(0)
    assert.equal(0, tide.stats().timers)
  end)

  task_it("that C stands in the way of fails, and fn goes on", function()
    local g = generator(function(yield)
      local ok = pcall(table.sort, { 2, 1 }, function() yield(1) end)
      yield(ok and "yielded" or "refused")
    end)
    assert.equal("refused", g())
    assert.is_nil(g())
  end)
end)

describe("misuse of generators", function()
  it("is told at the caller's line", function()
    for _, bad in ipairs { 1, "x", {}, false } do
      local pattern = "bad argument #1 to 'tide.generator' %(function expected, got "
      misuse(pattern .. type(bad), function() generator(bad) end)
      pattern = "calling 'Generator:close' on bad self %(Generator expected, got "
      misuse(pattern .. type(bad), function() (generator(print)).close(bad) end)
    end
    misuse("bad argument #1 to 'tide.generator'", function() generator() end)
  end)
end)
