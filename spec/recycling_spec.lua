local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall = tide.pcall
local is_jit = rawget(_G, "jit") ~= nil

local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

local function threads(n)
  local seen, distinct = {}, 0
  for _ = 1, n do
    local task = tide.task(function() return (coroutine.running()) end)
    local thread = task:await()
    if not seen[thread] then
      seen[thread] = true
      distinct = distinct + 1
    end
  end
  return distinct
end

describe("a finished coroutine", function()
  task_it("is used again, stats().recycled grows", function()
    tide.task(function() end):await()
    local before = tide.stats().recycled
    for _ = 1, 10 do tide.task(function() tide.sleep(0) end):await() end
    assert.equal(before + 10, tide.stats().recycled)
  end)

  task_it("that user code may hold is not used again", function()
    assert.equal(20, threads(20))
  end)

  task_it("is used again also when the task has called tide.pcall", function()
    local function call() return (tide.pcall(tide.sleep, 0)) end
    tide.task(call):await()
    local before = tide.stats().recycled
    for _ = 1, 10 do assert.is_true(tide.task(call):await()) end
    assert.equal(before + 10, tide.stats().recycled)
  end)

  task_it("held by way of a pcall it is not used again", function()
    local seen = {}
    for _ = 1, 20 do
      local thread = tide.task(function()
        local _, running = pcall(function() return (coroutine.running()) end)
        return running
      end):await()
      assert.is_nil(seen[thread])
      seen[thread] = true
    end
  end)

  task_it("of a task that called pcall, timeout or scope is used again", function()
    local before = tide.stats().recycled
    for _ = 1, 10 do
      tide.task(function()
        pcall(function() tide.sleep(0) end)
        tide.timeout(1, tide.sleep, 0)
        tide.scope(function() end)
      end):await()
    end
    assert.is_true(tide.stats().recycled - before >= 9)
  end)

  task_it("held by way of a tide.coroutine's running it is not used again", function()
    local seen = {}
    for _ = 1, 20 do
      local thread = tide.task(function() return (tide.coroutine.running()) end):await()
      assert.is_nil(seen[thread])
      seen[thread] = true
    end
  end)

  task_it("of a failed task works for others, tracebacks stay the failed one's", function()
    local tasks = {}
    for i = 1, 20 do
      local function fails_here() error("failure " .. i, 0) end
      tasks[i] = tide.task(function() tide.sleep(0) fails_here() end)
    end
    tide.sleep(1)
    for i = 1, 20 do assert.equal(i, tide.task(function() return tide.sleep(0, i) end):await()) end
    for i = 1, 20 do
      assert.same({ false, "failure " .. i }, { pcall(tasks[i].await, tasks[i]) })
      assert.matches("recycling_spec.lua", tasks[i]:traceback())
    end
  end)

  task_it("does not keep locals, arguments and results of the task alive", function()
    local weak = setmetatable({}, { __mode = "v" })
    tide.task(function(argument)
      local locally = {}
      weak[1], weak[2] = argument, locally
      weak[3] = {}
      return weak[3]
    end, {}):await()
    tide.task(function() end):await()
    for _ = 1, 3 do collectgarbage() end
    assert.same({}, weak)
  end)

  task_it("of a deep and wide task is small again or at least right", function()
    local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end
    for _ = 1, 3 do
      assert.equal(5000, tide.task(deep, 5000):await())
      local results = { tide.task((unpack or table.unpack), { 1, 2, 3 }, 1, 200):await() }
      assert.equal(3, #results)
    end
  end)

  task_it("has no scope, cancel or name left from before", function()
    local first = tide.task(function() tide.sleep(10) end):set_name("first")
    tide.sleep(0)
    first:cancel("reason")
    pcall(first.await, first)
    for _ = 1, 5 do
      local task = tide.task(function()
        tide.sleep(1)
        return tide.current_task():cancelling()
      end)
      assert.matches("^task%-%d+$", task:get_name())
      assert.equal(0, task:await())
    end
  end)

  it("of the main program is none that a task could use again", function()
    tide.loop():close()
    tide.run(function() end)
    tide.sleep(0) -- the main program gets a task of its own
    local before = tide.stats().recycled
    tide.run(function() end)
    assert.equal(1, tide.stats().recycled - before)
  end)

  task_it("is kept up to 1,024: 3,000 at once and then again", function()
    for _ = 1, 2 do
      local tasks, sum = {}, 0
      for i = 1, 3000 do tasks[i] = tide.task(function() tide.sleep(1) return 1 end) end
      for i = 1, 3000 do sum = sum + tasks[i]:await() end
      assert.equal(3000, sum)
    end
    local before = tide.stats().recycled
    local tasks = {}
    for i = 1, 2000 do tasks[i] = tide.task(function() tide.sleep(0) end) end
    for i = 1, 2000 do tasks[i]:await() end
    assert.equal(1024, tide.stats().recycled - before)
  end)

  task_it("serves task after task of many that were made at once", function()
    local tasks = {}
    for i = 1, 3000 do tasks[i] = tide.task(function() end) end
    local before = tide.stats().recycled
    for i = 1, 3000 do tasks[i]:await() end
    assert.is_true(tide.stats().recycled - before > 1900)
  end)

  task_it("gets what such a task is to call, and its arguments", function()
    local function count(_, ...) return select("#", ...), ... end
    local callable = setmetatable({}, { __call = count })
    local tasks, got = {}, {}
    for i = 1, 3000 do
      tasks[i] = i % 3 == 0 and tide.task(callable, i, nil, false, nil)
        or i % 3 == 1 and tide.task(select, "#", i, nil)
        or tide.task(function(...) return select("#", ...) end)
    end
    for i = 2998, 3000 do got[#got + 1] = { tasks[i]:await() } end
    assert.same({ { 2 }, { 0 }, { 4, 3000, nil, false, nil } }, got)
  end)

  task_it("gets the arguments of its own task, in every order", function()
    local function give(...) return select("#", ...), ... end
    local kept = {}
    for round = 1, 3 do -- places come back in another order
      local tasks = {}
      for i = 1, 5000 do
        tasks[i] = i % 7 == round and tide.task(give) or tide.task(give, i, round)
        if i % 5 == 0 then tasks[i]:cancel() end
      end
      for i = 1, 5000 do
        if i % 5 > 0 then
          local expected = i % 7 == round and { 0 } or { 2, i, round }
          assert.same(expected, { tasks[i]:await() })
        end
      end
      for _ = 1, 1500 do kept[#kept + 1] = tide.task(tide.sleep, 1) end
      tide.sleep(0)
    end
    for _, task in ipairs(kept) do task:await() end
  end)

  task_it("leaves no room behind where its arguments waited", function()
    local function sleeper(_) tide.sleep(1) end
    local function kilobytes(...)
      for _ = 1, 20000 do tide.task(sleeper, ...) end
      tide.sleep(0)
      for _ = 1, 3 do collectgarbage() end
      local count = collectgarbage("count")
      tide.sleep(2)
      return count
    end
    kilobytes()
    local without, with = kilobytes(), kilobytes(1)
    assert.is_true(with - without < 100, with .. " instead of " .. without)
  end)

  if not is_jit then -- there a hook is the state's, and so everybody's
    task_it("has the hook of its spawner, not of the task before", function()
      local lines = 0
      tide.task(function() debug.sethook(function() lines = lines + 1 end, "l") end):await()
      lines = 0
      tide.task(function()
        local x = 1
        return x
      end):await()
      assert.equal(0, lines)
      local function count() return (select(3, debug.gethook())) or 0 end
      debug.sethook(function() end, "", 1000000)
      local task = tide.task(count)
      debug.sethook()
      assert.equal(1000000, task:await())
      assert.equal(0, tide.task(count):await())
    end)
  end

  if setfenv then -- 5.1 and LuaJIT: each coroutine has its own globals
    task_it("has the globals of its spawner, not of the task before", function()
      local other = setmetatable({ marker = "other" }, { __index = _G })
      tide.task(function() setfenv(0, other) end):await()
      for _ = 1, 3 do
        assert.is_nil(tide.task(function() return getfenv(0).marker end):await())
      end
      local task = tide.task(function()
        setfenv(0, other)
        return tide.task(function() return getfenv(0).marker end)
      end)
      assert.equal("other", task:await():await())
    end)
  end
end)
