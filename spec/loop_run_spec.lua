-- The methods of the loop that wait, and what asyncio's users know them by.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local pcall, sleep = tide.pcall, tide.sleep

local function loop()
  return tide.loop()
end

describe("Loop:run_until_complete", function()
  it("160: returns all results of a function, Task or Future, or raises its error", function()
    local function body() sleep(0) return 1, nil end
    assert.same(pack(1, nil), pack(loop():run_until_complete(body)))
    assert.same(pack(2), pack(loop():run_until_complete(tide.task(sleep, 0.001, 2))))
    local future = loop():create_future()
    loop():call_later(0.001, function() future:set_result(3, nil) end)
    assert.same(pack(3, nil), pack(loop():run_until_complete(future)))
    assert.same(pack(3, nil), pack(loop():run_until_complete(future))) -- ended before
    local err = {}
    for _, aw in ipairs { function() error(err) end, tide.task(function() error(err) end) } do
      assert.same(pack(false, err), pack(pcall(loop().run_until_complete, loop(), aw)))
    end
    local task = tide.task(sleep, 60)
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, loop().run_until_complete, loop(), task).reason)
  end)

  it("takes a callable, and one of ours that awaits", function()
    local callable = setmetatable({}, { __call = function() sleep(0) return "called" end })
    assert.equal("called", loop():run_until_complete(callable))
    assert.same(pack(), pack(loop():run_until_complete(tide.next_tick)))
  end)

  it("161: leaves other tasks as they are: they go on in the next", function()
    local log = {}
    local event = tide.event()
    local other = tide.task(function()
      event:wait()
      log[#log + 1] = "other"
      return "done"
    end)
    assert.equal(1, loop():run_until_complete(tide.task(sleep, 0.001, 1)))
    assert.same({}, log)
    assert.is_false(other:done())
    event:set()
    assert.equal("done", loop():run_until_complete(other))
    assert.same({ "other" }, log)
  end)

  it("164: looks at the clock although it is stopped in its first turn", function()
    local log, loops = {}, 0
    loop():call_later(-1, function() log[#log + 1] = "due" end)
    loop():stop()
    loop():run_forever()
    assert.same({ "due" }, log)
    local future = tide.future()
    loop():call_later(0, future.set_result, future)
    while not future:done() do
      loop():call_soon(loop().stop, loop())
      loop():run_forever()
      loops = loops + 1
    end
    assert.equal(1, loops)
  end)

  it("35: stopped before the end is an error, and the task can be continued", function()
    local task = tide.task(function()
      for _ = 1, 3 do sleep(0) end
      loop():stop()
      sleep(0.001)
      return "survived"
    end)
    local why = "'Loop:run_until_complete': the loop was stopped before it ended"
    misuse(why, function() loop():run_until_complete(task) end)
    assert.is_false(task:done())
    assert.equal("survived", loop():run_until_complete(task))
  end)

  it("35: stopped in the turn of the end returns", function()
    assert.equal("ended", loop():run_until_complete(function()
      loop():stop()
      return "ended"
    end))
    assert.equal("next", loop():run_until_complete(function() sleep(0) return "next" end))
  end)

  it("raises a DeadlockError where nothing can end it, and the task stays", function()
    local event = tide.event()
    local task = tide.task(event.wait, event)
    raises(tide.DeadlockError, loop().run_until_complete, loop(), task)
    assert.is_false(task:done())
    event:set()
    loop():run_until_complete(task)
    assert.is_true(task:done())
  end)

  it("is refused while the loop runs, and starts nothing", function()
    local ran, err
    testing.run(function()
      local why = "'Loop:run_until_complete': the loop is running"
      misuse(why, function() loop():run_until_complete(function() ran = true end) end)
      loop():call_soon(function()
        err = select(2, pcall(loop().run_until_complete, loop(), function() ran = true end))
      end)
      sleep(0)
      assert.matches(why, err)
      sleep(0)
    end)
    assert.is_nil(ran)
  end)

  it("22: is refused where nothing can wait, and starts nothing", function()
    local before = tide.stats().spawned
    local why = "'Loop:run_until_complete' cannot wait in "
    local function complete() loop():run_until_complete(function() end) end
    local ok, err = pcall(coroutine.wrap(complete))
    assert.is_false(ok)
    assert.matches("loop_run_spec.lua:%d+: " .. why .. "a plain coroutine", err)
    loop():set_blocking(false)
    misuse(why .. "the main program", function() loop():run_until_complete(complete) end)
    loop():set_blocking(true)
    assert.equal(before, tide.stats().spawned)
    assert.equal(0, tide.stats().tasks)
  end)

  it("21: is misused at the caller's line", function()
    local why = "bad argument #1 to 'Loop:run_until_complete'"
    for _, bad in ipairs { 1, "x", {}, true } do
      misuse(why, function() loop():run_until_complete(bad) end)
    end
    misuse(why, function() loop():run_until_complete() end)
    assert.equal(0, tide.stats().tasks)
  end)

  it("19: what is of a closed loop is refused", function()
    local task, future = tide.task(sleep, 60), tide.future()
    loop():close()
    for _, aw in ipairs { task, future } do
      local ok, err = pcall(function() loop():run_until_complete(aw) end)
      assert.is_false(ok)
      assert.matches("closed", tostring(err))
    end
  end)
end)

describe("Loop:run_forever", function()
  it("runs until stop, which ends it after the turn", function()
    local log = {}
    local other = tide.task(function()
      for i = 1, 10 do
        sleep(0)
        log[#log + 1] = i
        if i == 2 then loop():stop() end
      end
    end)
    assert.same(pack(), pack(loop():run_forever()))
    assert.same({ 1, 2 }, log)
    loop():run_until_complete(other)
    assert.equal(10, #log)
  end)

  it("stop comes from a callback, too, once or twice", function()
    local log = {}
    loop():call_later(0.001, function()
      loop():stop()
      loop():stop()
      loop():call_soon(function() log[#log + 1] = "next turn" end)
    end)
    loop():run_forever()
    assert.same({}, log)
    loop():run_until_complete(function() sleep(0) end)
    assert.same({ "next turn" }, log)
  end)

  it("stop before it lets it make one turn", function()
    local log = {}
    local task = tide.task(function()
      for i = 1, 3 do
        log[#log + 1] = i
        sleep(0)
      end
    end)
    loop():stop()
    loop():stop()
    loop():run_forever()
    assert.same({ 1 }, log)
    loop():run_until_complete(task) -- is stopped no more
    assert.same({ 1, 2, 3 }, log)
    loop():stop()
    local function late() sleep(0.001) log.late = true end
    misuse("stopped before it ended", function() loop():run_until_complete(late) end)
    for _, left in ipairs(tide.all_tasks()) do loop():run_until_complete(left) end
    assert.is_true(log.late)
  end)

  it("raises a DeadlockError where nothing can stop it", function()
    raises(tide.DeadlockError, loop().run_forever, loop())
    local task = tide.task(sleep, 0.001)
    raises(tide.DeadlockError, loop().run_forever, loop())
    assert.is_true(task:done())
  end)

  it("is refused while the loop runs, and in a plain coroutine", function()
    testing.run(function()
      misuse("'Loop:run_forever': the loop is running", function() loop():run_forever() end)
    end)
    local why = "'Loop:run_forever' cannot wait in a plain coroutine"
    misuse(why, coroutine.wrap(function() loop():run_forever() end))
  end)

  it("lets errors of tasks pass by: they are reported as ever", function()
    local reports = {}
    loop():set_exception_handler(function(report) reports[#reports + 1] = report.error end)
    tide.task(function() error("nobody's", 0) end)
    loop():call_later(0.001, function() loop():stop() end)
    loop():run_forever()
    support.collect()
    sleep(0.001)
    loop():set_exception_handler(nil)
    assert.same({ "nobody's" }, reports)
  end)
end)

describe("Loop:stop", function()
  it("is an error in run, which nothing but its end ends", function()
    testing.run(function()
      local why = "'Loop:stop': only run_forever and run_until_complete can be stopped"
      misuse(why, function() loop():stop() end)
    end)
    local err
    loop():call_soon(function() err = select(2, pcall(loop().stop, loop())) end)
    sleep(0.001) -- in the main program
    assert.matches("only run_forever", err)
  end)

  it("of a loop that is closed then is forgotten", function()
    loop():stop()
    loop():close()
    assert.equal(1, loop():run_until_complete(function() sleep(0) sleep(0) return 1 end))
  end)
end)

describe("Loop:create_task and Loop:create_future", function()
  it("make what tide.task and tide.future make", function()
    testing.run(function()
      local task = loop():create_task(function(...) sleep(1) return ... end, 1, nil)
      assert.same(pack(1, nil), pack(task:await()))
      local future = loop():create_future()
      assert.is_false(future:done())
      future:set_result(2)
      assert.equal(2, future:await())
    end)
  end)

  it("21: are misused at the caller's line, each time", function()
    for _ = 1, 2 do
      for _, bad in ipairs { 1, "x", {}, false } do
        local why = "bad argument #1 to 'Loop:create_task' %(function"
        misuse(why, function() loop():create_task(bad) end)
      end
    end
    assert.equal(0, tide.stats().tasks)
  end)
end)

describe("the methods of the loop that wait", function()
  it("162: of a closed loop, or of something else, raise at the caller's line", function()
    local old = loop()
    old:close()
    local names = { "run_until_complete", "run_forever", "stop", "create_task", "create_future" }
    for _, name in ipairs(names) do
      misuse("'Loop:" .. name .. "': the loop is closed", function() old[name](old, sleep) end)
      for _, other in ipairs { 5, "x", {}, false, io.stdout } do
        misuse("'Loop:" .. name .. "'.*Loop expected", function() loop()[name](other, sleep) end)
      end
    end
  end)
end)
