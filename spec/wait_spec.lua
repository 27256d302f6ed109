local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, misuse, raises = support.elapsed, support.misuse, support.raises

local run, pcall, sleep, wait = testing.run, tide.pcall, tide.sleep, tide.wait

--- Tasks that sleep so many seconds each; 0 or less: that fail after that many.
local function tasks_of(...)
  local tasks = {}
  for i, seconds in ipairs { ... } do
    tasks[i] = seconds > 0 and tide.task(sleep, seconds)
      or tide.task(support.failer(-seconds, "failed"))
  end
  return tasks
end

--- The places in `list` of the tasks in done and in pending: "1 2 | 3".
local function places(list, done, pending)
  local function of(some)
    local names = {}
    for _, task in ipairs(some) do
      for place, other in ipairs(list) do
        names[#names + 1] = other == task and place or nil
      end
    end
    return table.concat(names, " ")
  end
  return of(done) .. " | " .. of(pending)
end

--- What wait says of tasks_of(...), and after how many seconds.
local function waits(options, ...)
  local tasks = tasks_of(...)
  local text
  local took = elapsed(function() text = places(tasks, wait(tasks, options)) end)
  for _, task in ipairs(tasks) do
    task:cancel()
    pcall(task.await, task)
  end
  return ("%s after %g"):format(text, took)
end

describe("wait", function()
  it("36: waits for all, and gives done and pending in the order of the list", function()
    assert.equal("1 2 3 |  after 3", waits(nil, 2, 3, 1))
    assert.equal("1 2 3 |  after 3", waits({}, 2, -3, 1))
    assert.equal("1 2 |  after 3", waits({ return_when = "all_completed" }, -1, 3))
  end)

  it("36: first_completed, whatever the end", function()
    local options = { return_when = "first_completed" }
    assert.equal("3 | 1 2 after 1", waits(options, 2, 3, 1))
    assert.equal("1 | 2 after 1", waits(options, -1, 3))
    local tasks = tasks_of(5, 6)
    tide.loop():call_later(1, function() tasks[2]:cancel() end)
    assert.equal("2 | 1", places(tasks, wait(tasks, options)))
    tasks[1]:cancel()
  end)

  it("36: first_exception, or all", function()
    local options = { return_when = "first_exception" }
    assert.equal("2 3 | 1 after 2", waits(options, 4, -2, 1))
    assert.equal("1 2 |  after 2", waits(options, 1, 2))
    local tasks = tasks_of(2, 5, -9)
    tide.loop():call_later(1, function() tasks[2]:cancel() end) -- that is no failure
    tide.loop():call_later(3, function() tasks[3]:cancel() end)
    assert.equal(3, elapsed(function()
      assert.equal("1 2 3 | ", places(tasks, wait(tasks, options)))
    end))
  end)

  it("38: first_completed gives all that have ended by then", function()
    local futures = { tide.future(), tide.future(), tide.future(), tide.future() }
    tide.loop():call_later(1, function()
      for _, i in ipairs { 4, 2 } do futures[i]:set_result() end
    end)
    assert.equal("2 4 | 1 3", places(futures, wait(futures, { return_when = "first_completed" })))
  end)

  it("36: a timeout cancels none of them and is no error", function()
    local tasks = tasks_of(1, 5, -2, 6)
    assert.equal(3, elapsed(function()
      assert.equal("1 3 | 2 4", places(tasks, wait(tasks, { timeout = 3 })))
    end))
    assert.same({ 0, 0 }, { tasks[2]:cancelling(), tasks[4]:cancelling() })
    assert.equal(0, tide.stats().timers - 2)
    assert.equal("1 2 3 4 | ", places(tasks, wait(tasks, { timeout = 9 })))
    assert.equal("failed", tasks[3]:exception())
    assert.equal(0, tide.stats().timers)
  end)

  it("36: a timeout of 0 tells what has ended, and gives up a turn at most", function()
    local tasks, none = tasks_of(1, 3), tasks_of(3)
    sleep(2)
    for _, seconds in ipairs { 0, -1, "0" } do
      assert.equal(0, elapsed(function()
        assert.equal("1 | 2", places(tasks, wait(tasks, { timeout = seconds })))
        assert.equal(" | 1", places(none, wait(none, { timeout = seconds })))
      end))
    end
    wait({ tasks[2], none[1] }, { timeout = math.huge })
    assert.equal("1 2 | ", places(tasks, wait(tasks, { timeout = 0 })))
  end)

  it("takes Futures, also set ones, and their errors are not raised", function()
    local set, failed, gone, late = tide.future(), tide.future(), tide.future(), tide.future()
    set:set_result()
    failed:set_exception("failed")
    gone:cancel()
    tide.loop():call_later(1, function() late:set_result() end)
    local list = { late, gone, failed, set }
    assert.equal("2 3 4 | 1", places(list, wait(list, { return_when = "first_exception" })))
    assert.equal("1 2 3 4 | ", places(list, wait(list)))
    failed:exception()
  end)

  it("37: what is there twice counts once", function()
    local tasks = tasks_of(1, 3)
    local a, b = tasks[1], tasks[2]
    local done, pending = wait({ b, a, b, a, a }, { timeout = 2 })
    assert.same({ { a }, { b } }, { done, pending })
    b:cancel()
  end)

  it("62, T19: of what has ended keeps its turn, and is a cancel point", function()
    local task, order = tasks_of(1), {}
    wait(task)
    tide.task(function() order[#order + 1] = "other" end)
    wait(task)
    order[#order + 1] = "waited"
    sleep(0)
    assert.same({ "waited", "other" }, order)
    assert.is_false(tide.scope(function(s) s:cancel() wait(task) end))
    assert.is_false(tide.scope(function(s) s:cancel() wait(task, { timeout = 0 }) end))
  end)

  it("40: cancelled leaves at once and cancels none, nor does it count", function()
    local tasks = tasks_of(3, 4)
    for _, options in ipairs { {}, { timeout = 9 }, { return_when = "first_completed" } } do
      assert.equal(0.5, elapsed(tide.move_on_after, 0.5, wait, tasks, options))
    end
    assert.same({ 0, 0 }, { tasks[1]:cancelling(), tasks[2]:cancelling() })
    local waiter = tide.task(wait, tasks)
    local awaiter = tide.task(function() tasks[1]:await() end)
    sleep(0)
    awaiter:cancel()
    assert.equal(1, tasks[1]:cancelling()) -- the last that counts
    waiter:cancel()
    tasks[2]:cancel()
  end)

  it("raises when it is cancelled in the turn in which it was woken", function()
    for _, options in ipairs { {}, { timeout = 9 }, { return_when = "first_completed" } } do
      local future = tide.future()
      local task = tide.task(wait, { future }, options)
      sleep(0)
      future:set_result()
      task:cancel("why")
      assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    end
  end)

  it("a cancel that meets the timeout is raised", function()
    local task = tide.task(wait, { tide.future() }, { timeout = 1 })
    tide.loop():call_later(1, function() task:cancel("why") end)
    raises(tide.CancelledError, task.await, task)
    local other = tide.task(tide.timeout, 1, wait, { tide.future() }, { timeout = 1 })
    raises(tide.TimeoutError, other.await, other)
  end)

  it("waits for the same tasks in several tasks", function()
    local tasks = tasks_of(1, 2)
    local a = tide.task(wait, tasks)
    local b = tide.task(wait, tasks, { return_when = "first_completed" })
    assert.equal("1 | 2", places(tasks, b:await()))
    assert.equal("1 2 | ", places(tasks, a:await()))
  end)

  it("works in the main program, and there a deadlock is told", { task = false }, function()
    local tasks = tasks_of(0.001)
    assert.equal("1 | ", places(tasks, wait(tasks)))
    local future = tide.future()
    raises(tide.DeadlockError, wait, { future })
    future:set_result() -- nothing is linked any more
    assert.same({ { future }, {} }, { wait { future } })
  end)

  it("is misused at the caller's line", function()
    local me, task = tide.current_task(), tasks_of(1)[1]
    misuse("#1 to 'tide.wait' %(nothing to wait for", function() wait {} end)
    misuse("#1 to 'tide.wait' %(list expected, .*put it in braces", function() wait(task) end)
    misuse("#1 to 'tide.wait' %(list expected, got one to", function() wait(tide.future()) end)
    misuse("#1 to 'tide.wait' %(list expected, got nil", function() wait() end)
    misuse("#1 to 'tide.wait' %(list expected, got function", function() wait(print) end)
    for _, bad in ipairs { 1, "x", print, {}, tide.event() } do
      misuse("#1 to 'tide.wait' %(item 2: Task or Future exp", function() wait { task, bad } end)
    end
    misuse("item 2: .*got nil", function() wait { n = 2, task } end)
    misuse("#1 to 'tide.wait' %(n: whole number", function() wait { n = 1.5, task } end)
    misuse("#2 to 'tide.wait' %(table expected", function() wait({ task }, 5) end)
    misuse("#2 .*unknown option 'seconds'", function() wait({ task }, { seconds = 5 }) end)
    misuse("#2 to 'tide.wait' %(return_when: ", function() wait({ task }, { return_when = 1 }) end)
    misuse("#2 to 'tide.wait' %(number expected", function() wait({ task }, { timeout = {} }) end)
    misuse("#2 to 'tide.wait' .*NaN", function() wait({ task }, { timeout = 0 / 0 }) end)
    misuse("a task cannot await itself", function() wait { task, me } end)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() wait { task } end))
    task:cancel()
  end)

  it("88: is refused on what a closed loop left", { task = false }, function()
    local task, future = tide.task(sleep, 5), tide.future()
    tide.loop():close()
    run(function()
      misuse("item 1: it is of a loop that was closed", function() wait { task } end)
      misuse("item 1: it is of a loop that was closed", function() wait { future } end)
    end)
  end)

  it("T25: keeps nothing of those that go on", function()
    local weak = setmetatable({}, { __mode = "v" })
    local future = tide.future()
    tide.task(function()
      local list = { future, tide.future() }
      weak.list, weak.other = list, list[2]
      wait(list, { timeout = 1 })
      tide.move_on_after(1, wait, list)
    end):await()
    for _ = 1, 3 do sleep(0) collectgarbage() end
    assert.is_nil(next(weak))
    future:set_result()
  end)
end)
