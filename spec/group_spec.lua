local tide = require "tide"
local support = require "spec.support"
local groups = require "spec.group_support"

require("tide.busted").configure { task = false }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local task_it, now, fails, fails_with = groups.task_it, groups.now, groups.fails, groups.fails_with
local sleeper, reports_of = groups.sleeper, groups.reports_of

local pcall, sleep, group = tide.pcall, tide.sleep, tide.group

describe("a group", function()
  task_it("returns the results of its function, called with it and the arguments", function()
    assert.same(pack(2, nil, 1, nil), pack(group(function(g, ...)
      assert.matches("^Group<0 tasks>$", tostring(g))
      return select("#", ...), nil, ...
    end, 1, nil)))
    local callable = setmetatable({}, { __call = function(_, g, v) return g ~= nil and v end })
    assert.equal(5, group(callable, 5))
  end)

  task_it("108: returns when all children have ended", function()
    local log = {}
    assert.equal("body", group(function(g)
      for i = 3, 1, -1 do
        g:task(function() sleep(i) log[#log + 1] = i end)
      end
      return "body"
    end))
    assert.same({ 1, 2, 3 }, log)
    assert.equal(3, now())
  end)

  task_it("108: waits for grandchildren, and for what a child adds as its last act", function()
    local log = {}
    group(function(g)
      g:task(function()
        sleep(1)
        g:task(function()
          sleep(1)
          g:task(function() sleep(1) log[#log + 1] = now() end)
        end)
      end)
    end)
    assert.same({ 3 }, log)
  end)

  task_it("108: waits for a task that comes when the last one has just ended", function()
    local late
    local function add(g) g:task(function() sleep(1) late = now() end) end
    group(function(g)
      local last = g:task(sleep, 1)
      tide.task(function() last:await() add(g) end)
    end)
    assert.equal(2, late)
    group(function(g)
      g:task(sleep, 1):add_done_callback(function() add(g) end)
    end)
    assert.equal(4, late)
  end)

  task_it("108: waits for a task that comes in the turn of an empty group's edge", function()
    local held, late
    tide.task(function()
      held:task(function() sleep(1) late = true end)
    end)
    group(function(g) held = g end)
    assert.is_true(late)
  end)

  task_it("T18: that is empty gives up its turn all the same, once", function()
    local order = {}
    tide.task(function() order[#order + 1] = "other" sleep(0) order[#order + 1] = "later" end)
    group(function() end)
    order[#order + 1] = "group"
    assert.same({ "other", "group" }, order)
    local turned
    tide.task(function() turned = true end)
    pcall(group, error)
    assert.is_true(turned)
    sleep(0)
  end)

  task_it("gives Tasks, which can be awaited, named and called back", function()
    local called
    group(function(g)
      local task = g:task(function(...) sleep(1) return ... end, 1, nil):set_name("child")
      assert.equal("child", task:get_name())
      task:add_done_callback(function(t) called = t end)
      assert.same(pack(1, nil), pack(task:await()))
      assert.equal(task, called)
    end)
  end)

  task_it("runs nothing in g:task itself, and its children in their order", function()
    local log = {}
    group(function(g)
      for i = 1, 3 do g:task(function() log[#log + 1] = i end) end
      log[#log + 1] = "body"
    end)
    assert.same({ "body", 1, 2, 3 }, log)
  end)

  task_it("takes tasks from other tasks and from callbacks, and anything that is called", function()
    local log = {}
    group(function(g)
      tide.task(function() g:task(function() log[#log + 1] = "other" end) end)
      tide.loop():call_soon(function() g:task(function() log[#log + 1] = "callback" end) end)
      g:task(setmetatable({}, { __call = function(_, v) log[#log + 1] = v end }), "callable")
      assert.equal("x", g:task(sleep, 1, "x"):await())
    end)
    table.sort(log)
    assert.same({ "callable", "callback", "other" }, log)
  end)

  it("works in the main program", function()
    local done
    assert.equal(1, group(function(g)
      g:task(function() sleep(0.001) done = true end)
      return 1
    end))
    assert.is_true(done)
    local err = {}
    local ok, raised = pcall(group, function(g)
      g:task(function() sleep(0.001) error(err) end)
      sleep(60)
    end)
    assert.is_false(ok)
    assert.equal(err, raised)
  end)

  task_it("115: forgets its children as they end", function()
    local weak = setmetatable({}, { __mode = "k" })
    group(function(g)
      for _ = 1, 10 do
        weak[g:task(function() return {} end)] = true
      end
      sleep(1)
      support.collect()
      assert.is_nil(next(weak))
      assert.equal("Group<0 tasks>", tostring(g))
    end)
  end)

  task_it("T11: 20,000 children end, fail and are cancelled", function()
    local ended = 0
    group(function(g)
      for _ = 1, 20000 do g:task(function() sleep(1) ended = ended + 1 end) end
    end)
    assert.equal(20000, ended)
    local err = fails(function(g)
      for i = 1, 20000 do g:task(error, { i }) end -- all run once
    end)
    assert.equal(20000, #err.errors)
    assert.equal(20000, err.errors[20000][1])
    assert.equal("stop", fails(function(g)
      for _ = 1, 20000 do g:task(sleep, 60) end
      sleep(1)
      error("stop", 0)
    end))
  end)

  task_it("T11: 5,000 of them nest, end, and are cancelled from outside", function()
    local deepest, cancelled = 0, 0
    local function nest(n)
      group(function(g)
        deepest = deepest + 1
        if n > 1 then
          g:task(nest, n - 1)
        else
          local ok, err = pcall(sleep, 1)
          cancelled = cancelled + (ok and 0 or 1)
          if not ok then error(err, 0) end
        end
      end)
    end
    nest(5000)
    assert.same({ 5000, 0 }, { deepest, cancelled })
    tide.move_on_after(0.5, nest, 5000)
    assert.same({ 10000, 1 }, { deepest, cancelled })
  end)

  task_it("32: a tree of 5^4", function()
    local leaves = 0
    local function grow(depth)
      if depth == 0 then
        sleep(1)
        leaves = leaves + 1
        return
      end
      group(function(g)
        for _ = 1, 5 do g:task(grow, depth - 1) end
      end)
    end
    grow(4)
    assert.equal(625, leaves)
    assert.equal(1, now())
  end)

  task_it("121, T25: leaves nothing behind that only the collector could free", function()
    for _, cancel in ipairs { false, true } do
      local weak = setmetatable({}, { __mode = "k" })
      do
        local err = {}
        weak[err] = true
        local ok, raised = pcall(group, function(g)
          weak[g] = true
          weak[g:task(sleep, 60)] = true
          weak[g:task(function()
            sleep(1)
            if cancel then g:cancel(err) else error(err) end
          end)] = true
          sleep(60)
        end)
        assert.equal(cancel, ok)
        assert(cancel or raised == err)
      end
      for _ = 1, 2 do sleep(0) sleep(0) support.collect() end
      assert.is_nil(next(weak))
    end
  end)
end)

describe("an error in a group", function()
  task_it("110: of a child cancels its siblings and the body, and is raised unchanged", function()
    local err, log = {}, {}
    local function victim(name)
      return function()
        local e = raises(tide.CancelledError, sleep, 60)
        log[#log + 1] = name
        error(e, 0)
      end
    end
    assert.equal(err, fails(function(g)
      g:task(victim("sibling"))
      g:task(sleeper(1, err))
      victim("body")()
    end))
    assert.same({ "body", "sibling" }, log)
    assert.equal(1, now())
  end)

  task_it("110: reaches the body at the edge, too, and throws its results away", function()
    assert.equal("late", fails(function(g)
      g:task(sleeper(1, "late"))
      return "results"
    end))
  end)

  task_it("111: of the body cancels the children and waits for them", function()
    local cleaned
    assert.equal("body", fails(function(g)
      g:task(function()
        pcall(sleep, 60)
        tide.shield(sleep, 2)
        cleaned = now()
      end)
      sleep(1)
      error("body", 0)
    end))
    assert.equal(3, cleaned)
  end)

  task_it("110: that is one of several comes with them in an ErrorGroup, in their order", function()
    local a, b = { "a" }, { "b" }
    local err = fails_with({ a, b, "c" }, function(g)
      g:task(sleeper(1, a))
      g:task(function() pcall(sleep, 60) error(b) end)
      local ok = pcall(sleep, 60)
      assert(not ok)
      tide.shield(sleep, 1)
      error("c", 0)
    end)
    assert.equal(a, err.errors[1])
    assert.equal(b, err.errors[2])
    assert.matches("^ErrorGroup: 3 errors, the first: table:", tostring(err))
    local seen = {}
    for e in tide.errors(err) do seen[#seen + 1] = e end
    assert.same({ a, b, "c" }, seen)
  end)

  task_it("counts once when the body, or a sibling, raises what it awaited", function()
    local err = {}
    assert.equal(err, fails(function(g)
      g:task(sleeper(1, err)):await()
    end))
    assert.equal(err, fails(function(g)
      local bad = g:task(sleeper(1, err))
      g:task(function() tide.shield(bad.await, bad) end)
    end))
  end)

  task_it("may be any value", function()
    for _, value in ipairs { 5, true, false, print, "text", 0 / 0 } do
      local raised = fails(function(g) g:task(error, value, 0) end)
      assert.is_true(raised == value or value ~= value and raised ~= raised)
    end
    assert.equal("<no error object>", fails(function(g) g:task(error) end))
    fails(function(g) g:task(error, 0 / 0) g:task(error, 0 / 0) end)
    assert.equal("bad __tostring", fails(function(g)
      g:task(error, setmetatable({}, { __tostring = error }))
      g:task(error, "second", 0)
    end) and "bad __tostring")
  end)

  task_it("113: of an inner group is one of the outer; an outer one cancels the inner", function()
    local a, b = {}, {}
    local err = fails(function(outer)
      outer:task(function()
        group(function(inner) inner:task(error, a) inner:task(error, b) end)
      end)
      sleep(60)
    end)
    assert.same({ a, b }, err.errors)
    err = fails_with({ err, "outer" }, function(outer)
      outer:task(error, err)
      outer:task(error, "outer", 0)
    end)
    assert.is_true(tide.is(err.errors[1], tide.ErrorGroup))
    local inside
    assert.equal("outer", fails(function(outer)
      outer:task(function()
        group(function(inner)
          inner:task(function()
            inside = raises(tide.CancelledError, sleep, 60)
            error(inside, 0)
          end)
          sleep(60)
        end)
        error("not reached")
      end)
      outer:task(sleeper(1, "outer"))
    end))
    assert.is_true(tide.is_cancelled(inside))
  end)

  task_it("is not reported as one that nobody awaited", function()
    assert.same({}, reports_of(function()
      pcall(group, function(g)
        g:task(error, {})
        g:task(error, {})
      end)
      for _ = 1, 3 do collectgarbage() sleep(0) end
    end))
  end)

  task_it("keeps its traceback in the child's Task", function()
    local bad
    pcall(group, function(g) bad = g:task(function() error "here" end) end)
    assert.matches("group_spec.lua", bad:traceback())
    assert.matches("here", bad:exception())
  end)

  task_it("117: is not hidden by tasks added after it: those fail at their first await", function()
    local ran, awaited
    assert.equal("first", fails(function(g)
      g:task(error, "first", 0)
      pcall(sleep, 1)
      g:task(function()
        ran = true
        sleep(0)
        awaited = true
      end)
    end))
    assert.same({ true, nil }, { ran, awaited })
  end)
end)

describe("a group is misused at the caller's line:", function()
  task_it("without a function", function()
    for _, bad in ipairs { 1, "x", {}, true } do
      misuse("bad argument #1 to 'tide.group' %(function", function() group(bad) end)
    end
    misuse("bad argument #1 to 'tide.group'", function() group(nil, 1) end)
    group(function(g)
      for _, bad in ipairs { 1, "x", {}, false, g } do
        misuse("bad argument #1 to 'Group:task' %(function", function() g:task(bad) end)
        misuse("bad argument #1 to 'Group:start' %(function", function() g:start(bad) end)
      end
      misuse("bad argument #1 to 'Group:task'", function() g:task() end)
      misuse("bad argument #1 to 'Group:start'", function() g:start() end)
      assert.equal("Group<0 tasks>", tostring(g))
    end)
  end)

  task_it("a method on something else", function()
    local methods
    group(function(g) methods = getmetatable(g).__index end)
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() } do
        misuse("'Group:" .. name .. "'.*Group expected", function() method(other, print) end)
      end
      misuse("Group:" .. name, function() method() end)
    end
  end)

  task_it("in a callback and in a plain coroutine, and nothing is opened", function()
    local err
    tide.loop():call_soon(function() err = select(2, pcall(group, print)) end)
    sleep(0)
    assert.matches("'tide.group' cannot wait in a callback", err)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() group(print) end))
    assert.is_nil(tide.current_scope())
  end)

  task_it("in a C function that cannot be suspended, and its function is not called", function()
    local ran
    local ok, err = pcall(table.sort, { 1, 2 }, function()
      group(function() ran = true end)
    end)
    assert.is_false(ok)
    assert.matches("'tide.group' cannot wait inside the C function 'table.sort'", err)
    assert.is_nil(ran)
    assert.is_nil(tide.current_scope())
  end)

  task_it("T10: closed by a task that has not opened it", function()
    assert.equal("kept", fails(function(g)
      g:task(sleep, 1)
      g:task(error, "kept", 0)
      local close = getmetatable(g).__close
      local other = tide.task(function() close(g) end)
      tide.shield(function()
        local ok, err = pcall(other.await, other)
        assert.is_false(ok)
        assert.matches("not open in this task", err)
      end)
    end))
  end)

  local function nested(depth)
    group(function(g)
      if depth > 1 then g:task(nested, depth - 1) end
      g:task(function()
        pcall(sleep, depth == 1 and 1 or 1000)
        error(depth == 1 and "inner" or "outer", 0)
      end)
      if depth == 1 then g:task(error, "inner", 0) end
    end)
  end

  task_it("in a group with errors of its own tells the first of all errors", function()
    local err = raises(tide.ErrorGroup, nested, 3)
    assert.equal("ErrorGroup: 2 errors, the first: inner", tostring(err))
    assert.equal("ErrorGroup: 2 errors, the first: inner", tostring(err.errors[1]))
    assert.same({ "inner", "inner" }, err.errors[1].errors[1].errors)
  end)

  task_it("with errors at each of many depths tells no more of them", function()
    local err, depth = raises(tide.ErrorGroup, nested, 1000), 0
    while tide.is(err, tide.ErrorGroup) and err.message == "2 errors, the first: inner" do
      err, depth = err.errors[1], depth + 1
    end
    assert.equal(1000, depth)
  end)
end)
