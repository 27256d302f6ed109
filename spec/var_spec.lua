local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local task_it = support.task_it

require("tide.busted").configure { task = false }

local misuse, pack = support.misuse, support.pack

local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

support.keep_context(before_each, after_each)

local collect = support.collect

describe("a var", function()
  local function as_ever()
    local var, other = tide.var("default"), tide.var()
    assert.equal("default", var:get())
    assert.same(pack(nil), pack(other:get()))
    local first = var:set(1)
    local second = var:set(2)
    assert.equal(2, var:get())
    assert.is_nil(other:get())
    assert.same(pack(), pack(var:reset(second)))
    assert.equal(1, var:get())
    var:reset(first)
    assert.equal("default", var:get())
  end

  task_it("is what was set, or else its default (in a task)", as_ever)
  it("is what was set, or else its default (in the main program)", as_ever)
  it("is what was set, or else its default (in a callback)", function()
    local done
    tide.loop():call_soon(function() as_ever() done = true end)
    sleep(0)
    assert.is_true(done)
  end)

  task_it("holds nil and false as values of their own", function()
    for _, default in ipairs { 1, false } do
      local var = tide.var(default)
      local token = var:set(nil)
      assert.same(pack(nil), pack(var:get()))
      var:set(false)
      assert.is_false(var:get())
      var:set()
      assert.is_nil(var:get())
      var:reset(token)
      assert.equal(default, var:get())
    end
    local var = tide.var(false)
    assert.is_false(var:get())
    assert.is_nil(tide.var(nil):get())
  end)

  task_it("tells its value", function()
    local var = tide.var()
    assert.equal("Var<value nil>", tostring(var))
    local token = var:set(12)
    assert.equal("Var<value 12>", tostring(var))
    assert.equal("Token<unused>", tostring(token))
    var:reset(token)
    assert.equal("Token<used>", tostring(token))
  end)

  task_it("reset puts back what was before its set, in any order", function()
    local var = tide.var(0)
    local first, second = var:set(1), var:set(2)
    var:reset(first)
    assert.equal(0, var:get())
    var:reset(second)
    assert.equal(1, var:get())
  end)

  task_it("does not disturb another one", function()
    local a, b = tide.var("a"), tide.var("b")
    local token = a:set(1)
    b:set(2)
    a:reset(token)
    assert.same({ "a", 2 }, { a:get(), b:get() })
  end)

  task_it("lets old values go", function()
    local var, weak = tide.var(), setmetatable({}, { __mode = "v" })
    weak[1] = {}
    var:set(weak[1])
    var:set(nil)
    local function set_another()
      weak[2] = {}
      var:set(weak[2])
    end
    local task = tide.task(function() set_another() sleep(1) end)
    sleep(0)
    collect()
    assert.is_nil(weak[1])
    assert.is_table(weak[2])
    task:await()
    task = nil -- luacheck: ignore
    collect()
    assert.is_nil(weak[2])
  end)
end)

describe("the context of a task", function()
  task_it("29: is what its spawner had at the spawn", function()
    local var = tide.var("none")
    var:set("at the spawn")
    local task = tide.task(function()
      local first = var:get()
      sleep(1)
      return first, var:get()
    end)
    var:set("later")
    assert.same({ "at the spawn", "at the spawn" }, { task:await() })
    assert.equal("later", var:get())
  end)

  task_it("29: its writes do not leak to its spawner, its siblings and the next task", function()
    local var = tide.var("none")
    local function write(value)
      local inherited = var:get()
      var:set(value)
      sleep(1)
      return inherited, var:get()
    end
    local a, b = tide.task(write, "a"), tide.task(write, "b")
    assert.same({ "none", "a" }, { a:await() })
    assert.same({ "none", "b" }, { b:await() })
    assert.equal("none", var:get())
    assert.same({ "none", "c" }, { tide.task(write, "c"):await() })
  end)

  task_it("29: passes on to grandchildren, with what the child changed", function()
    local a, b = tide.var(), tide.var()
    a:set("parent")
    b:set("parent")
    assert.same({ "parent", "child" }, { tide.task(function()
      b:set("child")
      return tide.task(function() return a:get(), b:get() end):await()
    end):await() })
  end)

  task_it("29: 100 tasks at a time keep theirs", function()
    local var, tasks = tide.var(0), {}
    for i = 1, 100 do
      tasks[i] = tide.task(function()
        local bad = 0
        for round = 1, 10 do
          local token = var:set(i * 100 + round)
          sleep((i * round) % 7)
          if var:get() ~= i * 100 + round then bad = bad + 1 end
          if round % 2 == 0 then var:reset(token) end
        end
        return bad, var:get()
      end)
    end
    for i = 1, 100 do
      assert.same({ 0, i * 100 + 9 }, { tasks[i]:await() })
    end
    assert.equal(0, var:get())
  end)

  it("29: of the main task is the main program's, and stays its own", function()
    local var = tide.var("none")
    var:set("main program")
    assert.equal("main program", run(function()
      local value = var:get()
      var:set("main task")
      return value
    end))
    assert.equal("main program", var:get())
  end)

  it("the main program has one, which the tasks and callbacks that it awaits have not", function()
    local var, seen = tide.var("none"), {}
    var:set(1)
    local task = tide.task(function() var:set(2) sleep(0.001) return var:get() end)
    tide.loop():call_soon(function() seen[1] = var:get() var:set(3) end)
    var:set(4)
    assert.equal(2, task:await())
    assert.equal(4, var:get())
    assert.same({ 1 }, seen)
    sleep(0.001)
    assert.equal(4, var:get())
  end)

  it("of the main program outlives the loop, those of tasks do not", function()
    local var, weak = tide.var("none"), setmetatable({}, { __mode = "v" })
    local token = var:set("main")
    tide.task(function()
      weak[1] = {}
      var:set(weak[1])
      sleep(60)
    end)
    sleep(0)
    tide.loop():close()
    collect()
    assert.is_nil(weak[1])
    assert.equal("main", var:get())
    assert.equal("main", run(function() return var:get() end))
    var:reset(token)
    assert.equal("none", var:get())
  end)

  task_it("is that of the coroutines that it resumes, and of the function of park", function()
    local var = tide.var("none")
    for _, wrap in ipairs { coroutine.wrap, tide.coroutine.wrap } do
      local f = wrap(function()
        var:set(var:get() .. " coroutine")
        tide.coroutine.yield()
        return var:get()
      end)
      var:set("task")
      f()
      assert.equal("task coroutine", var:get())
      var:set("again")
      assert.equal("again", f())
    end
    assert.equal("again", tide.park(function(wake)
      wake(var:get())
      var:set("park")
    end))
    assert.equal("park", var:get())
    assert.is_false((pcall(function() var:set("pcall") error() end)))
    assert.equal("pcall", var:get())
  end)

  task_it("of a generator is that of who asks it for a value", function()
    local var = tide.var("none")
    local g = tide.generator(function(yield)
      while true do
        sleep(1)
        yield(var:get())
      end
    end)
    assert.equal("none", g())
    var:set("here")
    assert.equal("here", g())
    assert.equal("there", tide.task(function() var:set("there") return g() end):await())
    g:close()
  end)

  task_it("is kept by a task that fails, is cancelled, or is given up", function()
    local var = tide.var("none")
    var:set("main")
    local failed = tide.task(function() var:set("failed") error("bad", 0) end)
    local cancelled = tide.task(function() var:set("cancelled") sleep(9) end)
    assert.is_false((pcall(failed.await, failed)))
    cancelled:cancel()
    assert.is_false((pcall(cancelled.await, cancelled)))
    assert.equal("main", tide.task(function() return var:get() end):await())
  end)

  if coroutine.close then -- 5.4 has `<close>`, too
    it("is that of its variables that are closed because it ends otherwise", function()
      local var, seen = tide.var("none"), {}
      local body = load [[
        local var, seen, wait = ...
        var:set("task")
        local x <close> = setmetatable({}, { __close = function()
          seen[#seen + 1] = var:get()
          var:set("closed")
        end })
        while true do pcall(wait, 60) end]]
      tide.loop():set_exception_handler(function() end) -- told of who is abandoned
      run(function()
        tide.loop():set_grace(0)
        tide.task(body, var, seen, sleep)
        sleep(0)
      end)
      tide.task(body, var, seen, sleep)
      sleep(0)
      tide.loop():close()
      assert.same({ "task", "task" }, seen)
      assert.equal("none", var:get())
    end)
  end

  it("is there in the main program that parks", function()
    local var = tide.var("none")
    var:set("main")
    assert.equal("main", tide.park(function(wake) wake(var:get()) end))
    assert.equal("main", tide.coroutine.wrap(function() sleep(0) return var:get() end)())
  end)
end)

describe("a token", function()
  task_it("of another task or callback is refused, and changes nothing", function()
    local var = tide.var("none")
    local pattern = "Var:reset' %(the token was made in another task or callback"
    local token = var:set("main")
    tide.task(function()
      misuse(pattern, function() var:reset(token) end)
      assert.equal("main", var:get())
    end):await()
    local errors, other = {}, nil
    tide.loop():call_soon(function()
      other = var:set("callback")
      errors[1] = select(2, pcall(var.reset, var, token))
      assert.equal("callback", var:get())
    end)
    tide.loop():call_soon(function()
      errors[2] = select(2, pcall(var.reset, var, other))
    end)
    sleep(0)
    assert.matches(pattern, errors[1])
    assert.matches(pattern, errors[2])
    misuse(pattern, function() var:reset(other) end)
    assert.equal("main", var:get())
    var:reset(token)
    assert.equal("none", var:get())
  end)

  it("of a task is refused in the main program, and in the same one of another loop", function()
    local var, token = tide.var("none"), nil
    local pattern = "another task or callback"
    local function first() token = var:set(1) end
    tide.task(first):await()
    misuse(pattern, function() var:reset(token) end)
    tide.loop():close()
    tide.task(function() misuse(pattern, function() var:reset(token) end) end):await()
    run(function() misuse(pattern, function() var:reset(token) end) end)
  end)

  task_it("works in a coroutine of its task, and in pcall", function()
    local var = tide.var("none")
    local token = var:set(1)
    tide.coroutine.wrap(function() pcall(function() var:reset(token) end) end)()
    assert.equal("none", var:get())
  end)

  task_it("used twice, and of another var, is refused", function()
    local var, other = tide.var("none"), tide.var()
    local token = var:set(1)
    misuse("Var:reset' %(the token is another var's", function() other:reset(token) end)
    var:reset(token)
    var:set(2)
    misuse("Var:reset' %(the token has been used", function() var:reset(token) end)
    assert.same({ 2 }, { var:get(), other:get() })
  end)

  task_it("must be one", function()
    local var = tide.var()
    for _, bad in ipairs { 1, "x", {}, false, var } do
      local pattern = "bad argument #1 to 'Var:reset' %(Token expected, got " .. type(bad)
      misuse(pattern, function() var:reset(bad) end)
    end
    misuse("Token expected, got nil", function() var:reset() end)
  end)
end)

describe("many vars", function()
  local function make(n)
    local vars = {}
    for i = 1, n do vars[i] = tide.var() end
    return vars
  end

  task_it("are each on their own", function()
    local vars, tokens = make(3000), {}
    for i = 1, 3000, 3 do tokens[i] = vars[i]:set(i) end
    for i = 1, 3000 do assert.equal(tokens[i] and i, vars[i]:get()) end
    for i = 1, 3000, 6 do vars[i]:reset(tokens[i]) end
    for i = 1, 3000 do assert.equal(i % 6 == 4 and i or nil, vars[i]:get()) end
  end)

  -- Minutes, if each set copied them all.
  task_it("cost no more each than few, also when each is set for one task more", function()
    local vars, seen = make(100000), 0
    for i = 1, #vars do
      vars[i]:set(i)
      tide.task(function()
        if vars[i]:get() == i and not (vars[i + 1] and vars[i + 1]:get()) then seen = seen + 1 end
      end)
      if i % 1000 == 0 then sleep(0) end
    end
    assert.equal(#vars, seen)
  end)

  it("also of a module that was loaded again", function()
    local loaded = package.loaded["tide.var"]
    local var = tide.var()
    var:set(1)
    package.loaded["tide.var"] = nil
    local again = require "tide.var".var()
    package.loaded["tide.var"] = loaded
    assert.is_nil(again:get())
    again:set(2)
    assert.same({ 1, 2 }, { var:get(), again:get() })
  end)
end)

it("a method of a var needs a var", function()
  local var = tide.var()
  for _, name in ipairs { "get", "set", "reset" } do
    for _, bad in ipairs { 1, "x", {} } do
      local pattern = "calling 'Var:" .. name .. "' on bad self %(Var expected"
      misuse(pattern, function() var[name](bad) end)
    end
  end
end)
