local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, misuse, pack, raises = support.elapsed, support.misuse, support.pack, support.raises
local sleeper, failer, cleaner = support.sleeper, support.failer, support.cleaner

local pcall, sleep, race = tide.pcall, tide.sleep, tide.race

describe("race", function()
  it("gives all results of the first to end, when the others have cleaned up", function()
    local log = {}
    assert.equal(5, elapsed(function()
      assert.same(pack("won", nil, 3, nil), pack(race(cleaner(3, log, "long"),
        sleeper(2, "won", nil, 3, nil), cleaner(1, log, "short"))))
    end))
    assert.same({ "short", "long" }, log)
    assert.same(pack(), pack(race(sleeper(9), function() end)))
    assert.same(pack("only"), pack(race { sleeper(1, "only") }))
  end)

  it("raises the error of the first to end, unchanged", function()
    local err, log = {}, {}
    assert.same(pack(false, err), pack(pcall(race, { cleaner(1, log, 1), failer(2, err) })))
    assert.same({ 1 }, log)
    local gone = tide.future()
    gone:cancel("gone")
    assert.equal("gone", raises(tide.CancelledError, race, sleeper(9), gone).reason)
    sleep(0)
    assert.equal(0, tide.current_task():cancelling())
  end)

  it("takes Tasks, Futures and callables, with one that has ended at once", function()
    local done, future, log = tide.task(sleeper(0, "done")), tide.future(), {}
    tide.loop():call_later(1, function() future:set_result("set", 2) end)
    assert.same(pack("set", 2), pack(race(future, sleeper(5), setmetatable({}, {
      __call = sleeper(9) }))))
    done:await()
    assert.equal("done", race(cleaner(1, log, "cleaned"), done, future))
    assert.same({ "cleaned" }, log)
    assert.same(pack("done"), pack(race(done, done)))
  end)

  it("of two in the same turn the one that came first wins", function()
    local a, b = tide.future(), tide.future()
    tide.loop():call_later(1, function() b:set_result("b") a:set_result("a") end)
    assert.equal("b", race(a, b))
    assert.is_true(a:cancelled())
    -- both are there already: the first of the list
    local c, d = tide.future(), tide.future()
    d:set_result("d")
    c:set_exception("c")
    local reports = support.reports(function() assert.equal("d", race(d, c)) end)
    assert.equal("c", c:exception())
    assert.equal(c, reports[1].task)
  end)

  it("errors of the losers go to the exception handler at once", function()
    local reports = support.reports(function(reports)
      assert.equal("won", race(sleeper(1, "won"), cleaner(1, {}, 1, "lost"), cleaner(2, {}, 2)))
      assert.equal(1, #reports)
    end)
    assert.equal(1, #reports)
    assert.equal("lost", reports[1].error)
  end)

  it("leaves losers that others await", function()
    local shared = tide.task(sleep, 5, "shared")
    local other = tide.task(function() return shared:await() end)
    sleep(0)
    assert.equal(1, elapsed(function() assert.equal("won", race(shared, sleeper(1, "won"))) end))
    assert.equal("shared", other:await())
  end)

  it("cancelled itself cancels and awaits all, then raises", function()
    local log, future = {}, tide.future()
    assert.equal(3, elapsed(function()
      assert.is_false(tide.move_on_after(1, race, cleaner(2, log, "cleaned"), sleeper(9), future))
    end))
    assert.same({ "cleaned" }, log)
    assert.is_true(future:cancelled())
  end)

  it("cancelled when it was won gives the result, and the next await raises", function()
    for _, cleanup in ipairs { 0, 2 } do -- in the same turn, and while the loser cleans up
      local future = tide.future()
      local task = tide.task(function()
        local result = race(future, cleanup > 0 and cleaner(cleanup, {}, 1) or future)
        raises(tide.CancelledError, sleep, 0)
        return result
      end)
      sleep(1)
      future:set_result("won")
      if cleanup > 0 then sleep(1) end
      task:cancel()
      assert.equal("won", task:await())
    end
  end)

  it("entered cancelled it raises and makes no task", function()
    local spawned, done = tide.stats().spawned, tide.future()
    done:set_result("set")
    assert.is_false(tide.scope(function(s) s:cancel() race(done, print) end))
    assert.equal(spawned, tide.stats().spawned)
  end)

  it("62, T19: with one that has ended keeps its turn, but is a cancel point", function()
    local order, done = {}, tide.future()
    done:set_result("set")
    tide.task(function() order[#order + 1] = "other" end)
    race(done)
    order[#order + 1] = "raced"
    sleep(0)
    assert.same({ "raced", "other" }, order)
  end)

  it("nested, the loser's race cancels what runs in it", function()
    local log = {}
    assert.equal("outer", race(sleeper(1, "outer"), function()
      return race(cleaner(1, log, "inner"), function()
        return tide.gather(cleaner(2, log, "innermost"), sleeper(9))
      end)
    end))
    assert.same({ "inner", "innermost" }, log)
  end)

  it("with one that awaits the racer does not hang", function()
    local racer, awaiter
    awaiter = tide.task(function() return racer:await() end)
    racer = tide.task(function()
      sleep(1)
      return race(tide.task(sleeper(0, "won")), awaiter)
    end)
    assert.equal(1, elapsed(function() tide.wait { racer, awaiter } end))
    raises(tide.CancelledError, awaiter.await, awaiter)
  end)

  it("works in the main program", { task = false }, function()
    assert.equal("won", race(sleeper(5), sleeper(0.001, "won")))
    raises(tide.DeadlockError, race, tide.future())
  end)

  it("of nothing is an error; it is misused at the caller's line", function()
    local me, spawned = tide.current_task(), tide.stats().spawned
    misuse("#1 to 'tide.race' %(nothing to race", function() race() end)
    misuse("#1 to 'tide.race' %(nothing to race", function() race {} end)
    misuse("#1 to 'tide.race' %(nothing to race", function() race { n = 0, print } end)
    for _, bad in ipairs { 1, "x", true, tide.event() } do
      misuse("#1 to 'tide.race' %(Task, Future or function", function() race(bad) end)
      misuse("#1 to 'tide.race' %(item 2: Task, Fut", function() race { print, bad } end)
      misuse("#2 to 'tide.race'", function() race(print, bad) end)
      misuse("#2 to 'tide.race' %(table expected", function() race({ print }, bad) end)
    end
    misuse("#2 to 'tide.race' %(unknown option 'pa", function() race({ print }, { pack = 1 }) end)
    misuse("#2 to 'tide.race' %(table expected", function() race({ print }, print) end)
    misuse("#1 to 'tide.race' %(n: whole number", function() race { n = "x" } end)
    misuse("a task cannot await itself", function() race(print, me) end)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() race(print) end))
    assert.equal(spawned, tide.stats().spawned)
  end)
end)
