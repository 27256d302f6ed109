-- The loop: what asyncio's tests of loops and Trio's of its guest mode hold.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local now = support.now

local run, pcall = testing.run, tide.pcall

describe("the loop", function()
  it("164: does not spin in sleeps that are shorter than the clock can tell", function()
    run(function()
      for _, seconds in ipairs { 1e-9, 1e-6, 1e-4, 9e-4 } do
        local turns, start = tide.stats().turns, now()
        tide.sleep(seconds)
        assert.is_true(tide.stats().turns - turns <= 20)
        assert.is_true(now() - start >= seconds)
      end
    end, { clock = "real" })
  end)

  it("164: forgets timers that are cancelled, at once, in any order", function()
    run(function()
      local loop, handles, called = tide.loop(), {}, 0
      local function call() called = called + 1 end
      local base = tide.stats().timers
      for i = 1, 3000 do
        handles[i] = loop:call_later((i * 7919) % 1000 + 1, call)
      end
      assert.equal(base + 3000, tide.stats().timers)
      for i = 1, 3000 do
        if i % 100 ~= 0 then
          handles[(i * 1213) % 3000 + 1]:cancel()
        end
      end
      assert.equal(base + 30, tide.stats().timers)
      tide.sleep(2000)
      assert.equal(30, called)
      assert.equal(base, tide.stats().timers)
    end)
  end)

  it("164: a callback that adds itself again and again starves nobody", function()
    run(function()
      local loop, calls = tide.loop(), 0
      local function again()
        calls = calls + 1
        if calls < 1000 then
          loop:call_soon(again)
        end
      end
      again()
      local start = now()
      tide.sleep(0)
      assert.equal(2, calls)
      tide.task(function() tide.sleep(0) end):await()
      assert.is_true(calls < 10)
      assert.equal(start, now())
      testing.wait_all_tasks_blocked()
      assert.equal(1000, calls)
    end)
  end)

  it("161: run cancels what is left though main failed, and gives main's error", function()
    local ended, reports = {}, {}
    tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report.error end)
    local ok, err = pcall(run, function()
      for i = 1, 3 do
        tide.task(function()
          tide.finally(function() tide.sleep(60) end, function()
            tide.sleep(i)
            ended[#ended + 1] = i
            return i == 2 and error("cleanup", 0)
          end)
        end)
      end
      tide.sleep(1)
      error("main", 0)
    end)
    tide.loop():set_exception_handler(nil)
    assert.same({ false, "main" }, { ok, err })
    assert.same({ 1, 2, 3 }, ended)
    assert.same({ "cleanup" }, reports)
  end)
end)

describe("a host that steps the loop", function()
  local loop
  before_each(function() loop = tide.loop() end)
  after_each(function() loop:close() end)

  --- Steps until nothing is ready.
  local function settle()
    repeat until not loop:step(0)
  end

  it("T22: finds it ready as soon as something was started", function()
    assert.equal(math.huge, loop:next_timeout())
    local task = tide.task(tide.sleep, 0)
    assert.equal(0, loop:next_timeout())
    settle()
    assert.is_true(task:done())
    local called
    loop:call_soon(function() called = true end)
    assert.equal(0, loop:next_timeout())
    settle()
    assert.is_true(called)
    assert.equal(math.huge, loop:next_timeout())
    assert.is_false(loop:alive())
  end)

  it("T22: wakes tasks between its steps, and is told that one is due", function()
    local sem, event, wake = tide.semaphore(0), tide.event(), nil
    local sleeper = tide.task(tide.sleep, math.huge)
    local waits = {
      { tide.task(sem.acquire, sem), function() sem:release() end },
      { tide.task(event.wait, event), function() event:set() end },
      { tide.task(tide.park, function(w) wake = w end), function() wake() end },
      { sleeper, function() sleeper:cancel() end },
    }
    settle()
    for _, wait in ipairs(waits) do
      local task, act = wait[1], wait[2]
      assert.is_true(loop:next_timeout() > 0)
      act()
      assert.is_false(task:done()) -- only a step runs it
      assert.equal(0, loop:next_timeout())
      settle()
      assert.is_true(task:done())
    end
  end)

  it("T22: moves a deadline, and is told when the next step is due", function()
    local scope
    local task = tide.task(tide.move_on_after, 100, function()
      scope = tide.current_scope()
      tide.sleep(math.huge)
    end)
    settle()
    local function due_in(least, most)
      local timeout = loop:next_timeout()
      return timeout > least and timeout <= most
    end
    assert.is_true(due_in(90, 100))
    scope:reschedule(now() + 1000)
    assert.is_true(due_in(990, 1000))
    scope.deadline = now() + 10
    assert.is_true(due_in(5, 10))
    scope.deadline = now()
    assert.equal(0, loop:next_timeout())
    settle()
    assert.is_false(task:result())
    assert.equal(math.huge, loop:next_timeout())
  end)

  it("T22: that gives it up is told of what never ran", function()
    local output, status = support.child [[
      local tide = require "tide"
      tide.loop():step()
      tide.task(print, "never")]]
    assert.equal(0, status)
    assert.matches("1 task never ran", output)
  end)
end)
