local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local pcall, sleep = tide.pcall, tide.sleep

support.keep_context(before_each, after_each)

local collect = support.collect

describe("the context of a callback", function()
  it("is that of who added it, and its sets stay in it", function()
    local var, seen = tide.var("none"), {}
    local loop = tide.loop()
    local function see(...)
      seen[#seen + 1] = table.concat({ var:get(), ... }, " ")
      var:set("callback")
      loop:call_soon(function() seen[#seen + 1] = "inner " .. var:get() end)
    end
    var:set("soon")
    loop:call_soon(see)
    var:set("later")
    loop:call_later(1, see, "with", "arguments")
    var:set("at")
    loop:call_at(support.now() + 2, setmetatable({}, { __call = function() see() end }))
    var:set("task")
    sleep(3)
    assert.same({ "soon", "inner callback", "later with arguments", "inner callback", "at",
      "inner callback" }, seen)
    assert.equal("task", var:get())
  end)

  it("nobody's set reaches one that was added before any", function()
    local var, seen = tide.var("none"), {}
    tide.loop():call_later(1, function() seen[1] = var:get() var:set(1) end)
    tide.loop():call_later(1, function() seen[2] = var:get() end)
    var:set("task")
    sleep(2)
    assert.same({ "none", "none" }, seen)
  end)

  it("of a done callback is that of who added it, not the task's", function()
    local var, seen = tide.var("none"), {}
    local function see(name)
      return function(task) seen[#seen + 1] = name .. " " .. var:get() .. " " .. task:result() end
    end
    local task = tide.task(function() var:set("ended") sleep(1) return "done" end)
    local removed = see("removed")
    task:add_done_callback(see("first"))
    var:set("two")
    task:add_done_callback(removed)
    task:add_done_callback(see("second"))
    var:set("three")
    task:add_done_callback(removed)
    task:add_done_callback(see("third"))
    assert.equal(2, task:remove_done_callback(removed))
    var:set("four")
    task:await()
    task:add_done_callback(see("late"))
    var:set("five")
    sleep(0)
    assert.same({ "first none done", "second two done", "third three done", "late four done" },
      seen)
  end)

  it("of an abort function is the task's that parks", function()
    local var, seen = tide.var("none"), nil
    local task = tide.task(function()
      var:set("parked")
      tide.park(function()
        return function() seen = var:get() var:set("abort") end
      end)
    end)
    sleep(0)
    task:cancel()
    assert.is_false((pcall(task.await, task)))
    assert.equal("parked", seen)
    assert.equal("none", var:get())
  end)

  it("of the exception handler is the failed callback's, or none", function()
    local var, seen = tide.var("none"), {}
    var:set("main")
    tide.loop():set_exception_handler(function(report)
      seen[#seen + 1] = report.error .. " " .. var:get()
      var:set("handler")
    end)
    tide.loop():call_soon(function() var:set("callback") error("bad callback", 0) end)
    sleep(0)
    tide.task(function() var:set("task") error("bad task", 0) end)
    collect()
    sleep(0)
    collect()
    sleep(0)
    tide.loop():set_exception_handler(nil)
    assert.same({ "bad callback callback", "bad task none" }, seen)
    assert.equal("main", var:get())
  end)

  it("is let go when it has run or is cancelled", function()
    local var, weak = tide.var(), setmetatable({}, { __mode = "v" })
    for i = 1, 2 do
      weak[i] = {}
      var:set(weak[i])
      local handle = tide.loop():call_later(1, function() end)
      if i == 2 then handle:cancel() end
    end
    var:set(nil)
    sleep(2)
    collect()
    assert.same({}, weak)
  end)
end)
