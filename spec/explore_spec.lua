local tide = require "tide"
local testing = require "tide.testing"

local pcall, co = tide.pcall, tide.coroutine
local explore = testing.explore

local SEEDS = 20

--- fn(), whose end is counted however it ends. `count` is of one run.
local function guarded(count, fn, ...)
  count.begun = count.begun + 1
  return tide.finally(fn, function()
    tide.sleep(0.01)
    count.ended = count.ended + 1
  end, ...)
end

--- Explores `body(count, log)` with 20 seeds. It always has to clean up exactly
-- once, leave nothing behind, report nothing, and, when it was not cancelled, to
-- return "done" and to have logged `expected`.
local function survives(name, expected, body)
  it(name .. " survives a cancel at every await", function()
    local reports, hits = {}, 0
    tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
    for seed = 1, SEEDS do
      local count, log
      explore(function()
        count, log = { begun = 0, ended = 0 }, {}
        return body(count, log)
      end, function(result)
        local where = ("seed %d, await %d, %s"):format(seed, result.k, result.at)
        local stats = tide.stats()
        for _, what in ipairs { "tasks", "ready", "sleeping", "timers", "wakers", "handles" } do
          assert.equal(0, stats[what], where .. ": " .. what)
        end
        assert.equal(count.begun, count.ended, where)
        for i, entry in ipairs(log) do
          assert.equal(expected[i], entry, where)
        end
        assert.is_nil(tide.current_scope())
        if result.hit then
          hits = hits + 1
        else
          assert.equal("done", result[1], where)
          assert.equal(#expected, #log, where)
        end
      end, { seed = seed })
    end
    tide.loop():set_exception_handler(nil)
    assert.is_true(hits >= 3 * SEEDS, "only " .. hits .. " awaits")
    assert.equal(0, #reports, reports[1] and tostring(reports[1].error))
  end)
end

describe("explore", function()
  it("cancels at each await's entry, when it is parked, and when it is woken", function()
    local places, results = {}, {}
    local runs = explore(function()
      tide.sleep(1)
      tide.next_tick()
      return "end", nil, 3
    end, function(result)
      places[#places + 1] = ("%s %d %s"):format(result.at, result.k, tostring(result.ok))
      results[#results + 1] = { result[1], result[2], result[3] }
      assert.equal(result.ok and 3 or 1, result.n)
      assert.equal(not result.ok, result.hit)
      assert.equal(not result.ok, tide.is_cancelled(result[1]))
    end)
    assert.equal(9, runs)
    assert.same({
      "enter 1 false", "enter 2 false", "enter 3 true", "parked 1 false", "parked 2 false",
      "parked 3 true", "woken 1 false", "woken 2 false", "woken 3 true",
    }, places)
    assert.same({ "end", nil, 3 }, results[9])
  end)

  it("tells entered, parked and woken apart", function()
    local seen = {}
    explore(function()
      local started, aborted, got
      local ok = pcall(function()
        got = tide.park(function(wake)
          started = true
          tide.loop():call_later(1, function() wake("woken") end)
          return function() aborted = true end
        end)
      end)
      if not ok then
        seen[#seen + 1] = started and (aborted and "aborted" or "started") or "not started"
      else
        seen[#seen + 1] = got
      end
      tide.sleep(0)
    end)
    -- at its entry; not (the sleep, then nothing); parked; ...; woken: granted is delivered
    assert.same({ "not started", "woken", "woken", "aborted", "woken", "woken", "woken", "woken",
      "woken" }, seen)
  end)

  it("calls check when all is cleaned up, and counts awaits in shields and cleanups", function()
    local ended, at = {}, {}
    explore(function()
      tide.finally(function()
        tide.shield(tide.sleep, 1)
      end, function()
        tide.sleep(1)
        ended[#ended + 1] = true
      end)
      tide.sleep(1)
    end, function(result)
      at[#at + 1] = result.k
      assert.equal(#at, #ended) -- shielded: every run gets there
      assert.equal(0, tide.stats().tasks)
    end)
    assert.same({ 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 }, at)
  end)

  it("without an await there is one run each, cancelled nowhere", function()
    local hits = 0
    assert.equal(3, explore(function() return 1 end, function(result)
      hits = hits + (result.hit and 1 or 0)
      assert.is_true(result.ok)
    end))
    assert.equal(0, hits)
    assert.equal(3, explore(function() end))
  end)

  it("raises an error of fn that is no cancel, with the number of the await", function()
    local ok, err = pcall(explore, function()
      tide.sleep(1)
      local slept = pcall(tide.sleep, 1)
      assert(slept, "not prepared")
    end)
    assert.is_false(ok)
    assert.matches("await 2", err)
    assert.matches("enter", err)
    assert.matches("not prepared", err)
    ok, err = pcall(explore, function() error("always") end)
    assert.is_false(ok)
    assert.matches("always", err)
  end)

  it("raises an error of check, and is over then: the clock is real again", function()
    local err = {}
    local runs = 0
    local ok, got = pcall(explore, function() tide.sleep(1) end, function()
      runs = runs + 1
      error(err, 0)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
    assert.equal(1, runs)
    local before = tide.loop():time()
    while tide.loop():time() == before do end -- luacheck: ignore 542
  end)

  it("finds a cleanup that is forgotten", function()
    local leaked = {}
    explore(function()
      local open = true
      leaked[#leaked + 1] = function() return open end
      tide.sleep(1)
      open = false
    end)
    local found = 0
    for _, is_open in ipairs(leaked) do
      found = found + (is_open() and 1 or 0)
    end
    assert.same({ 6, 3 }, { #leaked, found })
  end)

  it("is misused at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() explore(5) end)
    assert.is_false(ok)
    assert.matches("explore_spec%.lua:" .. line .. ": .*#1 to 'testing.explore'", err)
    ok, err = pcall(function() explore(print, 5) end)
    assert.is_false(ok)
    assert.matches("explore_spec%.lua:" .. line + 3 .. ": .*#2 to 'testing.explore'", err)
  end)
end)

describe("under explore,", function()
  survives("sleep and next_tick", { 1, 2, 3 }, function(count, log)
    return guarded(count, function()
      log[1] = tide.sleep(1, 1)
      tide.next_tick()
      log[2] = 2
      log[3] = tide.sleep(0, 3)
      return "done"
    end)
  end)

  survives("Task:await", { "child", "parent" }, function(count, log)
    local task = tide.task(guarded, count, function()
      tide.sleep(1)
      log[#log + 1] = "child"
      return "done"
    end)
    local result = task:await()
    log[#log + 1] = "parent"
    assert.is_true(task:done())
    return result
  end)

  survives("an await that is the last cleans up before it raises and", {}, function(count)
    local task = tide.task(guarded, count, tide.sleep, 1)
    local ok, err = pcall(task.await, task)
    -- entered already cancelled it does not touch the task
    assert.is_true(task:done() or task:cancelling() == 0)
    if not ok then
      error(err, 0)
    end
    return "done"
  end)

  survives("wait_for", { "timed out", "done" }, function(count, log)
    local task = tide.task(guarded, count, tide.sleep, 9)
    local ok, err = pcall(tide.wait_for, task, 1)
    if not tide.is(err, tide.TimeoutError) then
      error(err, 0)
    end
    assert.is_false(ok)
    assert.is_true(task:cancelled())
    log[#log + 1] = "timed out"
    log[#log + 1] = tide.wait_for(function()
      return guarded(count, tide.sleep, 1, "done")
    end, 5)
    return log[2]
  end)

  survives("timeout and move_on_after", { "moved on", "timed out" }, function(count, log)
    return tide.timeout(60, function()
      assert.is_false(tide.move_on_after(1, guarded, count, tide.sleep, 5))
      log[#log + 1] = "moved on"
      local _, err = pcall(tide.timeout, 1, guarded, count, tide.sleep, 5)
      if not tide.is(err, tide.TimeoutError) then
        error(err, 0)
      end
      log[#log + 1] = "timed out"
      return "done"
    end)
  end)

  survives("scope", { "cancelled" }, function(count, log)
    local ok, reason = tide.scope(function(s)
      return guarded(count, function()
        local canceller = tide.task(function()
          tide.sleep(1)
          s:cancel("cancelled")
        end)
        tide.finally(function() tide.sleep(5) end, function() canceller:cancel() end)
      end)
    end)
    assert.is_false(ok)
    log[#log + 1] = reason
    tide.sleep(0)
    return "done"
  end)

  survives("shield of a function", { 1, 2 }, function(count, log)
    tide.shield(function()
      count.begun = count.begun + 1
      log[1] = tide.sleep(1, 1)
      tide.next_tick()
      log[2] = tide.task(tide.sleep, 1, 2):await()
      count.ended = count.ended + 1
    end)
    tide.sleep(0)
    return "done"
  end)

  survives("shield of a Task", { "went on", "shielded" }, function(count, log)
    local task = tide.task(guarded, count, function()
      tide.sleep(1)
      log[#log + 1] = "went on"
      return "shielded"
    end)
    local ok, result = pcall(tide.shield, task)
    if not ok then
      tide.shield(function() task:await() end)
      assert.equal(0, task:cancelling())
      assert.equal("shielded", task:result())
      error(result, 0)
    end
    log[#log + 1] = result
    return "done"
  end)

  survives("finally", { "inner", "outer" }, function(count, log)
    local function step(name)
      return function()
        tide.sleep(1)
        tide.next_tick()
        log[#log + 1] = name
        count.ended = count.ended + 1
      end
    end
    count.begun = 2
    return tide.finally(function()
      return tide.finally(function() return tide.sleep(1, "done") end, step "inner")
    end, step "outer")
  end)

  survives("park without abort", { "woken" }, function(count, log)
    return guarded(count, function()
      local handle
      return tide.finally(function()
        log[1] = tide.park(function(wake)
          handle = tide.loop():call_later(1, function() wake("woken") end)
        end)
        tide.sleep(0)
        return "done"
      end, function() return handle and handle:cancel() end)
    end)
  end)

  for _, abortable in ipairs { true, false } do
    survives("park with an abort that " .. (abortable and "succeeds" or "fails"), { "woken" },
      function(count, log)
        local aborts, woken, handle = 0, nil, nil
        local function park()
          return tide.park(function(wake)
            count.begun = count.begun + 1
            handle = tide.loop():call_later(1, function()
              woken = wake("woken")
              count.ended = count.ended + 1
            end)
            return function()
              aborts = aborts + 1
              if not abortable then
                return false
              end
              handle:cancel()
              count.ended = count.ended + 1
            end
          end)
        end
        local ok, result = pcall(park)
        assert.is_true(aborts <= 1)
        if not ok then
          assert.is_true(count.begun == 0 or (abortable and aborts == 1), "aborted without abort")
          error(result, 0)
        end
        assert.is_true(woken)
        log[1] = result
        tide.sleep(0)
        return "done"
      end)
  end

  survives("a hand-over through park", {}, function(count)
    local given, taken, wake = 0, 0, nil
    local producer = tide.task(function()
      for _ = 1, 3 do
        tide.sleep(1)
        if wake and wake("item") then
          given = given + 1
        end
      end
    end)
    count.begun = 1
    return tide.finally(function()
      for _ = 1, 3 do
        assert.equal("item", tide.park(function(w)
          wake = w
          return function() end
        end))
        taken = taken + 1
      end
      producer:await()
      return "done"
    end, function()
      producer:cancel()
      pcall(producer.await, producer)
      assert.equal(given, taken) -- what was given was delivered
      count.ended = 1
    end)
  end)

  survives("coroutine.wrap and resume", { 1, 2, 3, 4 }, function(count, log)
    local step = co.wrap(function()
      return guarded(count, function()
        for i = 1, 3 do
          tide.sleep(0.1)
          co.yield(i)
        end
        return tide.sleep(0.1, 4)
      end)
    end)
    for _ = 1, 4 do
      local ok, value = pcall(step)
      if not ok then
        error(value, 0)
      end
      log[#log + 1] = value
      -- shielded: a generator that nobody ends would keep its cleanup waiting
      tide.shield(tide.sleep, 0.1)
      if tide.current_task():cancelling() > 0 and value < 4 then
        repeat
          ok, value = pcall(step)
        until not ok or value == 4
        break
      end
    end
    tide.sleep(0)
    return "done"
  end)

  survives("an await in a coroutine in a coroutine", { "inner", "outer" }, function(count, log)
    local c = co.create(function()
      local inner = co.create(function()
        return guarded(count, tide.timeout, 9, tide.sleep, 1, "inner")
      end)
      local ok, value = co.resume(inner)
      if not ok then
        error(value, 0)
      end
      log[#log + 1] = value
      tide.sleep(1)
      return "outer"
    end)
    local ok, value = co.resume(c)
    if not ok then
      error(value, 0)
    end
    assert.equal("dead", co.status(c))
    log[#log + 1] = value
    tide.next_tick()
    return "done"
  end)

  survives("wait_all_tasks_blocked", { 1, 2, "blocked" }, function(count, log)
    local task = tide.task(guarded, count, function()
      tide.sleep(0)
      log[#log + 1] = 1
      tide.sleep(0)
      log[#log + 1] = 2
      tide.sleep(9)
    end)
    testing.wait_all_tasks_blocked()
    log[#log + 1] = "blocked"
    task:cancel()
    pcall(task.await, task)
    tide.sleep(0)
    return "done"
  end)

  survives("a cancel that is swallowed once, which comes again,", { "end" }, function(count, log)
    count.begun, count.ended = 1, 1
    local swallowed = 0
    for _ = 1, 3 do
      swallowed = swallowed + (pcall(tide.sleep, 1) and 0 or 1)
    end
    assert.equal(swallowed > 0, tide.current_task():cancelling() > 0)
    if swallowed == 0 then
      log[1] = "end"
    end
    tide.sleep(0)
    assert.equal(0, swallowed)
    return "done"
  end)
end)
