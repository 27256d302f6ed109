local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local child = support.child

local pcall = tide.pcall

--- A child that prints `expected` and ends with status 0.
local function child_it(title, expected, code)
  it(title, function()
    local output, status = child(code)
    assert.equal(expected, output)
    assert.equal(0, status)
  end)
end

-- For children: something whose finaliser calls f, on every Lua.
local finalizer = [[
local function finalizer(f)
  if newproxy then
    local p = newproxy(true)
    getmetatable(p).__gc = f
    return p
  end
  return setmetatable({}, { __gc = f })
end
]]

local collect = support.collect

describe("require", function()
  it("twice, and again after package.loaded was cleared, gives the same core", function()
    local core, task = require "tide.core", tide.task(function() return "ran" end)
    local saved = {}
    for name in pairs(package.loaded) do
      if name:match("^tide") then
        saved[name] = package.loaded[name]
        package.loaded[name] = nil
      end
    end
    local again = require "tide"
    local same_core = require "tide.core" == core
    local result = again.run(function() return task:await() end)
    local is = again.is(tide.TimeoutError(), again.TimeoutError)
    for name, module in pairs(saved) do package.loaded[name] = module end
    assert.is_true(same_core)
    assert.equal("ran", result)
    assert.is_true(is)
  end)

  child_it("while the loop runs works with what was there before", "item\tended\ttrue\n", [[
    local tide = require "tide"
    tide.run(function()
      local queue, task = tide.queue(), tide.task(tide.sleep, 0.001, "ended")
      for name in pairs(package.loaded) do
        if name:match("^tide") then package.loaded[name] = nil end
      end
      collectgarbage() collectgarbage()
      local again = require "tide"
      again.task(function() again.sleep(0.001) queue:put("item") end)
      print(queue:get(), again.gather(task), again.current_task() == tide.current_task())
    end)]])

  child_it("after everything of tide was collected starts anew", "1\n2\n", [[
    print(require "tide".run(function() return 1 end))
    for name in pairs(package.loaded) do
      if name:match("^tide") then package.loaded[name] = nil end
    end
    collectgarbage() collectgarbage()
    print(require "tide".run(function() return 2 end))]])

  child_it("of another copy of the library is refused", "function\tfalse\nboth\n42\n", [[
    local tide = require "tide"
    local copy, file = os.tmpname(), nil
    for template in package.cpath:gmatch("[^;]+") do
      file = file or io.open((template:gsub("?", "tide/core")), "rb")
    end
    local out = assert(io.open(copy, "wb"))
    out:write(file:read("*a"))
    out:close()
    local open = package.loadlib(copy, "luaopen_tide_core")
    os.remove(copy)
    local ok, message = pcall(open)
    print(type(open), ok)
    local first = message:match("^tide.core of (%S+/tide/core.so) is loaded")
    print(first and message:find("and " .. copy .. " has another", 1, true) and "both" or message)
    print(tide.run(function() tide.sleep(0) return 42 end))]])

  child_it("in a coroutine that is collected works", "true\tx\n", [[
    coroutine.wrap(function() require "tide" end)()
    collectgarbage() collectgarbage()
    local tide = require "tide"
    print(pcall(tide.run, function() collectgarbage() return tide.sleep(0.001, "x") end))]])
end)

describe("a state that ends", function()
  child_it("with sleeping, parked and awaited tasks ends quietly", "end\n", [[
    local tide = require "tide"
    local function spawn()
      local sleeper = tide.task(tide.sleep, 10)
      tide.task(function() sleeper:await() end)
      tide.task(function() tide.park(function() return function() print "abort" end end) end)
      tide.task(function() tide.timeout(5, tide.coroutine.wrap(function() tide.sleep(1) end)) end)
      tide.task(function() tide.pcall(tide.next_tick) tide.sleep(math.huge) end)
      tide.loop():call_later(10, print, "called")
    end
    spawn()
    tide.sleep(0.01)
    print "end"]])

  child_it("23: tells of tasks that never ran",
    "tide: 2 tasks never ran: nothing ran the loop; await them, or start them in tide.run\n", [[
    local tide = require "tide"
    tide.task(print, "not run")
    tide.task(print, "not run")]])

  child_it("does not tell of one whose loop was closed", "", [[
    local tide = require "tide"
    tide.task(print, "not run")
    tide.loop():close()]])

  child_it("tells of a failure that nobody saw",
    "tide: task-1 failed and nobody awaited it: oops\n", [[
    local tide = require "tide"
    task = tide.task(error, "oops", 0)
    tide.sleep(0.001)]])

  child_it("with an error on the way out is the script's error", "", [[
    local tide = require "tide"
    tide.task(tide.sleep, 10)
    tide.sleep(0)
    os.exit(0, true)]])

  child_it("in os.exit inside a task", "in\n", [[
    local tide = require "tide"
    tide.task(tide.sleep, 10)
    tide.run(function() print "in" tide.sleep(0) os.exit(0, true) end)]])

  child_it("in os.exit inside a callback and a park", "in\n", [[
    local tide = require "tide"
    tide.loop():call_soon(function()
      print "in"
      os.exit(0, true)
    end)
    tide.park(function() end)]])

  it("an error in the main program beside unfinished tasks is told, status 1", function()
    local output, status = child([[
      local tide = require "tide"
      tide.task(tide.sleep, 10)
      tide.sleep(0)
      error("the end", 0)]])
    assert.matches("the end", output)
    assert.equal(1, status)
  end)

  child_it("finalisers that run before tide's see it alive", "true\ntrue\tpending\n",
    finalizer .. [[
    local tide = require "tide"
    local task = tide.task(tide.sleep, 10)
    tide.sleep(0)
    G = finalizer(function()
      print((pcall(tide.stats)))
      print(pcall(function() return tostring(task):match("pending") end))
    end)]])

  child_it("tide.exit in a task of a plain script cleans up all of them", "cleaned\n", [[
    local tide = require "tide"
    tide.task(tide.finally, function() tide.sleep(9) end,
      function() tide.sleep(0.001) print "cleaned" end)
    tide.task(function() tide.sleep(0) tide.exit() end)
    tide.sleep(9)
    print "not here"]])

  child_it("finalisers that run after tide's are told no, and do not crash", "late\n",
    finalizer .. [[
    local calls = {}
    G = finalizer(function()
      for _, f in ipairs(calls) do pcall(f) end
      print "late"
    end)
    local tide = require "tide"
    local wake, scope
    local parked = tide.task(function() tide.park(function(w) wake = w end) end)
    local scoped = tide.task(function() tide.scope(function(s) scope = s tide.sleep(9) end) end)
    local timer = tide.loop():call_later(9, print)
    local loop = tide.loop()
    tide.sleep(0)
    tide.sleep(0)
    calls = { function() wake(1) end, function() tostring(parked) end,
      function() parked:cancel() end, function() parked:traceback() end,
      function() parked:cancelling() end, function() parked:uncancel() end,
      function() parked:add_done_callback(print) end, function() parked:set_name("x") end,
      function() scoped:result() end, function() scope:cancel() end,
      function() scope:reschedule(1) end, function() return scope.deadline end,
      function() timer:cancel() end, function() loop:time() end, function() loop:close() end,
      tide.stats, tide.all_tasks, tide.current_task, tide.current_scope }]])

  child_it("an error in a finaliser in mid-flight is Lua's business", "end\n", finalizer .. [[
    local tide = require "tide"
    tide.run(function()
      for _ = 1, 20 do
        tide.task(tide.sleep, 0.001)
        finalizer(function() pcall(tide.sleep, 1) pcall(error, "x") end)
        tide.sleep(0)
        collectgarbage("step")
      end
      collectgarbage()
    end)
    print "end"]])
end)

describe("what user code may do at a bad moment", function()
  child_it("run, step and close in the function given to park", "false\ntrue\n", [[
    local tide = require "tide"
    print((pcall(tide.park, function()
      tide.run(function() tide.park(function(wake) wake() end) end)
    end)))
    pcall(tide.park, function(wake) pcall(function() tide.loop():step() end) wake() end)
    pcall(tide.park, function(wake) pcall(function() tide.loop():close() end) wake() end)
    print((pcall(tide.run, function() tide.sleep(0) end)))]])

  child_it("a finaliser that closes the loop while a task is made", "end\n", finalizer .. [[
    local tide = require "tide"
    local function again()
      finalizer(function() pcall(function() tide.loop():close() end) again() end)
    end
    again()
    collectgarbage("setpause", 1)
    collectgarbage("setstepmul", 1000)
    for i = 1, 5000 do
      tide.task(function() end)
      pcall(function() tide.loop():call_soon(function() end) end)
      if i % 10 == 0 then pcall(tide.sleep, 0) end
      again = i < 4900 and again or function() end
    end
    tide.loop():close()
    print "end"]])

  child_it("a coroutine that a finaliser resumes may yield, and not wait",
    "2\tfalse\n2\tfalse\n", finalizer .. [[
    local tide = require "tide"
    local coroutine = tide.coroutine
    local function finalise()
      finalizer(function()
        local count = coroutine.wrap(function()
          for i = 1, 3 do coroutine.yield(i) end
        end)
        count()
        print(count(), (coroutine.resume(coroutine.create(function() tide.sleep(0.01) end))))
      end)
      collectgarbage()
      collectgarbage()
    end
    tide.sleep(0)
    local task = tide.task(tide.sleep, 0)
    finalise()
    assert(not task:done()) -- the loop did not run
    tide.run(finalise)
  ]])

  child_it("an await in a finaliser is refused, in the main program and in a task",
    "false\tfinaliser\nfalse\tfinaliser\n", finalizer .. [[
    local tide = require "tide"
    local function try()
      finalizer(function()
        local ok, err = pcall(function() tide.sleep(0.001) end)
        err = tostring(err)
        print(ok, err:match("finali[sz]er") or err:match("C function") and "finaliser")
      end)
      collectgarbage() collectgarbage()
    end
    try()
    tide.run(try)]])

  if (loadstring or load)("local x <close> = nil") then -- 5.4
    child_it("a __close that closes the loop while the loop closes", "closing\nend\n", [[
      local tide = require "tide"
      local function body()
        local x <close> = setmetatable({}, { __close = function()
          print "closing"
          pcall(function() tide.loop():close() end)
          pcall(tide.run, function() tide.sleep(0) end)
          pcall(tide.sleep, 0)
          tide.task(print, "from close")
        end })
        tide.sleep(10)
      end
      tide.task(body)
      tide.task(tide.sleep, 1)
      tide.sleep(0)
      tide.loop():close()
      tide.loop():close()
      print "end"]])
  end

  child_it("resumes nested as deep as it likes are an error, not a crash", "end\n", [[
    local tide = require "tide"
    local co = tide.coroutine
    local function nest(n)
      if n == 0 then return end
      co.resume(co.create(nest), n - 1)
    end
    tide.run(nest, 100000)
    local function f(n) if n > 0 then tide.pcall(f, n - 1) end end
    tide.run(f, 20000)
    print "end"]])
end)

describe("the garbage collector", function()
  it("at every step, in every kind of await, hurts nobody", function()
    testing.run(function()
      local sum = 0
      for i = 1, 60 do
        tide.task(function()
          local value = tide.timeout(100, function()
            collectgarbage("step")
            tide.sleep(i % 7)
            collectgarbage("step")
            local f = tide.coroutine.wrap(function(v)
              collectgarbage("step")
              tide.coroutine.yield(tide.sleep(1, v))
            end)
            return f(i)
          end)
          local _, again = pcall(tide.park, function(wake)
            collectgarbage("step")
            tide.loop():call_later(1, wake, value)
          end)
          collectgarbage()
          sum = sum + again
        end)
      end
      tide.sleep(200)
      assert.equal(60 * 61 / 2, sum)
    end)
  end)

  it("23: does not end a task that nobody holds", function()
    testing.run(function()
      local done = 0
      for _ = 1, 20 do tide.task(function() tide.sleep(1) done = done + 1 end) end
      collect()
      tide.sleep(2)
      assert.equal(20, done)
    end)
  end)

  it("keeps a running task's handle one and the same while anybody holds it", function()
    testing.run(function()
      local first = tide.current_task()
      local seen = { [first] = true }
      collect()
      assert.equal(first, tide.current_task())
      assert.is_true(seen[tide.all_tasks()[1]])
      tide.task(function()
        tide.current_task():set_name("named")
        collect()
        tide.sleep(0)
        return tide.current_task():get_name()
      end)
      collect()
      local other
      for _, task in ipairs(tide.all_tasks()) do
        if task ~= first then other = task end
      end
      collect()
      assert.equal("named", other:await())
    end)
  end)

  it("T25, 115: frees finished tasks, their locals and their coroutines", function()
    testing.run(function()
      local weak = setmetatable({}, { __mode = "v" })
      local function body(fails)
        local held = {}
        weak[#weak + 1] = held
        weak[#weak + 1] = coroutine.running()
        weak[#weak + 1] = tide.current_task()
        pcall(function() tide.sleep(1) end)
        tide.coroutine.wrap(function() local inner = held tide.sleep(1) return inner end)()
        if fails then error(held) end
        return held
      end
      for i = 1, 10 do
        local task = tide.task(body, i % 2 == 0)
        tide.sleep(0)
        if i % 3 == 0 then task:cancel() end
        pcall(task.await, task)
      end
      tide.sleep(0)
      collect()
      local left = 0
      for _ in pairs(weak) do left = left + 1 end
      assert.equal(0, left)
    end)
  end)

  it("T25: a scope's error keeps nothing of the cancelled task alive", function()
    testing.run(function()
      local weak = setmetatable({}, { __mode = "v" })
      for _ = 1, 5 do
        tide.move_on_after(1, function()
          local held = {}
          weak[#weak + 1] = held
          tide.sleep(10)
        end)
        weak[#weak + 1] = select(2, pcall(tide.timeout, 1, tide.sleep, 10))
        weak[#weak + 1] = select(2, tide.scope(function(s) s:cancel({}) tide.sleep(1) end))
      end
      tide.sleep(0)
      collect()
      assert.is_nil(next(weak))
    end)
  end)

  it("115: memory does not grow over 20,000 tasks of every kind", function()
    testing.run(function()
      local function round()
        for i = 1, 2000 do
          local task = tide.task(function() return tide.sleep(i % 2, "x") end)
          if i % 3 == 0 then task:set_name("n") end
          if i % 5 == 0 then task:cancel() end
          pcall(task.await, task)
          tide.move_on_after(0, tide.sleep, 1)
        end
        collect()
        return collectgarbage("count")
      end
      round()
      local before = round()
      for _ = 1, 8 do round() end
      assert.is_true(collectgarbage("count") < before * 1.1 + 16)
    end)
  end)
end)
