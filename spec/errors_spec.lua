local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pcall, run = tide.pcall, testing.run
local classes = { "CancelledError", "TimeoutError", "ScopeCancelled", "InvalidStateError",
  "ProcessError", "QueueShutDown", "BrokenBarrierError", "BrokenLockError", "DeadlockError",
  "AbandonedError", "ErrorGroup", "OSError", "Interrupted" }

local function line() -- of the caller
  return debug.getinfo(2, "l").currentline
end

local function await(task)
  return task:await()
end

--- Runs fn(reports) with an exception handler that collects; returns the list.
local function reported(fn)
  local reports = {}
  tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
  local ok, e = pcall(run, function() return fn(reports) end)
  tide.loop():set_exception_handler(nil)
  if not ok then
    error(e, 0)
  end
  return reports
end

local function collect()
  support.collect()
  tide.sleep(0) tide.sleep(0)
end

local function messages(reports)
  local list = {}
  for i, report in ipairs(reports) do
    list[i] = tostring(report.error)
  end
  return list
end

--- Runs code in a process of its own: its output, both streams.
local function child(code)
  return (support.child('local tide, testing = require "tide", require "tide.testing"\n' .. code))
end

describe("errors", function()
  it("iterates over those of a group, or over the one there is", function()
    local function list(e)
      local errors = {}
      for err in tide.errors(e) do
        errors[#errors + 1] = err
      end
      return errors
    end
    assert.same({ "a", "b" }, list(tide.ErrorGroup { errors = { "a", "b" } }))
    assert.same({ "alone" }, list("alone"))
  end)
end)

describe("debug mode", function()
  it("records where a task was created, for the report of its failure", function()
    local loop, report = tide.loop(), nil
    loop:set_debug(true)
    loop:set_exception_handler(function(r) report = r end)
    local place
    tide.run(function()
      place = debug.getinfo(1, "l").currentline + 1
      tide.task(error, "failed", 0)
      tide.sleep(0)
      tide.sleep(0)
    end)
    loop:set_exception_handler(nil)
    loop:set_debug(false)
    assert.equal("failed", report.error)
    assert.matches("errors_spec.lua:" .. place, report.created, 1, true)
  end)
end)

describe("an error class", function()
  it("makes instances from a message or from fields", function()
    for _, name in ipairs(classes) do
      local class = tide[name]
      assert.equal(name, tostring(class))
      local e = class "it broke"
      assert.equal("it broke", e.message)
      assert.equal(name .. ": it broke", tostring(e))
      assert.equal(name, tostring(class()))
      local full = class { message = "m", reason = 1, code = "E", cause = e, errors = { e } }
      assert.equal(name .. ": m", tostring(full))
      assert.same({ 1, "E", e }, { full.reason, full.code, full.cause })
      assert.equal(e, full.errors[1])
      assert.is_nil(e.reason or e.code or e.cause)
    end
  end)

  it("is what `is` compares: no other class, no other value", function()
    for _, name in ipairs(classes) do
      local e = tide[name] "x"
      for _, other in ipairs(classes) do
        assert.equal(name == other, tide.is(e, tide[other]))
      end
      assert.equal(name == "CancelledError", tide.is_cancelled(e))
      for _, value in ipairs { false, 1, "CancelledError", print, {}, io.stdout } do
        assert.is_false(tide.is(value, tide[name]))
        assert.is_false(tide.is_cancelled(value))
      end
      assert.is_false(tide.is(nil, tide[name]))
      assert.is_false(tide.is(tide[name], tide[name]))
    end
    assert.is_false(tide.is_cancelled(nil))
  end)

  it("has instances that pass through tasks, pcall and run as they are", function()
    local e = tide.OSError { message = "gone", code = "ENOENT" }
    local ok, got = pcall(run, function()
      local task = tide.task(error, e)
      local ok, got = pcall(await, task)
      assert(not ok and rawequal(got, e))
      error(got)
    end)
    assert.is_false(ok)
    assert.is_true(rawequal(e, got))
  end)

  it("CancelledError raised by hand ends a task cancelled", function()
    local reports = reported(function()
      local task = tide.task(function() error(tide.CancelledError "mine") end)
      tide.sleep(1)
      assert.is_true(task:cancelled())
      local ok, e = pcall(task.exception, task)
      assert.is_false(ok)
      assert.equal("mine", e.message)
    end)
    assert.same({}, reports)
  end)
end)

describe("Task:traceback", function()
  local function fail_below(where)
    where[1] = line() + 1
    error("the message", 0)
  end

  it("25: shows the failing line, long after", function()
    run(function()
      local where = {}
      local task = tide.task(function()
        tide.sleep(1)
        fail_below(where)
      end)
      pcall(await, task)
      for _ = 1, 100 do -- others use coroutines again
        tide.task(tide.sleep, 0):await()
      end
      collectgarbage()
      for _ = 1, 2 do
        assert.matches("^the message", task:traceback())
        assert.matches(("errors_spec%%.lua:%d: in"):format(where[1]), task:traceback())
      end
    end)
  end)

  it("shows the failing line of an error that passed a timeout", function()
    run(function()
      local where = {}
      local task = tide.task(function()
        tide.timeout(5, tide.timeout, 5, fail_below, where)
      end)
      pcall(await, task)
      assert.matches(("errors_spec%%.lua:%d: in"):format(where[1]), task:traceback())
    end)
  end)

  it("14: shows where a task waits, and the cancelled line in debug mode", function()
    run(function()
      local where
      local task = tide.task(function()
        where = line() + 1
        tide.sleep(60)
      end)
      tide.sleep(1)
      assert.matches(("errors_spec%%.lua:%d: in"):format(where), task:traceback())
      tide.loop():set_debug(true)
      task:cancel()
      local _, e = pcall(await, task)
      tide.loop():set_debug(false)
      assert.matches(("errors_spec%%.lua:%d: in"):format(where), e.traceback)
    end)
  end)

  it("tells each level, of a deep stack both ends", function()
    run(function()
      local function deep(n)
        if n == 0 then error("deep", 0) end
        deep(n - 1)
        return n
      end
      local task, lines = tide.task(deep, 100), {}
      pcall(await, task)
      for text in task:traceback():gmatch("[^\n]+") do lines[#lines + 1] = text end
      assert.same({ "deep", "stack traceback:", "\t[C]: in function 'error'" },
        { lines[1], lines[2], lines[3] })
      assert.matches("^\t.*errors_spec.lua:%d+: in upvalue 'deep'$", lines[4])
      assert.matches("^\t%.%.%.\t%(skipping %d+ levels%)$", lines[13])
      assert.equal(2 + 10 + 1 + 11, #lines)
    end)
  end)

  it("is nil for one that was cancelled, but in debug mode", function()
    run(function()
      local task = tide.task(tide.sleep, 60):set_name("named")
      local unnamed = tide.task(function() tide.sleep(60) end)
      tide.sleep(0)
      task:cancel()
      unnamed:cancel()
      pcall(await, task)
      pcall(await, unnamed)
      assert.same({}, { task:traceback(), unnamed:traceback() })
    end)
  end)

  it("is nil for one that ended well, a string for one that never ran", function()
    run(function()
      local task = tide.task(tide.sleep, 0)
      assert.equal("string", type(task:traceback()))
      task:await()
      assert.is_nil(task:traceback())
    end)
  end)
end)

describe("a failure that nobody awaited", function()
  it("24: is reported once, with error, task and traceback, when the handle goes", function()
    local where
    local reports = reported(function(reports)
      local task = tide.task(function()
        where = line() + 1
        error({ "an object" }, 0)
      end):set_name "lonely"
      tide.sleep(1)
      collect()
      assert.same({}, reports)
      assert.is_true(task:done())
      task = nil -- luacheck: ignore 311
      collect() collect()
      assert.equal(1, #reports)
    end)
    assert.equal(1, #reports)
    local report = reports[1]
    assert.same({ "an object" }, report.error)
    assert.equal("lonely failed and nobody awaited it", report.message)
    assert.equal("lonely", report.task:get_name())
    assert.equal(report.error, report.task:exception())
    assert.matches(("errors_spec%%.lua:%d: in"):format(where), report.traceback)
  end)

  it("is reported when it fails if the handle is gone before", function()
    local reports = reported(function(reports)
      tide.task(function() tide.sleep(1) error("boom", 0) end)
      collect()
      assert.same({}, reports)
      tide.sleep(1)
      assert.same({ "boom" }, messages(reports))
      collect()
    end)
    assert.same({ "boom" }, messages(reports))
  end)

  it("24: is never reported when it was retrieved, in whatever way", function()
    local ways = {
      function(task) pcall(await, task) end,
      function(task) pcall(tide.shield, task) end,
      function(task) pcall(task.result, task) end,
      function(task) task:exception() end,
      function(task) task:add_done_callback(function(ended) ended:exception() end) end,
      function(task) tide.task(function() pcall(await, task) end) end,
      function(task) pcall(tide.wait_for, task, 1) end,
      function(task)
        pcall(tide.sleep, 0)
        task:cancel() -- nobody wants it any more
      end,
    }
    for _, late in ipairs { false, true } do
      for _, retrieve in ipairs(ways) do
        assert.same({}, reported(function()
          local task = tide.task(error, "boom", 0)
          if late then
            tide.sleep(1)
          elseif retrieve == ways[3] or retrieve == ways[4] then
            tide.sleep(0)
          end
          retrieve(task)
          tide.sleep(1)
          task = nil -- luacheck: ignore 311
          collect()
        end))
      end
    end
  end)

  it("24: is not reported when it was cancelled, or ended well", function()
    assert.same({}, reported(function()
      local task = tide.task(tide.sleep, 60)
      tide.sleep(1)
      task:cancel()
      task = nil -- luacheck: ignore 311
      tide.task(function() return 1 end)
      collect()
    end))
  end)

  it("is reported at once in debug mode", function()
    reported(function(reports)
      tide.loop():set_debug(true)
      local task = tide.task(error, "boom", 0)
      tide.sleep(1)
      tide.loop():set_debug(false)
      assert.same({ "boom" }, messages(reports))
      assert.equal(task, reports[1].task)
    end)
  end)

  it("whose handle goes with the main task is reported at the end of run", function()
    assert.same({ "boom" }, messages(reported(function(reports)
      local task = tide.task(error, "boom", 0)
      tide.sleep(1)
      assert.is_true(task:done())
      assert.same({}, reports)
    end)))
  end)

  it("each of many is reported once", function()
    local reports = reported(function()
      for i = 1, 200 do
        local task = tide.task(error, i, 0)
        if i % 2 == 0 then
          task:set_name("n")
        end
        tide.sleep(0)
      end
      collect()
    end)
    local seen = {}
    for _, report in ipairs(reports) do
      assert.is_nil(seen[report.error])
      seen[report.error] = true
    end
    assert.equal(200, #reports)
  end)

  it("goes to stderr without a handler: one line and where it failed", function()
    local output = child [[
      testing.run(function()
        tide.task(function()
          error("boom")
        end)
        collectgarbage()
        tide.sleep(0)
      end)
      io.stderr:write("the end\n")]]
    assert.matches("^tide: task%-2 failed and nobody awaited it: [^\n]*:4: boom\n", output)
    assert.matches("stack traceback:\n.*:4: in", output)
    assert.matches("the end\n$", output)
    assert.is_nil(output:match("boom.*boom"))
  end)

  it("whose handle lives to the end of the program is told there, once", function()
    local output = child [[
      local task
      testing.run(function()
        task = tide.task(error, "boom", 0)
        tide.sleep(0)
      end)
      collectgarbage()
      io.stderr:write("the end\n")]]
    assert.matches("the end\n.*boom", output)
    assert.is_nil(output:match("boom.*boom"))
  end)
end)

describe("the exception handler", function()
  it("gets errors of callbacks, with where they were raised", function()
    local where
    local reports = reported(function()
      tide.loop():call_soon(function()
        where = line() + 1
        error("in a callback", 0)
      end)
      tide.task(function() end):add_done_callback(function() error("in a done callback", 0) end)
      tide.sleep(1)
    end)
    assert.same({ "in a callback", "in a done callback" }, messages(reports))
    assert.equal("error in a callback", reports[1].message)
    assert.matches(("errors_spec%%.lua:%d: in"):format(where), reports[1].traceback)
    assert.is_nil(reports[1].task)
  end)

  it("is a callback: it cannot await, current_task is nil, it may start tasks", function()
    local ok, e, current, started = nil, nil, "unset", false
    tide.loop():set_exception_handler(function()
      ok, e = pcall(function() tide.sleep(0) end)
      current = tide.current_task()
      tide.task(function() started = true end)
    end)
    run(function()
      tide.loop():call_soon(error, "x")
      tide.sleep(1)
    end)
    tide.loop():set_exception_handler(nil)
    assert.is_false(ok)
    assert.matches("cannot wait in a callback", e)
    assert.is_nil(current)
    assert.is_true(started)
  end)

  it("164: that raises itself is caught and told, with the report it was given", function()
    local output = child [[
      tide.loop():set_exception_handler(function() error("bad handler", 0) end)
      print(pcall(testing.run, function()
        tide.loop():call_soon(error, "first", 0)
        tide.sleep(0)
        tide.task(function() tide.pcall(tide.sleep, 60) error("second", 0) end)
        tide.sleep(0)
        return "went on"
      end))]]
    assert.matches("tide: error in the exception handler: bad handler.*first.*bad handler.*second.*"
      .. "true\twent on\n$", output)
  end)

  it("may close the loop it is called for at the end of run, or is refused", function()
    local output = child [[
      tide.loop():set_exception_handler(function() print(pcall(tide.loop().close, tide.loop())) end)
      print("run", pcall(testing.run, function()
        local task = tide.task(error, "x", 0)
        tide.sleep(0)
        task = nil
        return "done"
      end))
      print "alive"]]
    assert.matches("run\ttrue\tdone\n", output)
    assert.matches("alive\n$", output)
  end)
end)
