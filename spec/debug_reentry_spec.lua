-- Debug mode and the timeline, changed while they are at work.
local debugging = require "tide.debug"
local support = require "spec.support"
local testing = require "tide.testing"
local tide = require "tide"

require("tide.busted").configure { task = false }

local function set_debug(on)
  tide.loop():set_debug(on)
end

local when_collected = support.when_collected

--- Calls fn(i), after which `change` is called somewhere in what follows.
local function everywhere(change, fn)
  collectgarbage("setpause", 0)
  local ok, err = pcall(testing.run, function()
    for i = 1, 1000 do
      when_collected(change)
      for _ = 1, i % 50 do
        local _ = {}
      end
      fn(i)
    end
  end)
  collectgarbage("setpause", 200)
  collectgarbage()
  debugging.trace(nil)
  set_debug(false)
  assert(ok, err)
end

describe("debug mode", function()
  it("that a callback ends and begins anew does not call it slow", function()
    set_debug(true)
    local reports = support.reports(function()
      tide.run(function()
        tide.loop():call_soon(function()
          set_debug(false)
          set_debug(true)
        end)
        tide.sleep(0)
        tide.sleep(0)
      end)
    end)
    set_debug(false)
    assert.same({}, reports)
  end)

  it("that begins in a run of a new loop counts what is caught from there on", function()
    set_debug(true)
    support.reports(function()
      tide.run(function()
        local task = tide.task(function()
          for _ = 1, 3 do tide.pcall(tide.sleep, 1) end
        end)
        tide.sleep(0)
        task:cancel()
      end)
      tide.run(function() end)
    end)
    tide.loop():close()
    local reports = support.reports(function()
      tide.run(function() set_debug(true) end)
    end)
    set_debug(false)
    assert.same({}, reports)
  end)

  it("may end in a finaliser while a blocking call is told of", function()
    local read, told = io.read, 0
    io.read = function() end -- luacheck: ignore 122
    local handler = tide.loop():get_exception_handler()
    tide.loop():set_exception_handler(function() told = told + 1 end)
    everywhere(function() set_debug(false) end, function(i)
      set_debug(true)
      local call = assert((loadstring or load)("io.read()", "=place" .. i)) -- luacheck: ignore 113
      call()
    end)
    tide.loop():set_exception_handler(handler)
    io.read = read -- luacheck: ignore 122
    assert.is_true(told > 0)
  end)
end)

describe("debug.trace", function()
  it("may end and begin anew in a finaliser", function()
    local name = os.tmpname()
    local begun = 0
    everywhere(function()
      debugging.trace(nil)
      assert(debugging.trace(name))
      begun = begun + 1
    end, function(i)
      tide.task(tide.sleep, 0):set_name("task " .. i)
      tide.sleep(0)
    end)
    os.remove(name)
    assert.is_true(begun > 0)
  end)
end)

describe("debug.tree", function()
  it("is short where many wait for the same many", function()
    testing.run(function()
      local event, tasks = tide.event(), {}
      for i = 1, 2000 do tasks[i] = tide.task(event.wait, event) end
      for i = 1, 20 do
        tide.task(tide.wait, tasks):set_name("waiter " .. i)
      end
      tide.sleep(0)
      tide.sleep(0)
      local text = debugging.tree()
      local _, lines = text:gsub("\n", "")
      assert.is_true(lines < 1100, lines)
      assert.matches("waiter 2: in wait[^\n]*\n[^\n]*as told above", text)
      assert.matches("%.%.%. and 1900 more: 1900 in event", text)
    end)
  end)
end)
