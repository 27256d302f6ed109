local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse = support.misuse
local run, pcall, sleep = testing.run, tide.pcall, tide.sleep

--- Whether the running task has the lock of the condition.
local function owns(cond)
  return tostring(cond):find("locked by " .. tide.current_task():get_name() .. ",", 1, true) ~= nil
end

describe("a condition is misused at the caller's line:", function()
  it("93: without the lock, free or another's", function()
    local cond = tide.condition()
    local function each(pattern)
      misuse("'Condition:wait': " .. pattern, function() cond:wait() end)
      misuse("'Condition:wait_for': " .. pattern, function() cond:wait_for(print) end)
      misuse("'Condition:notify': " .. pattern, function() cond:notify() end)
      misuse("'Condition:notify_all': " .. pattern, function() cond:notify_all() end)
      misuse("'Condition:release': " .. pattern, function() cond:release() end)
    end
    each("the lock is not locked")
    cond:acquire()
    tide.task(each, "the lock is another's, locked by test"):await()
    misuse("'Condition:acquire': the task has the lock already", function() cond:acquire() end)
    assert.is_true(owns(cond))
    cond:release()
  end)

  it("made with what is no lock", function()
    for _, bad in ipairs { 5, "x", {}, false, tide.semaphore(), tide.condition() } do
      misuse("bad argument #1 to 'tide.condition' %(Lock", function() tide.condition(bad) end)
    end
  end)

  it("94: a number of waiters that is none, a predicate that is none", function()
    local cond = tide.condition()
    cond:acquire()
    for _, bad in ipairs { -1, 1.5, "x", {}, 0 / 0, 1 / 0 } do
      misuse("bad argument #1 to 'Condition:notify'", function() cond:notify(bad) end)
    end
    for _, bad in ipairs { 1, "x", {}, false } do
      misuse("bad argument #1 to 'Condition:wait_for'", function() cond:wait_for(bad) end)
    end
    misuse("bad argument #1 to 'Condition:with'", function() cond:with(1) end)
    cond:release()
  end)

  it("60: a method on something else", function()
    local methods = getmetatable(tide.condition()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.lock(), tide.event() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse(name .. "'.*Condition expected", function() method(other, print) end)
      end
      misuse("Condition:" .. name, function() method() end)
    end
  end)

  it("in a callback", function()
    local cond, log = tide.condition(), {}
    local calls = { "wait", "wait_for", "notify", "notify_all", "release", "acquire" }
    for i, name in ipairs(calls) do
      tide.loop():call_soon(function()
        log[i] = select(2, pcall(cond[name], cond, name == "wait_for" and print or nil))
      end)
    end
    sleep(1)
    for i, name in ipairs(calls) do
      assert.matches("'Condition:" .. name .. "' cannot .*in a callback", log[i])
    end
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = tide.condition()
    tide.loop():close()
    local function each()
      for name, method in pairs(getmetatable(old).__index) do
        misuse(name .. "': the loop is closed", function() method(old, print) end)
      end
    end
    run(each)
    misuse("the loop is closed", function() old:notify() end)
  end)
end)
