local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, misuse, pack, raises = support.elapsed, support.misuse, support.pack, support.raises
local sleeper, failer, cleaner = support.sleeper, support.failer, support.cleaner

local run, pcall, sleep, gather = testing.run, tide.pcall, tide.sleep, tide.gather

--- A task of gather(...), which is cancelled after so many seconds, with "why".
local function cancelled_at(seconds, ...)
  local task = tide.task(gather, ...)
  tide.loop():call_later(seconds, function() task:cancel("why") end)
  return task
end

local function set(...)
  local future = tide.future()
  future:set_result(...)
  return future
end

describe("gather(f, ...)", function()
  it("42: gives the first result of each, in the order of the arguments", function()
    local future = tide.future()
    tide.loop():call_later(2, function() future:set_result("future", 2) end)
    local callable = setmetatable({}, { __call = function() return sleep(1, "callable") end })
    assert.equal(3, elapsed(function()
      assert.same(pack(3, nil, nil, "task", "future", "callable", false),
        pack(gather(sleeper(3, 3, 4), sleeper(1, nil, 5), function() end,
          tide.task(sleeper(0, "task")), future, callable, sleeper(0, false))))
    end))
  end)

  it("46: of nothing gives nothing, at once; it is a cancel point", function()
    local order = {}
    tide.task(function() order[#order + 1] = "other" end)
    assert.same(pack(), pack(gather()))
    order[#order + 1] = "gathered"
    sleep(0)
    assert.same({ "gathered", "other" }, order)
    assert.is_false(tide.scope(function(s) s:cancel() gather() end))
  end)

  it("calls functions with nothing, a C function and one of ours, too", function()
    local n
    assert.same(pack(nil, nil), pack(gather(function(...) n = select("#", ...) end,
      tide.next_tick)))
    assert.equal(0, n)
    assert.equal("number", type((gather(os.time))))
  end)

  it("45: awaits a Task that is there twice once, and runs a function twice", function()
    local calls = 0
    local function count() calls = calls + 1 return sleep(1, calls) end
    local task = tide.task(count)
    assert.same({ 1, 1, 1 }, { gather(task, task, task) })
    assert.same({ 2, 3 }, { gather(count, count) })
    local future = tide.future()
    tide.loop():call_later(1, function() future:set_result("f") end)
    assert.same({ "f", "f" }, { gather(future, future) })
  end)

  it("62, T19: of what has ended keeps its turn, but is a cancel point", function()
    local order, done = {}, tide.task(math.max, 1, 2)
    done:await()
    tide.task(function() order[#order + 1] = "other" end)
    assert.same({ 2, "set" }, { gather(done, set("set")) })
    order[#order + 1] = "gathered"
    sleep(0)
    assert.same({ "gathered", "other" }, order)
    assert.is_false(tide.scope(function(s) s:cancel() gather(done) end))
  end)

  it("entered cancelled it raises and makes no task", function()
    local called, spawned = false, tide.stats().spawned
    local other = tide.future()
    assert.is_false(tide.scope(function(s)
      s:cancel()
      gather(other, function() called = true end)
    end))
    sleep(1)
    assert.equal(spawned, tide.stats().spawned)
    assert.same({ false, false }, { called, other:done() })
  end)

  it("works in the main program, and there a deadlock is told", { task = false }, function()
    assert.same({ 1, 2 }, { gather(sleeper(0.001, 1), sleeper(0, 2)) })
    local future = tide.future()
    raises(tide.DeadlockError, gather, future, future)
    assert.is_false(future:done())
  end)

  it("awaits in a tide.coroutine; in a callback and elsewhere it makes no task", function()
    assert.equal(5, tide.coroutine.wrap(function() return (gather(sleeper(1, 5))) end)())
    local spawned, err = tide.stats().spawned, nil
    tide.loop():call_soon(function() err = select(2, pcall(function() gather(print) end)) end)
    sleep(0)
    assert.matches("gather_spec.lua:%d+: 'tide.gather' cannot wait in a callback", err)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() gather(print) end))
    assert.matches("cannot wait inside the C function 'table.sort'", select(2, pcall(table.sort,
      { 1, 2 }, function() gather(print) end)))
    assert.equal(spawned, tide.stats().spawned)
  end)
end)

describe("gather(list)", function()
  it("42: gives a list with n, which may have holes", function()
    assert.same({ n = 3, 1, nil, "c" }, gather { sleeper(2, 1), function() end, sleeper(0, "c") })
    assert.same({ n = 2, "a", "b" }, gather { n = 2, sleeper(0, "a"), sleeper(0, "b"), "ignored" })
    assert.same(pack({ n = 0 }), pack(gather {}))
    assert.same({ n = 0 }, gather { n = 0, print })
  end)

  it("pack: gives all results of each, packed", function()
    assert.same({ n = 4, { n = 3, 1, nil, nil }, { n = 0 }, { n = 1, "one" }, { n = 2, 2, 3 } },
      gather({ sleeper(1, 1, nil, nil), function() end, set("one"), tide.task(sleeper(0, 2, 3)) },
        { pack = true }))
    assert.same({ n = 0 }, gather({}, { pack = true }))
  end)

  it("44: return_exceptions gives results and errors, cancellations too, with n", function()
    local err = {}
    local gone = tide.task(sleep, 9)
    local future = tide.future()
    tide.loop():call_later(1, function() gone:cancel("gone") future:cancel("set") end)
    local results, errors
    assert.equal(3, elapsed(function()
      results, errors = gather({ failer(2, err), sleeper(3, "late", 2), gone, future,
        failer(0, nil), function() end }, { return_exceptions = true })
    end))
    assert.same({ n = 6, [2] = "late" }, results)
    assert.equal(6, errors.n)
    assert.equal(err, errors[1])
    assert.equal("gone", errors[3].reason)
    assert.equal("set", errors[4].reason)
    assert.equal("<no error object>", errors[5])
    assert.is_nil(errors[2] or errors[6])
    results, errors = gather({ failer(0, 1), sleeper(0, 2, 3) },
      { return_exceptions = true, pack = true })
    assert.same({ { n = 2, [2] = { n = 2, 2, 3 } }, { n = 2, 1 } }, { results, errors })
    assert.same(pack({ n = 0 }, { n = 0 }), pack(gather({}, { return_exceptions = true })))
  end)

  it("goes by what the list held when it was called", function()
    local list = { sleeper(1, "a"), sleeper(1, "b") }
    tide.loop():call_soon(function() list[1], list[2], list.n = nil, print, 7 end)
    assert.same({ n = 2, "a", "b" }, gather(list))
    local kept = { sleeper(1, "a") }
    gather(kept)
    assert.equal("function", type(kept[1]))
  end)
end)

describe("an error in gather", function()
  it("43: cancels the others, awaits them and is raised unchanged", function()
    local log, err = {}, {}
    assert.equal(4, elapsed(function()
      assert.same(pack(false, err), pack(pcall(gather, cleaner(1, log, "short"), failer(2, err),
        cleaner(2, log, "long"), sleeper(1, "done"))))
    end))
    assert.same({ "short", "long" }, log)
    assert.same(pack(false, "list"), pack(pcall(gather, { failer(0, "list"), sleeper(9) })))
    assert.same(pack(false, "<no error object>"), pack(pcall(gather, failer(0, nil))))
  end)

  it("43: further ones go to the exception handler at once, each once", function()
    local reports = support.reports(function(reports)
      assert.same(pack(false, "first"), pack(pcall(gather, failer(1, "first"),
        cleaner(1, {}, 1, "second"), cleaner(2, {}, 2, "third"), cleaner(3, {}, 3))))
      assert.equal(2, #reports)
    end)
    assert.equal(2, #reports)
    assert.same({ "second", "third" }, { reports[1].error, reports[2].error })
    assert.matches("^task%-%d+ failed and nobody awaited it$", reports[1].message)
    assert.equal("second", reports[1].task:exception())
  end)

  it("the error of a Task that is there twice is raised, and not reported, too", function()
    for _, several in ipairs { gather, tide.race } do
      local reports = support.reports(function()
        local task = tide.task(failer(1, "once"))
        assert.same(pack(false, "once"), pack(pcall(several, task, task)))
      end)
      assert.equal(0, #reports)
    end
  end)

  it("of two in the same turn the one that came first wins", function()
    local reports = support.reports(function()
      local a, b = tide.future(), tide.future()
      tide.loop():call_later(1, function() b:set_exception("b") a:set_exception("a") end)
      assert.same(pack(false, "b"), pack(pcall(gather, a, b)))
      assert.is_true(a:cancelled())
    end)
    assert.equal(0, #reports)
  end)

  it("that was there before cancels what is made of the functions", function()
    local failed, log = tide.task(error, "failed", 0), {}
    pcall(failed.await, failed)
    assert.same(pack(false, "failed"), pack(pcall(gather, cleaner(1, log, 1), failed,
      function() log[#log + 1] = "runs to its first await" sleep(1) log[#log + 1] = "no" end)))
    assert.same({ "runs to its first await", 1 }, log)
  end)

  it("50: a cancelled one raises CancelledError, the gatherer is not cancelled", function()
    local gone, log = tide.task(sleep, 9), {}
    tide.loop():call_later(1, function() gone:cancel("gone") end)
    assert.equal("gone", raises(tide.CancelledError, gather, gone, cleaner(1, log, 1)).reason)
    assert.same({ 1 }, log)
    sleep(0)
    assert.equal(0, tide.current_task():cancelling())
    local future = tide.future()
    future:cancel("set")
    assert.equal("set", raises(tide.CancelledError, gather, future, sleeper(9)).reason)
    -- nor does a scope around it take that for its own
    raises(tide.CancelledError, tide.move_on_after, 5, gather, future)
  end)

  it("leaves those that others await, and cancels those that are only watched", function()
    local shared, watched = tide.task(sleep, 5, "shared"), tide.task(sleep, 5)
    local other = tide.task(function() return shared:await() end)
    local watcher = tide.task(function() return pcall(tide.shield, watched) end)
    watched:add_done_callback(function() end)
    sleep(0)
    assert.equal(1, elapsed(function()
      assert.same(pack(false, "bad"), pack(pcall(gather, shared, watched, failer(1, "bad"))))
    end))
    assert.same({ 0, true }, { shared:cancelling(), watched:cancelled() })
    assert.equal("shared", other:await())
    assert.is_false((watcher:await()))
  end)

  it("in a gather that another gathers with is left until both give up", function()
    local shared = tide.task(sleep, 9)
    local a = tide.task(gather, shared, failer(1, "a"))
    local b = tide.task(gather, shared, failer(2, "b"))
    assert.same(pack(false, "a"), pack(pcall(a.await, a)))
    assert.equal(0, shared:cancelling())
    assert.same(pack(false, "b"), pack(pcall(b.await, b)))
    assert.same({ 1, true }, { shared:cancelling(), shared:cancelled() })
  end)
end)

describe("a gather that is cancelled", function()
  for _, options in ipairs { {}, { return_exceptions = true } } do
    local how = options.return_exceptions and " (return_exceptions)" or ""

    it("cancels all and awaits them, then raises" .. how, function()
      local log, future = {}, tide.future()
      local task = cancelled_at(1, { cleaner(1, log, "short"), cleaner(3, log, "long"), future,
        sleeper(0, "done") }, options)
      assert.equal(4, elapsed(function()
        assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
      end))
      assert.same({ "short", "long" }, log)
      assert.is_true(future:cancelled())
      assert.is_true(task:cancelled())
    end)

    it("leaves at once those that others await" .. how, function()
      local shared = tide.task(sleep, 5, "shared")
      local other = tide.task(function() return shared:await() end)
      local task = cancelled_at(1, { shared, shared }, options)
      assert.equal(1, elapsed(raises, tide.CancelledError, task.await, task))
      assert.equal("shared", other:await())
    end)

    it("raises even if they end well in spite of it" .. how, function()
      local stubborn = tide.task(function() pcall(sleep, 9) return "value" end)
      local task = cancelled_at(1, { stubborn }, options)
      raises(tide.CancelledError, task.await, task)
      assert.equal("value", stubborn:result())
    end)

    it("48: when all had ended gives the results, and the next await raises" .. how, function()
      local task = tide.task(function()
        local results = gather({ sleeper(1, "value"), sleeper(1) }, options)
        raises(tide.CancelledError, sleep, 0)
        return results[1]
      end)
      tide.task(function() sleep(1) sleep(0) sleep(0) task:cancel() end)
      assert.equal("value", task:await())
    end)
  end

  it("while it stays because of an error raises that", function()
    local log = {}
    local task = cancelled_at(2, failer(1, "first"), cleaner(3, log, "cleaned"))
    assert.equal(4, elapsed(function()
      assert.same(pack(false, "first"), pack(pcall(task.await, task)))
    end))
    assert.same({ "cleaned" }, log)
  end)

  it("is cancelled, whatever they fail with; their errors are reported", function()
    local reports = support.reports(function()
      local task = cancelled_at(1, cleaner(1, {}, 1, "one"), cleaner(2, {}, 2, "two"))
      assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
      assert.is_true(task:cancelled())
    end)
    local errors = {}
    for i, report in ipairs(reports) do errors[i] = report.error end
    table.sort(errors)
    assert.same({ "one", "two" }, errors)
  end)

  it("by a deadline raises TimeoutError when they have ended", function()
    local log = {}
    assert.equal(3, elapsed(raises, tide.TimeoutError, tide.timeout, 1, gather,
      cleaner(2, log, "cleaned")))
    assert.same({ "cleaned" }, log)
    assert.is_false(tide.move_on_after(1, gather, { sleeper(5) }))
  end)

  it("52: shielded goes on; a gather of shields leaves what they wait for", function()
    local task, inner = tide.task(gather, sleeper(3, "a")), tide.task(sleep, 5, "inner")
    assert.is_false(tide.move_on_after(1, tide.shield, task))
    assert.is_false(tide.move_on_after(1, gather, function() return tide.shield(inner) end))
    assert.same({ "a", "inner" }, { task:await(), inner:await() })
  end)
end)

describe("gather", function()
  it("32: nests 5^4, and a hundred deep, with a cancel too", function()
    local function tree(depth)
      if depth == 0 then return sleep(0, 1) end
      local function branch() return tree(depth - 1) end
      local a, b, c, d, e = gather(branch, branch, branch, branch, branch)
      return a + b + c + d + e
    end
    assert.equal(625, tree(4))
    local function chain(depth, last)
      if depth == 0 then return last() end
      return (gather(function() return chain(depth - 1, last) end))
    end
    assert.equal("deep", chain(100, sleeper(1, "deep")))
    assert.same(pack(false, "bad"), pack(pcall(chain, 100, failer(1, "bad"))))
    assert.is_false(tide.move_on_after(1, chain, 100, sleeper(9)))
  end)

  it("is refused on the task itself, and nothing is made", function()
    local me, spawned = tide.current_task(), tide.stats().spawned
    misuse("a task cannot await itself", function() gather(print, me) end) -- 18
    misuse("a task cannot await itself", function() gather { print, me } end)
    assert.equal(spawned, tide.stats().spawned)
  end)

  it("of tasks that gather each other ends by one cancel", function()
    local a, b
    a = tide.task(function() sleep(0) return gather(b) end)
    b = tide.task(function() sleep(0) return gather(a) end)
    sleep(1)
    a:cancel("why")
    assert.equal(0, elapsed(function()
      assert.equal("why", raises(tide.CancelledError, a.await, a).reason)
      raises(tide.CancelledError, b.await, b)
    end))
  end)

  it("of the host by a child ends by the child's cancel", function()
    local host, child
    host = tide.task(tide.group, function(g)
      child = g:task(function() gather(host) end)
      sleep(5)
    end)
    sleep(1)
    child:cancel()
    assert.equal(0, elapsed(function() tide.wait { host, child } end))
    assert.is_true(child:cancelled())
  end)

  it("is misused at the caller's line, and nothing is made", function()
    local spawned = tide.stats().spawned
    local function list(v) return { print, v } end
    for _, bad in ipairs { 1, "x", true, tide.event(), io.stdout } do
      misuse("#1 to 'tide.gather' %(Task, Future or function expected", function() gather(bad) end)
      misuse("#2 to 'tide.gather'", function() gather(print, bad) end)
      misuse("#1 to 'tide.gather' %(item 2: Task, Future", function() gather(list(bad)) end)
      misuse("#2 to 'tide.gather' %(table expected", function() gather({ print }, bad) end)
    end
    misuse("#1 to 'tide.gather' .*expected, got nil", function() gather(nil) end)
    misuse("#3 .*got nil", function() gather(print, print, nil) end)
    misuse("#2 .*got table", function() gather(print, { print }) end)
    misuse("#3 .*options follow a list", function() gather(print, print, { pack = true }) end)
    misuse("item 2: .*got nil", function() gather { n = 3, print, nil, print } end)
    misuse("#2 .*unknown option 'packed'", function() gather({ print }, { packed = true }) end)
    for _, n in ipairs { -1, 1.5, "2", {}, 0 / 0, 1 / 0 } do
      misuse("#1 to 'tide.gather' %(n: whole number", function() gather { n = n, print } end)
    end
    assert.equal(spawned, tide.stats().spawned)
  end)

  it("88: is refused on what a closed loop left", { task = false }, function()
    local task, future = tide.task(sleep, 5), tide.future()
    local done = set("set")
    tide.loop():close()
    run(function()
      for _, old in ipairs { task, future } do
        for _ = 1, 2 do -- also when it was looked at
          misuse("#2 .*it is of a loop that was closed", function() gather(print, old) end)
          misuse("item 1: it is of a loop that was closed", function() gather { old } end)
          assert.is_true(old:done())
        end
      end
      assert.equal("set", (gather(done)))
    end)
  end)

  it("T25: keeps nothing: neither results, nor tasks, nor what was left", function()
    local weak = setmetatable({}, { __mode = "v" })
    local shared = tide.future()
    local function work()
      local value, task = {}, tide.task(sleeper(1, {}))
      weak.value, weak.task, weak.result = value, task, gather(sleeper(0, value), task)
      pcall(gather, shared, failer(1, "bad"), tide.future())
      tide.move_on_after(1, gather, { shared, sleeper(2) }, { return_exceptions = true })
      weak.list = gather { sleeper(0, value) }
    end
    local other = tide.task(function() return shared:await() end)
    sleep(0)
    tide.task(work):await()
    for _ = 1, 2 do sleep(0) sleep(0) support.collect() end
    assert.is_nil(next(weak))
    shared:set_result()
    other:await()
  end)
end)
