local tide = require "tide"
local testing = require "tide.testing"

local support = require "spec.support"

require("tide.busted").configure { task = false }

local run = testing.run

local function sleeper(...)
  return tide.task(support.sleeper(...))
end

describe("done callbacks", function()
  it("55: run from the loop, in order, never inline, with the task", function()
    run(function()
      local log, task = {}, sleeper(1)
      for i = 1, 3 do
        task:add_done_callback(function(...)
          assert(select("#", ...) == 1 and ... == task and tide.current_task() == nil)
          log[#log + 1] = i
        end)
      end
      task:await()
      assert.same({ 1, 2, 3 }, log)
      task:add_done_callback(function() log[#log + 1] = "late" end)
      assert.equal(3, #log)
      tide.sleep(0)
      assert.same({ 1, 2, 3, "late" }, log)
    end)
  end)

  it("56: removing one removes all that are equal, and says how many", function()
    run(function()
      local log, task = {}, sleeper(1)
      local function a() log[#log + 1] = "a" end
      local function b() log[#log + 1] = "b" end
      for _, f in ipairs { a, b, a, b, a } do
        task:add_done_callback(f)
      end
      assert.equal(3, task:remove_done_callback(a))
      assert.equal(0, task:remove_done_callback(a))
      task:await()
      tide.sleep(0)
      assert.same({ "b", "b" }, log)
      assert.equal(0, task:remove_done_callback(b))
    end)
  end)

  it("that are many are added and removed one by one, in any order", function()
    run(function()
      local task, called, fs = tide.task(tide.sleep, 1), {}, {}
      local function add(i)
        fs[i] = fs[i] or function() called[#called + 1] = i end
        task:add_done_callback(fs[i])
      end
      for i = 1, 100 do add(i) end
      for i = 1, 20 do add(5 * i) end
      for i = 1, 100, 3 do
        assert.equal(i % 5 == 0 and 2 or 1, task:remove_done_callback(fs[i]))
        assert.equal(0, task:remove_done_callback(fs[i]))
      end
      for i = 1, 100, 10 do add(i) end
      for i = 2, 100, 3 do assert.equal(i % 10 == 1 and (i % 5 == 0 and 3 or 2) or
        i % 5 == 0 and 2 or 1, task:remove_done_callback(fs[i])) end
      local expected = {}
      for i = 3, 100, 3 do expected[#expected + 1] = i end
      for i = 15, 100, 15 do expected[#expected + 1] = i end
      for i = 1, 100, 10 do
        if i % 3 ~= 2 then expected[#expected + 1] = i end
      end
      task:await()
      tide.sleep(0)
      assert.same(expected, called)
    end)
  end)

  -- Minutes, if each remove looked at them all.
  it("that are very many are removed one by one", function()
    run(function()
      local task, called, fs = tide.task(tide.sleep, 1), 0, {}
      for i = 1, 100000 do
        fs[i] = function() called = called + i / i end -- 5.2 and 5.3 would use the same closure
        task:add_done_callback(fs[i])
      end
      for i = 1, #fs do
        if i % 4 ~= 0 then assert(task:remove_done_callback(fs[i]) == 1) end
      end
      task:await()
      tide.sleep(0)
      assert.equal(#fs / 4, called)
    end)
  end)

  it("are called though the handle is gone, and for every kind of end", function()
    run(function()
      local log = {}
      local function note(task)
        log[#log + 1] = task:cancelled() and "cancelled" or task:exception() or task:result()
      end
      sleeper(1, "value"):add_done_callback(note)
      tide.task(function() tide.sleep(2) error("boom", 0) end):add_done_callback(note)
      local task = sleeper(60)
      task:add_done_callback(note)
      for _ = 1, 3 do
        tide.sleep(1)
        collectgarbage() collectgarbage()
      end
      task:cancel()
      tide.sleep(1)
      assert.same({ "value", "boom", "cancelled" }, log)
    end)
  end)
end)
