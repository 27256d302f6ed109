-- gather, race, wait, as_completed and futures, with a cancel at every await.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local explore, pcall, sleep = testing.explore, tide.pcall, tide.sleep

--- A task that fails of itself only, and counts how it ends. It needs a while to
-- clean up.
local function child(run, seconds, value, err)
  return function()
    run.begun = run.begun + 1
    return tide.finally(function()
      sleep(seconds)
      if err then error(err, 0) end
      return value
    end, function()
      sleep(0.25)
      run.ended = run.ended + 1
    end)
  end
end

--- What was begun has ended when the awaiting call returns or raises.
local function settled(run, fn, ...)
  local results = support.pack(pcall(fn, ...))
  assert(run.begun == run.ended, "did not wait for what it cancelled")
  if not results[1] then error(results[2], 0) end
  return (table.unpack or unpack)(results, 2, results.n)
end

local function left()
  local stats = tide.stats()
  for _, what in ipairs { "tasks", "ready", "sleeping", "timers", "wakers", "handles" } do
    if stats[what] ~= 0 then return what .. " are left" end
  end
end

--- Explores body(run) with all seeds, or with few where each run fails unseen: it
-- ends with a full collection. All that was begun has ended, nothing is
-- left, errors that nobody saw are only `reported`. Without a cancel it returns
-- "done".
local function explored(title, body, reported)
  it(title, function()
    local reports, hits = {}, 0
    tide.loop():set_exception_handler(function(report)
      if report.error ~= reported then reports[#reports + 1] = report end
    end)
    for seed = 1, reported and support.few_seeds(40) or support.seeds() do
      local run
      explore(function()
        run = { begun = 0, ended = 0 }
        return body(run)
      end, function(result)
        local what = run.begun ~= run.ended and "not all have ended" or left()
          or not result.hit and result[1] ~= "done" and "not done"
        assert(not what, ("seed %d, await %d, %s: %s"):format(seed, result.k, result.at,
          tostring(what)))
        hits = hits + (result.hit and 1 or 0)
      end, { seed = seed })
    end
    collectgarbage()
    sleep(0)
    tide.loop():set_exception_handler(nil)
    assert.is_true(hits > 0)
    assert.equal(0, #reports, reports[1] and tostring(reports[1].error))
  end)
end

--- A task of fn that somebody cancels after so many seconds.
local function doomed(seconds, fn, ...)
  local task = tide.task(fn, ...)
  tide.task(function()
    sleep(seconds)
    task:cancel()
  end)
  return task
end

--- Waits for the end of a task, whatever it is.
local function join(task)
  return tide.shield(pcall, task.await, task)
end

describe("under explore,", function()
  explored("42: gather", function(run)
    local a, b = settled(run, tide.gather, child(run, 1, "a"), child(run, 2, "b"))
    assert.same({ "a", "b" }, { a, b })
    assert.same({ n = 1, "c" }, settled(run, tide.gather, { child(run, 0, "c") }))
    return "done"
  end)

  explored("43: gather with an error, and others that clean up", function(run)
    local ok, err = pcall(settled, run, tide.gather, child(run, 9), child(run, 1, nil, "bad"),
      child(run, 1, nil, "bad"))
    assert.is_false(ok)
    if err ~= "bad" then error(err, 0) end
    sleep(0)
    return "done"
  end, "bad")

  explored("44: gather with return_exceptions", function(run)
    local gone = tide.future()
    gone:cancel()
    local results, errors = settled(run, tide.gather, { child(run, 1, "a"),
      child(run, 0, nil, "bad"), gone }, { return_exceptions = true })
    assert.same({ "a", "bad" }, { results[1], errors[2] })
    assert.is_true(tide.is_cancelled(errors[3]))
    return "done"
  end, "bad")

  explored("gather of tasks that others await", function(run)
    local shared = tide.task(child(run, 3, "shared"))
    local other = tide.task(function() return shared:await() end)
    local ok, err = pcall(tide.gather, shared, child(run, 1), shared)
    sleep(0)
    if not ok then error(err, 0) end
    assert.equal("shared", other:await())
    return "done"
  end)

  explored("gather of tasks whose other awaiter is cancelled", function(run)
    local shared = tide.task(child(run, 3, "shared"))
    doomed(1, function() return shared:await() end)
    doomed(2, tide.gather, shared)
    assert.equal("shared", (tide.gather(shared)))
    return "done"
  end)

  explored("a task that is cancelled while it is gathered, and gathers", function(run)
    local inner = doomed(1, tide.gather, child(run, 9), child(run, 8))
    local ok, err = pcall(tide.gather, inner, child(run, 7))
    assert.is_false(ok)
    assert.is_true(tide.is_cancelled(err))
    sleep(0)
    return "done"
  end)

  explored("nested gather and race", function(run)
    local a, b = settled(run, tide.gather, function()
      return tide.race(child(run, 1, "a"), child(run, 9), function()
        return tide.gather(child(run, 8), child(run, 7))
      end)
    end, child(run, 2, "b"))
    assert.same({ "a", "b" }, { a, b })
    return "done"
  end)

  explored("race", function(run)
    assert.equal("a", settled(run, tide.race, child(run, 1, "a"), child(run, 2), child(run, 9)))
    return "done"
  end)

  explored("gather and race of futures that others set and cancel", function()
    local a, b, c = tide.future(), tide.future(), tide.future()
    local callbacks = 0
    for _, future in ipairs { a, b, c } do
      future:add_done_callback(function() callbacks = callbacks + 1 end)
    end
    local setter = tide.task(function()
      for i, future in ipairs { a, b, c } do
        sleep(1)
        future:set_result(i)
      end
      sleep(0)
      sleep(0)
    end)
    return tide.finally(function()
      assert.equal(1, tide.race(a, a))
      assert.same({ 1, 2 }, { tide.gather(a, b) })
      assert.equal(3, c:await())
      return "done"
    end, function()
      join(setter)
      sleep(0)
      assert.equal(3, callbacks)
    end)
  end)

  explored("32: a chain of gathers and futures", function(run)
    local future = tide.future()
    local last = tide.task(tide.gather, future, child(run, 2))
    for _ = 1, 3 do
      last = tide.task(tide.gather, last)
    end
    local setter = tide.loop():call_later(1, function() future:set_result("set") end)
    return tide.finally(function()
      assert.equal("set", (tide.gather(last)))
      return "done"
    end, function() setter:cancel() end)
  end)

  for _, when in ipairs { "all_completed", "first_completed", "first_exception" } do
    explored("40: wait for " .. when, function(run)
      local tasks = { tide.task(child(run, 1)), tide.task(child(run, 2)), tide.future() }
      local setter = tide.loop():call_later(3, function() tasks[3]:set_result() end)
      return tide.finally(function()
        local done, pending = tide.wait(tasks, { return_when = when })
        assert.same({ when == "first_completed" and 1 or 3, 3 }, { #done, #done + #pending })
        tide.wait(tasks, { timeout = 0.5 })
        tide.wait { tasks[1] }
        return "done"
      end, function()
        for i = 1, 2 do assert.equal(0, tasks[i]:cancelling()) end
        tide.wait { tasks[1], tasks[2] }
        setter:cancel()
        assert.is_false(tasks[3]:cancelled())
      end)
    end)
  end

  explored("41: as_completed", function(run)
    local shared = tide.task(child(run, 1.5, "shared"))
    local iterate = tide.as_completed { child(run, 2, 2), child(run, 1, 1), shared,
      child(run, 0, 0) }
    local got = {}
    for i = 1, 4 do got[i] = iterate():result() end
    assert.same({ 0, 1, "shared", 2 }, got)
    assert.is_nil(iterate())
    return "done"
  end)

  explored("41: as_completed with a timeout, and dropped", function(run)
    local iterate = tide.as_completed({ child(run, 1, 1), child(run, 9) }, { timeout = 2 })
    assert.equal(1, iterate():result())
    local ok, err = pcall(iterate)
    assert.is_false(ok)
    if not tide.is(err, tide.TimeoutError) then error(err, 0) end
    assert.is_nil(iterate())
    sleep(1)
    return "done"
  end)

  explored("86: as_completed gives each that has ended, or ends cancelled", function(run)
    local iterate = tide.as_completed { child(run, 1), child(run, 1), child(run, 2) }
    local seen, n = {}, 0
    local ok, err
    repeat
      local item
      ok, err = pcall(iterate)
      if not ok then
        item = tide.shield(iterate) -- the rest, after a cancel
      else
        item = err
      end
      if item then
        assert.is_nil(seen[item])
        assert.is_true(item:done())
        seen[item], n = true, n + 1
      end
    until not item
    assert.equal(3, n)
    sleep(0)
    return "done"
  end)

  explored("131, 135: wait_for of a future", function()
    local slow, soon = tide.future(), tide.future()
    local setter = tide.loop():call_later(1, function() soon:set_result("soon") end)
    return tide.finally(function()
      assert.equal("soon", tide.wait_for(soon, 2))
      local ok, err = pcall(tide.wait_for, slow, 1)
      assert.is_false(ok)
      if not tide.is(err, tide.TimeoutError) then error(err, 0) end
      assert.is_true(slow:cancelled())
      sleep(0)
      return "done"
    end, function() setter:cancel() end)
  end)

  explored("52: shield of a future, and of a gather", function(run)
    local future, task = tide.future(), tide.task(tide.gather, child(run, 1, "a"))
    local setter = tide.loop():call_later(2, function() future:set_result("set") end)
    return tide.finally(function()
      assert.equal("a", tide.shield(task))
      assert.equal("set", tide.shield(future))
      return "done"
    end, function()
      assert.same({ 0, false }, { task:cancelling(), future:cancelled() })
      join(task)
      setter:cancel()
    end)
  end)

  explored("tasks that gather each other, and one that is cancelled", function(run)
    local a, b
    a = tide.task(function() sleep(0) return tide.gather(b, child(run, 3)) end)
    b = tide.task(function() sleep(0) return tide.race(a, tide.future()) end)
    local ok, err = pcall(tide.gather, doomed(1, tide.gather, a), a)
    assert.is_false(ok)
    assert.is_true(tide.is_cancelled(err))
    a:cancel()
    b:cancel()
    sleep(0)
    join(a)
    join(b)
    return "done"
  end)
end)
