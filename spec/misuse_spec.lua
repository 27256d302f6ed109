--- Misuse raises at the caller's line, names the function, the argument and what
-- was expected; nothing changes and nothing leaks (tide.busted looks).

local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall, run = tide.pcall, testing.run
local methods = run(function() return getmetatable(tide.current_task()).__index end)

local function line() -- of the caller
  return debug.getinfo(2, "l").currentline
end

--- What stats() counts that misuse must not change.
local function counts()
  local stats = tide.stats()
  return { stats.tasks, stats.ready, stats.sleeping, stats.timers, stats.handles, stats.wakers,
    tide.current_scope() }
end

--- Each of `calls` is {pattern, f}: f must raise an error that begins with f's own
-- file and line (f is one line long) and then matches the pattern.
local function each_is_told(calls)
  for _, call in ipairs(calls) do
    local pattern, f = call[1], call[2]
    local before = counts()
    local ok, e = pcall(f)
    assert.is_false(ok, pattern)
    assert.equal("string", type(e), pattern)
    local place = ("spec/misuse_spec.lua:%d: "):format(debug.getinfo(f, "S").linedefined)
    assert.equal(place, e:sub(1, #place), e)
    assert.matches(pattern, e:sub(#place + 1))
    assert.same(before, counts())
  end
end

local not_seconds = {
  { nil, "n[io]" }, { 0 / 0, "NaN" }, { "x", "string" }, { {}, "table" }, { true, "boolean" },
}
local not_callable = {
  { nil, "n[io]" }, { 1, "number" }, { "f", "string" }, { {}, "table" }, { io.stdout, "" },
  { setmetatable({}, {}), "table" }, { true, "boolean" },
}

local function bad(n, name, expected, got)
  return ("^bad argument #%d to '%s' %%(.*%s.*got %s"):format(n, name, expected, got or "")
end

describe("seconds", function()
  local takers = {
    ["tide.sleep"] = { 1, function(x) local _ = tide.sleep(x) end },
    ["tide.timeout"] = { 1, function(x) local _ = tide.timeout(x, print) end },
    ["tide.timeout_at"] = { 1, function(x) local _ = tide.timeout_at(x, print) end },
    ["tide.move_on_after"] = { 1, function(x) local _ = tide.move_on_after(x, print) end },
    ["tide.wait_for"] = { 2, function(x) local _ = tide.wait_for(print, x) end },
    ["Loop:call_later"] = { 1, function(x) local _ = tide.loop():call_later(x, print) end },
    ["Loop:call_at"] = { 1, function(x) local _ = tide.loop():call_at(x, print) end },
    ["Loop:set_grace"] = { 1, function(x) local _ = tide.loop():set_grace(x) end },
  }
  local unlimited = { ["tide.timeout"] = true, ["tide.timeout_at"] = true,
    ["tide.move_on_after"] = true, ["tide.wait_for"] = true } -- by nil
  for name, taker in pairs(takers) do
    local arg, f = taker[1], taker[2]
    it("34: of " .. name .. " must be a number, and not NaN", function()
      local place = debug.getinfo(f, "S").linedefined
      run(function()
        for i = unlimited[name] and 2 or 1, #not_seconds do
          local value = not_seconds[i]
          local before = counts()
          local ok, e = pcall(f, value[1])
          assert.is_false(ok)
          assert.matches(("^spec/misuse_spec.lua:%d: "):format(place), e)
          assert.matches(bad(arg, name, "number", value[2]):sub(2), e)
          assert.same(before, counts())
        end
      end)
    end)
  end
end)

describe("a function", function()
  local takers = {
    ["tide.task"] = { 1, function(f) local _ = tide.task(f) end },
    ["tide.timeout"] = { 2, function(f) local _ = tide.timeout(1, f, 1) end },
    ["tide.timeout_at"] = { 2, function(f) local _ = tide.timeout_at(1, f, 1) end },
    ["tide.move_on_after"] = { 2, function(f) local _ = tide.move_on_after(1, f) end },
    ["tide.wait_for"] = { 1, function(f) local _ = tide.wait_for(f, 1) end },
    ["tide.scope"] = { 2, function(f) local _ = tide.scope({}, f, 1) end },
    ["tide.shield"] = { 1, function(f) local _ = tide.shield(f) end },
    ["tide.finally"] = { 1, function(f) local _ = tide.finally(f, print) end },
    ["tide.park"] = { 1, function(f) local _ = tide.park(f) end },
    ["Loop:call_soon"] = { 1, function(f) local _ = tide.loop():call_soon(f) end },
    ["Loop:call_later"] = { 2, function(f) local _ = tide.loop():call_later(1, f) end },
    ["Loop:call_at"] = { 2, function(f) local _ = tide.loop():call_at(1, f) end },
    ["Task:add_done_callback"] =
      { 1, function(f) local _ = tide.current_task():add_done_callback(f) end },
    ["Task:remove_done_callback"] =
      { 1, function(f) local _ = tide.current_task():remove_done_callback(f) end },
  }
  local function told(name, taker, values)
    run(function()
      local place = debug.getinfo(taker[2], "S").linedefined
      for _, value in ipairs(values) do
        local before = counts()
        local ok, e = pcall(taker[2], value[1])
        assert.is_false(ok, name)
        assert.matches(("^spec/misuse_spec.lua:%d: "):format(place), e)
        assert.matches(bad(taker[1], name, "function", value[2]):sub(2), e)
        assert.same(before, counts())
      end
    end)
  end
  for name, taker in pairs(takers) do
    it("21: of " .. name .. " must be one, or have __call, every time", function()
      told(name, taker, not_callable)
    end)
  end
  it("of tide.finally's cleanup must be one, before the first is called", function()
    local called = false
    local function body() called = true end
    told("tide.finally", { 2, function(f) local _ = tide.finally(body, f) end }, not_callable)
    assert.is_false(called)
  end)
  it("160: of tide.run and testing.run must be one", function()
    each_is_told {
      { bad(1, "tide.run", "function", "nil"), function() tide.run(nil) end },
      { bad(1, "tide.run", "function", "n"), function() tide.run() end },
      { bad(1, "tide.run", "function", "table"), function() tide.run({}) end },
      { bad(1, "testing.run", "function", "string"), function() testing.run("x") end },
    }
  end)
  it("of set_exception_handler must be one, or nil", function()
    local handler = function() end
    tide.loop():set_exception_handler(handler)
    each_is_told {
      { bad(1, "Loop:set_exception_handler", "function", "number"),
        function() tide.loop():set_exception_handler(1) end },
      { bad(1, "Loop:set_exception_handler", "function", "table"),
        function() tide.loop():set_exception_handler({}) end },
    }
    assert.equal(handler, tide.loop():get_exception_handler())
    tide.loop():set_exception_handler(nil)
  end)
end)

describe("a method on the wrong value", function()
  local loop = getmetatable(tide.loop())
  local wrong = { io.stdout, {}, 1, "x", false, print, tide.loop() }

  for name, method in pairs(methods) do
    it("Task:" .. name .. " is told", function()
      run(function()
        for i = 1, #wrong + 1 do
          local value = wrong[i] -- and nil
          each_is_told {
            { ("^calling 'Task:%s' on bad self %%(Task expected, got"):format(name),
              function() local _ = method(value, print) end } }
        end
        each_is_told { { "Task expected, got n", function() local _ = method() end } }
      end)
    end)
  end

  it("of the Loop, a Scope or a handle of a call is told", function()
    run(function()
      local task = tide.current_task()
      local handle = tide.loop():call_soon(print)
      handle:cancel()
      local _, scope = tide.scope(function(scope) return scope end)
      local time = loop.methods and loop.methods.time or tide.loop().time
      each_is_told {
        { "'Loop:time' on bad self %(Loop", function() local _ = time(task) end },
        { "'Loop:time' on bad self %(Loop", function() local _ = time(io.stdout) end },
        { "'Loop:time' on bad self %(Loop .*got n", function() local _ = time() end },
        { "'Scope:cancel' on bad self %(Scope", function() local _ = scope.cancel(task) end },
        { "'Scope:cancel' on bad self %(Scope", function() local _ = scope.cancel({}) end },
        { "'Scope:cancel' on bad self %(Scope", function() local _ = scope.cancel() end },
        { "'Handle:cancel' on bad self %(Handle", function() local _ = handle.cancel(task) end },
        { "'Handle:cancel' on bad self %(Handle", function() local _ = handle.cancel() end },
        { "Task:await'.*self %(Task expected", function() local _ = methods.await(scope) end },
        { "Task:await'.*self %(Task expected", function() local _ = methods.await(handle) end },
      }
    end)
  end)

  it("60: metamethods too", function()
    for _, object in ipairs { tide.loop(), (tide.task(print)) } do
      local mt = getmetatable(object)
      for _, event in ipairs { "__tostring", "__gc", "__newindex" } do
        if type(mt[event]) == "function" then
          for i = 1, #wrong + 1 do
            if getmetatable(wrong[i]) ~= mt then
              assert.is_false((pcall(mt[event], wrong[i], 1, 2)))
            end
          end
        end
      end
    end
    tide.loop():close()
  end)
end)

describe("a task that awaits itself", function()
  it("18: is told at the await, however it does", function()
    run(function()
      local me = tide.current_task()
      each_is_told {
        { "await.*itself", function() local _ = me:await() end },
        { "await.*itself", function() local _ = tide.shield(me) end },
        { "await.*itself", function() local _ = tide.wait_for(me, 1) end },
      }
      assert.equal("on", tide.sleep(0, "on"))
    end)
  end)
end)

describe("a closed loop", function()
  it("162: is told at each method, closing it again is fine", function()
    local old = tide.loop()
    old:close()
    old:close()
    each_is_told {
      { "'Loop:time'.*closed", function() local _ = old:time() end },
      { "'Loop:call_soon'.*closed", function() old:call_soon(print) end },
      { "'Loop:call_later'.*closed", function() old:call_later(1, print) end },
      { "'Loop:call_at'.*closed", function() old:call_at(1, print) end },
      { "'Loop:step'.*closed", function() old:step() end },
      { "'Loop:alive'.*closed", function() old:alive() end },
      { "'Loop:fd'.*closed", function() old:fd() end },
      { "'Loop:next_timeout'.*closed", function() old:next_timeout() end },
      { "'Loop:set_debug'.*closed", function() old:set_debug(true) end },
      { "'Loop:set_grace'.*closed", function() old:set_grace(1) end },
      { "'Loop:set_exception_handler'.*closed", function() old:set_exception_handler(print) end },
    }
    assert.is_true(old:is_closed())
    assert.is_false(tide.loop() == old)
  end)

  it("162: cannot be closed while it runs", function()
    run(function()
      each_is_told {
        { "'Loop:close'.*running", function() tide.loop():close() end },
        { "'Loop:step'.*running", function() tide.loop():step() end },
        { "'tide.run'.*runs", function() tide.run(print) end },
        { "'testing.run'.*runs", function() testing.run(print) end },
      }
      local e
      tide.loop():call_soon(function() e = select(2, pcall(tide.loop().close, tide.loop())) end)
      tide.sleep(0)
      assert.matches("running", e)
    end)
  end)

  it("19, 51: a task of it cannot be awaited, cancelled or asked", function()
    local old = tide.task(tide.sleep, 60)
    tide.loop():close()
    run(function()
      assert.is_false((pcall(function() old:await() end)))
      assert.is_false((pcall(function() tide.shield(old) end)))
      assert.is_false((pcall(function() tide.wait_for(old, 1) end)))
      assert.is_false(old:cancel())
      assert.equal(0, old:cancelling())
      assert.equal(0, old:uncancel())
    end)
  end)
end)

describe("an await where nothing can wait", function()
  local plain = "cannot wait in a plain coroutine"
  local function try(f)
    local result
    f(function()
      result = { pcall(function() tide.sleep(0) end) }
    end)
    return result[1], result[2]
  end

  it("is told in a callback and in the function of park", function()
    run(function()
      local ok, e = try(function(f) tide.loop():call_soon(f) tide.sleep(0) end)
      assert.is_false(ok)
      assert.matches("spec/misuse_spec.lua:%d+: 'tide.sleep' cannot wait in a callback", e)
      ok, e = try(function(f) tide.park(function(wake) f() wake() end) end)
      assert.is_false(ok)
      assert.matches("spec/misuse_spec.lua:%d+: 'tide.sleep' cannot wait in the function given", e)
    end)
  end)

  it("is told in a plain coroutine, in a task and outside", function()
    local native = debug.getregistry()._LOADED.coroutine
    local function check()
      local co = native.create(function() tide.sleep(0) end)
      local ok, e = native.resume(co)
      assert.is_false(ok)
      assert.matches(("spec/misuse_spec.lua:%d: "):format(line() - 3) .. ".*" .. plain, e)
    end
    check()
    run(check)
  end)

  it("is told inside a C function that cannot be suspended, and leaves no trace", function()
    local function sorts()
      table.sort({ 3, 2, 1 }, function(a, b)
        tide.sleep(1)
        return a < b
      end)
    end
    run(function()
      local turns, timers = tide.stats().turns, tide.stats().timers
      local ok, e = pcall(sorts)
      assert.is_false(ok)
      assert.matches("'tide.sleep' cannot wait inside the C function '[%w.]*sort'", e)
      assert.equal(turns, tide.stats().turns)
      assert.equal(timers, tide.stats().timers)
    end)
  end)
end)

describe("other arguments", function()
  it("are checked", function()
    run(function()
      local task = tide.current_task()
      each_is_told {
        { bad(1, "Task:set_name", "string", "number"), function() task:set_name(1) end },
        { bad(1, "Task:set_name", "string", "n"), function() task:set_name() end },
        { bad(2, "tide.is", "error class", "n"), function() tide.is(1) end },
        { bad(1, "Loop:set_debug", "boolean", "number"), function() tide.loop():set_debug(1) end },
        { bad(1, "Loop:set_blocking", "boolean", "n"), function() tide.loop():set_blocking() end },
        { bad(1, "tide.exit", "number", "string"), function() tide.exit("x") end },
        { bad(1, "tide.scope", "options", "number"), function() tide.scope(1, print) end },
        { "has no field 'nothing'", function() tide.loop().nothing = 1 end },
      }
      assert.matches("^task%-%d+$", task:get_name())
    end)
  end)
end)

describe("what a function may be", function()
  local callable = setmetatable({}, { __call = function(_, ...) return ... end })
  local awaiting = setmetatable({}, { __call = function(_, ...) return tide.sleep(0, ...) end })
  local kinds = {
    ["a Lua function"] = function(...) return ... end,
    ["a Lua function that awaits"] = function(...) return tide.sleep(0, ...) end,
    ["a C function"] = assert, -- returns its arguments
    ["a callable table"] = callable,
    ["a callable table that awaits"] = awaiting,
  }
  local takers = {
    run = function(f) return tide.run(f, "x") end,
    task = function(f) return run(function() return tide.task(f, "x"):await() end) end,
    timeout = function(f) return run(function() return tide.timeout(1, f, "x") end) end,
    timeout_at = function(f)
      return run(function() return tide.timeout_at(tide.loop():time() + 1, f, "x") end)
    end,
    move_on_after = function(f)
      return select(2, run(function() return tide.move_on_after(1, f, "x") end))
    end,
    shield = function(f) return run(function() return tide.shield(f, "x") end) end,
    finally = function(f) return run(function() return tide.finally(f, f, "x") end) end,
    pcall = function(f) return select(2, run(function() return tide.pcall(f, "x") end)) end,
  }
  for taker, call in pairs(takers) do
    for kind, f in pairs(kinds) do
      if not (taker == "finally" and kind == "a C function") then -- assert(nil) raises
        it(taker .. " takes " .. kind, function()
          assert.equal("x", (call(f)))
          call(f)
        end)
      end
    end
  end

  it("awaiting functions of ours are taken as they are", function()
    assert.equal("x", tide.run(tide.sleep, 0, "x"))
    run(function()
      local done = tide.task(tide.sleep, 1, "x")
      assert.equal("x", tide.task(methods.await, done):await())
      assert.equal("x", tide.timeout(5, tide.sleep, 1, "x"))
      assert.equal("x", select(2, tide.move_on_after(5, tide.sleep, 1, "x")))
      assert.equal("x", tide.shield(tide.sleep, 1, "x"))
      assert.equal("x", tide.finally(tide.sleep, tide.next_tick, 0, "x"))
      assert.equal("x", tide.task(tide.timeout, 5, tide.sleep, 1, "x"):await())
      assert.equal("x", tide.task(tide.park, function(wake) wake "x" end):await())
      assert.is_nil(tide.wait_for(tide.next_tick, 1))
      assert.equal("x", tide.task(tide.task, tide.sleep, 0, "x"):await():await())
      assert.equal("x", tide.task(tide.coroutine.wrap(function() return "x" end)):await())
    end)
  end)

  for kind, f in pairs(kinds) do
    if not kind:match "await" then
      it("wait_for, scope and the callbacks take " .. kind, function()
        run(function()
          if kind == "a C function" then
            assert.equal("number", type((tide.wait_for(os.time, 1))))
          else
            assert.is_nil((tide.wait_for(f, 1)))
          end
          local ok, scope = tide.scope(f)
          assert.is_true(ok)
          assert.equal("Scope<closed>", tostring(scope))
          ok = tide.scope({}, f)
          assert.is_true(ok)
          local loop, task = tide.loop(), tide.task(tide.sleep, 1)
          local handles = { loop:call_soon(f, 1), loop:call_later(0, f, 1), loop:call_at(0, f, 1) }
          task:add_done_callback(f)
          task:add_done_callback(f)
          assert.equal(2, task:remove_done_callback(f))
          task:add_done_callback(f)
          task:await()
          assert.equal(3, #handles)
        end)
      end)
    end
  end

  it("an awaiting function as a callback is told to the handler", function()
    local told = {}
    tide.loop():set_exception_handler(function(report) told[#told + 1] = report.error end)
    run(function()
      tide.loop():call_soon(tide.sleep, 1)
      tide.loop():call_soon(kinds["a callable table that awaits"])
      tide.sleep(1)
    end)
    tide.loop():set_exception_handler(nil)
    assert.equal(2, #told)
    for i = 1, 2 do
      assert.matches("'tide.sleep' cannot wait in a callback", told[i])
    end
  end)
end)
