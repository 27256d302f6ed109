local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, misuse, pack, raises = support.elapsed, support.misuse, support.pack, support.raises
local sleeper, failer, cleaner = support.sleeper, support.failer, support.cleaner

local run, pcall, sleep, as_completed = testing.run, tide.pcall, tide.sleep, tide.as_completed

-- On PUC 5.1 no iterator of a `for` can await.
local for_awaits = _VERSION ~= "Lua 5.1" or jit ~= nil

--- All that the iterator gives: their results and errors.
local function outcomes(iterate)
  local list = {}
  local item = iterate()
  while item do
    list[#list + 1] = select(2, pcall(item.result, item))
    item = iterate()
  end
  return list
end

local function collected()
  support.collect()
  sleep(0)
end

describe("as_completed", function()
  it("41: gives Tasks and Futures in the order of their ends", function()
    local task, future, set = tide.task(sleeper(2, "task")), tide.future(), tide.future()
    set:set_result("set")
    tide.loop():call_later(1, function() future:set_exception("future") end)
    local iterate, state, control = as_completed { sleeper(4, "last"), task, failer(3, "failed"),
      future, set, setmetatable({}, { __call = sleeper(0, "callable") }) }
    assert.same(pack(nil, nil), pack(state, control))
    assert.equal(set, iterate())
    assert.equal("callable", iterate():result())
    assert.equal(future, iterate())
    assert.equal(task, iterate())
    assert.same({ "failed", "last" }, outcomes(iterate))
    assert.same({ "future", "failed" }, { future:exception(), pcall(iterate) and "failed" })
    assert.same(pack(nil), pack(iterate()))
  end)

  it("41: what is there twice comes once, a function twice runs twice", function()
    local task, calls = tide.task(sleeper(1, "task")), 0
    local function count() calls = calls + 1 return "call" end
    assert.same({ "call", "call", "task" }, outcomes(as_completed { task, count, task, count }))
    assert.equal(2, calls)
    assert.same({}, outcomes(as_completed {}))
  end)

  if for_awaits then
    it("41: is gone through by for", function()
      local list = {}
      for task in as_completed { sleeper(2, "b"), sleeper(1, "a") } do
        list[#list + 1] = task:result()
      end
      assert.same({ "a", "b" }, list)
    end)
  end

  it("starts what it is given at once, and gives what has ended meanwhile", function()
    local iterate = as_completed { sleeper(2, "b"), sleeper(1, "a"), sleeper(9, "c") }
    sleep(3)
    assert.equal(0, elapsed(function()
      assert.same({ "a", "b" }, { iterate():result(), iterate():result() })
    end))
    assert.equal(6, elapsed(function() assert.equal("c", iterate():result()) end))
  end)

  it("T19: each step is a cancel point, also when it need not wait", function()
    local iterate = as_completed { sleeper(0, "a") }
    sleep(1)
    assert.is_false(tide.scope(function(s) s:cancel() iterate() end))
    assert.equal("a", iterate():result()) -- and what has ended is not lost
    assert.is_nil(iterate())
    assert.is_false(tide.scope(function(s) s:cancel() iterate() end))
  end)

  it("41: goes on where it was, in another task too, but for one at a time", function()
    local iterate = as_completed { sleeper(1, "a"), sleeper(2, "b"), sleeper(3, "c") }
    assert.equal("a", iterate():result())
    local task = tide.task(iterate)
    sleep(0)
    misuse("another task waits for the next one", function() iterate() end)
    assert.equal("b", task:await():result())
    assert.equal("c", iterate():result())
    assert.is_nil(iterate())
  end)

  it("woken and then cancelled gives what woke it", function()
    local future = tide.future()
    local iterate = as_completed { future }
    local task = tide.task(function()
      local got = iterate()
      raises(tide.CancelledError, sleep, 0)
      return got
    end)
    sleep(0)
    future:set_result()
    task:cancel()
    assert.equal(future, task:await())
  end)
end)

describe("as_completed with a timeout", function()
  it("41: counts from the call, and raises once for each of the rest", function()
    local log = {}
    local future = tide.future()
    local iterate = as_completed({ sleeper(1, "a"), sleeper(3, "b"), cleaner(1, log, "made"),
      future }, { timeout = 4 })
    assert.equal("a", iterate():result())
    sleep(1)
    assert.equal(2, elapsed(function()
      assert.equal("b", iterate():result())
      raises(tide.TimeoutError, iterate)
    end))
    raises(tide.TimeoutError, iterate)
    assert.same(pack(nil), pack(iterate()))
    sleep(2)
    assert.same({ "made" }, log) -- what it made itself was cancelled
    assert.is_false(future:done())
  end)

  it("what has ended in time is given also when one asks late", function()
    local iterate = as_completed({ sleeper(1, "a"), sleeper(2, "b"), sleeper(9) }, { timeout = 3 })
    sleep(5)
    assert.same({ "a", "b" }, { iterate():result(), iterate():result() })
    raises(tide.TimeoutError, iterate)
    assert.is_nil(iterate())
    iterate = as_completed({ sleeper(1, "a") }, { timeout = 2 })
    assert.equal("a", iterate():result())
    sleep(5)
    assert.is_nil(iterate())
  end)

  it("that meets an end loses nothing", function()
    for first = 1, 2 do
      local future = tide.future()
      local function later() tide.loop():call_later(1, function() future:set_result("set") end) end
      if first == 1 then later() end
      local iterate = as_completed({ future }, { timeout = 1 })
      if first == 2 then later() end
      local ok, item = pcall(iterate)
      assert.is_true(ok and item == future or tide.is(item, tide.TimeoutError))
      assert.is_nil(iterate())
      sleep(1)
    end
  end)

  it("of 0 or less, or for ever; none is left", function()
    local done = tide.task(sleeper(0, "done"))
    done:await()
    for _, seconds in ipairs { 0, -1 } do
      local iterate = as_completed({ tide.future(), done }, { timeout = seconds })
      assert.equal(done, iterate())
      raises(tide.TimeoutError, iterate)
      assert.is_nil(iterate())
    end
    assert.same({ "late" }, outcomes(as_completed({ sleeper(9, "late") }, { timeout = math.huge })))
    assert.same({ "soon" }, outcomes(as_completed({ sleeper(1, "soon") }, { timeout = 9 })))
    assert.equal(0, tide.stats().timers)
  end)

  it("T14: lets a timeout of the consumer's pass", function()
    local log = {}
    local iterate = as_completed({ cleaner(2, log, "cleaned") }, { timeout = 5 })
    assert.equal(3, elapsed(raises, tide.TimeoutError, tide.timeout, 1, iterate))
    assert.same({ "cleaned" }, log) -- awaited: it was a cancel
  end)
end)

describe("as_completed that is cancelled", function()
  it("cancels what only it waits for, awaits that, and raises", function()
    local log, shared, future = {}, tide.task(sleep, 9, "shared"), tide.future()
    local other = tide.task(function() return shared:await() end)
    local mine = tide.task(cleaner(2, log, "a task"))
    local task = tide.task(function()
      local iterate = as_completed { shared, mine, future, cleaner(3, log, "a function") }
      iterate()
    end)
    tide.loop():call_later(1, function() task:cancel("why") end)
    assert.equal(4, elapsed(function()
      assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    end))
    assert.same({ "a task", "a function" }, log)
    assert.same({ 0, true }, { shared:cancelling(), future:cancelled() })
    assert.equal("shared", other:await())
  end)

  it("and goes on gives the rest, as it ended", function()
    local future, gone = tide.future(), tide.future()
    local iterate = as_completed { gone, future }
    local task = tide.task(function()
      raises(tide.CancelledError, iterate)
      tide.shield(function() assert.same({ "set" }, { outcomes(iterate)[1] }) end)
    end)
    sleep(0)
    task:cancel()
    future:set_result("set") -- after the cancel, but it has not run yet
    task:await()
    assert.is_true(gone:cancelled())
  end)

  it("by the task that it waits for does not hang", function()
    local consumer, other
    other = tide.task(function() sleep(0) return consumer:await() end)
    consumer = tide.task(function() as_completed { other }() end)
    sleep(1)
    consumer:cancel()
    assert.equal(0, elapsed(function() tide.wait { consumer, other } end))
    assert.same({ true, true }, { consumer:cancelled(), other:cancelled() })
  end)
end)

describe("as_completed that is dropped", function()
  it("cancels what it made itself, and nothing else", function()
    local log, task, future = {}, tide.task(sleeper(9, "task")), tide.future()
    tide.task(function()
      local iterate = as_completed { task, future, cleaner(1, log, "made"), sleeper(1, "a") }
      assert.equal("a", iterate():result())
    end):await()
    collected()
    sleep(1)
    assert.same({ "made" }, log)
    assert.same({ 0, false }, { task:cancelling(), future:done() })
    task:cancel()
  end)

  it("leaves what it made if somebody else awaits that by now", function()
    local kept, other
    tide.task(function()
      local iterate = as_completed { function()
        kept = tide.current_task()
        return sleep(3, "kept")
      end, sleeper(0) }
      iterate()
      other = tide.task(function() return kept:await() end)
      sleep(1)
    end):await()
    collected()
    assert.equal("kept", other:await())
  end)

  if _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5" then
    it("by leaving a for loop, cancels it there", function()
      local log = {}
      local future = tide.future()
      for task in as_completed { sleeper(1, "a"), cleaner(0, log, "made"), future } do
        assert.equal("a", task:result())
        if task then break end
      end
      sleep(0)
      sleep(0)
      assert.same({ "made" }, log)
      assert.is_false(pcall(function()
        for _ in as_completed { sleeper(1), cleaner(0, log, "made too") } do error("out") end
      end))
      sleep(0)
      sleep(0)
      assert.same({ "made", "made too" }, log)
    end)
  end

  it("by its closing value, wakes who waits in it", function()
    local iterate, _, _, closer = as_completed { tide.future(), sleeper(9) }
    local task = tide.task(iterate)
    sleep(0)
    getmetatable(closer).__close(closer)
    assert.equal(0, elapsed(function() assert.is_nil((task:await())) end))
    assert.is_nil(iterate())
  end)

  it("60: its closing value cannot be forged", function()
    local _, _, _, closer = as_completed {}
    for _, method in ipairs { "__gc", "__close" } do
      for _, other in ipairs { 5, "x", {}, io.stdout, tide.future(), tide.event() } do
        assert.is_false(pcall(getmetatable(closer)[method], other))
      end
      assert.is_false(pcall(getmetatable(closer)[method]))
    end
  end)

  it("at the end of the main program and with its loop, is let go", { task = false }, function()
    local iterate = as_completed { function() sleep(9) end, tide.future() }
    tide.loop():close()
    misuse("'tide.as_completed': the loop is closed", function() iterate() end)
    run(function() misuse("the loop is closed", function() iterate() end) end)
    local text, status = support.child([[
      local tide = require "tide"
      kept = tide.as_completed { function() tide.sleep(9) end, tide.future() }
      tide.sleep(0)
      kept2 = tide.as_completed { function() error("not run") end, tide.future() }
      print("end")]])
    assert.same({ "end", 0 }, { text:match("end"), status })
  end)

  it("T25: leaves no garbage behind", function()
    local weak = setmetatable({}, { __mode = "v" })
    tide.task(function()
      local future, value = tide.future(), {}
      local iterate = as_completed { future, sleeper(0, value) }
      weak[1], weak[2], weak[3] = future, value, iterate
      iterate()
    end):await()
    for _ = 1, 3 do collected() end
    assert.is_nil(next(weak))
  end)
end)

describe("as_completed", function()
  it("of many futures takes a step for each", function()
    local futures, n, last = {}, 0, nil
    for i = 1, 20000 do futures[i] = tide.future() end
    tide.loop():call_later(1, function()
      for i = #futures, 1, -1 do futures[i]:set_result(i) end
    end)
    local iterate = as_completed(futures)
    local future = iterate()
    while future do
      n, last = n + 1, future
      future = iterate()
    end
    assert.same({ 20000, 1 }, { n, last:result() })
  end)

  it("is misused at the caller's line, and nothing is made", function()
    local me, spawned = tide.current_task(), tide.stats().spawned
    misuse("#1 to 'tide.as_completed' %(list expected", function() as_completed(print) end)
    misuse("#1 to 'tide.as_completed' %(list expected, got nil", function() as_completed() end)
    misuse("#1 to 'tide.as_completed' %(list expected, got one", function() as_completed(me) end)
    misuse("item 2: Task, Future or function", function() as_completed { print, 1 } end)
    misuse("#2 to 'tide.as_completed' %(table", function() as_completed({ print }, 5) end)
    misuse("unknown option 'seconds'", function() as_completed({ print }, { seconds = 5 }) end)
    misuse("number expected, got NaN", function() as_completed({ print }, { timeout = 0 / 0 }) end)
    misuse("a task cannot await itself", function() as_completed { print, me } end)
    assert.equal(spawned, tide.stats().spawned)
    local iterate = as_completed { tide.future() }
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() iterate() end))
  end)

  it("18: is refused in a task that is among those", function()
    local iterate
    local task = tide.task(function() iterate() end)
    iterate = as_completed { task }
    assert.equal(task, iterate())
    assert.matches("as_completed_spec.lua:%d+: a task cannot await itself", task:exception())
  end)
end)
