-- tide.debug: tasks, tree, dump.
local debugging = require "tide.debug"
local common = require "spec.debug_support"
local support = require "spec.support"
local testing = require "tide.testing"
local tide = require "tide"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

--- In a run of its own: the tasks that it leaves are none of the spec's.
local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

local entry_of, line, started = common.entry_of, common.line, common.started

--- The lines of the tree, without places and times.
local function tree(...)
  local lines = {}
  for text in debugging.tree(...):gmatch("[^\n]+") do
    text = text:gsub(", at .*", ""):gsub("task%-%d+ %(main%)", "main"):gsub(", [%d.]+ s left", "")
    lines[#lines + 1] = text
  end
  return lines
end

describe("debug.tasks", function()
  task_it("tells what each task waits for, and where", function()
    local lock, queue, place = tide.lock(), tide.queue(1), nil
    lock:acquire()
    queue:put(1)
    local event, barrier, condition = tide.event(), tide.barrier(2), tide.condition()
    local semaphore = tide.semaphore(0)
    local waits = {
      { "sleep", function() place = line() tide.sleep(5) end },
      { "queue.put", function() queue:put(2) end },
      { "queue.get", function() tide.queue():get() end },
      { "queue.join", function() queue:join() end },
      { "lock", function() lock:acquire() end },
      { "event", function() event:wait() end },
      { "semaphore", function() semaphore:acquire() end },
      { "barrier", function() barrier:wait() end },
      { "condition", function() condition:acquire() condition:wait() end },
      { "park", function() tide.park(function() end) end },
      { "await", function() tide.future():await() end },
      { "gather", function() tide.gather(tide.future()) end },
      { "race", function() tide.race(tide.future()) end },
      { "wait", function() tide.wait { tide.future() } end },
      { "as_completed", function() tide.as_completed { tide.future() } () end },
      { "group", function() tide.group(function(g) g:task(tide.sleep, 5) end) end },
    }
    for _, wait in ipairs(waits) do
      local entry = entry_of(started(wait[1], wait[2]))
      assert.equal(wait[1], entry.waits_on)
      assert.equal("waiting", entry.state)
      assert.equal(wait[1], entry.name)
      assert.matches("^spec/debug_spec.lua:%d+$", entry.where)
      assert.is_false(entry.main)
      assert.is_nil(entry.since)
      assert.is_nil(entry.created)
      if wait[1] == "sleep" then
        assert.equal(place, entry.where)
        assert.equal(support.now() + 5, entry.deadline)
      elseif wait[1] == "lock" then
        assert.equal(tide.current_task(), entry.owner)
      end
    end
    lock:release()
  end)

  task_it("tells who awaits whom, and whose children they are", function()
    local a = started("a", tide.sleep, 5)
    local b = started("b", function() a:await() end)
    local c = started("c", function() tide.gather(a, b) end)
    local child
    local host = started("host", function()
      tide.group(function(g)
        child = g:task(tide.sleep, 5)
        tide.sleep(1)
      end)
    end)
    assert.same({ b, c }, entry_of(a).awaited_by)
    assert.same({ a }, entry_of(b).awaits)
    assert.same({ a, b }, entry_of(c).awaits)
    assert.same({ child }, entry_of(host).children)
    assert.same({}, entry_of(host).awaits)
  end)

  task_it("tells of tasks that run, are ready, or have not begun", function()
    local main = tide.current_task()
    local ready = started("ready", function() tide.sleep(0) end)
    local new = tide.task(tide.sleep, 0)
    assert.equal("running", entry_of(main).state)
    assert.is_true(entry_of(main).main)
    assert.equal("ready", entry_of(ready).state)
    assert.equal("new", entry_of(new).state)
    assert.is_nil(entry_of(new).where)
    tide.sleep(0)
    tide.sleep(0)
    assert.is_nil(entry_of(ready))
  end)

  task_it("counts cancels, and those that were swallowed", function()
    local before = tide.stats().swallowed
    local task = started("stubborn", function()
      for _ = 1, 5 do pcall(tide.sleep, 5) end
    end)
    task:cancel()
    for _ = 1, 4 do tide.sleep(0) end
    local entry = entry_of(task)
    assert.equal(1, entry.cancelling)
    assert.equal(3, entry.swallowed)
    assert.equal(before + 3, tide.stats().swallowed)
    assert.matches("stubborn: .*, cancelling, swallowed 3, at ", debugging.tree(task))
  end)

  task_it("counts no cancellation that its scope caught, nor those in a shield", function()
    local task = started("clean", function()
      for _ = 1, 3 do tide.move_on_after(1, tide.sleep, 5) end
      tide.finally(tide.sleep, function()
        tide.move_on_after(1, tide.sleep, 5)
      end, 5)
    end)
    tide.sleep(4)
    task:cancel()
    tide.sleep(0.5)
    assert.equal(0, entry_of(task).swallowed)
    assert.is_false(pcall(task.await, task))
  end)

  it("is an empty list where nothing is", function()
    assert.same({}, debugging.tasks())
    assert.equal("no task is left", debugging.tree())
    tide.loop():close()
    assert.same({}, debugging.tasks())
    assert.equal("no task is left", debugging.tree())
  end)
end)

describe("debug.tree", function()
  task_it("has those that a task waits for below it", function()
    local reader = started("reader", function() tide.queue():get() end)
    started("boss", function() tide.gather(reader, function() tide.sleep(1) end) end)
    started("host", function()
      tide.group(function(g)
        g:task(tide.sleep, 3):set_name("child")
        tide.sleep(2)
      end)
    end)
    tide.sleep(0)
    local lines = tree()
    lines[4] = lines[4]:gsub("task%-%d+", "made")
    assert.same({ "main: running", "boss: in gather", "  reader: in queue.get", "  made: in sleep",
      "host: in sleep", "  child: in sleep" }, lines)
    assert.same({ "reader: in queue.get" }, tree(reader))
  end)

  task_it("tells a ring once, and a task with two awaiters once", function()
    local x, y
    x = tide.task(function() y:await() end):set_name("x")
    y = tide.task(function() x:await() end):set_name("y")
    tide.sleep(0)
    local shared = started("shared", tide.sleep, 5)
    for i = 1, 2 do started("of" .. i, function() shared:await() end) end
    local lines = tree()
    assert.same({ "main: running", "of1: in await of shared", "  shared: in sleep",
      "of2: in await of shared", "  shared, as told above", "x: in await of y",
      "  y: in await of x", "    x, which waits for this one: a ring" }, lines)
    assert.same({ "y: in await of x", "  x: in await of y",
      "    y, which waits for this one: a ring" }, tree(y))
  end)

  task_it("tells the owner of a lock, a future, and how long a sleep lasts", function()
    local lock = tide.lock()
    lock:acquire()
    local locker = started("locker", function() lock:acquire() end)
    started("asker", function() tide.future():await() end)
    started("sleeper", tide.sleep, 2.5)
    started("long", tide.sleep, 3590)
    local text = debugging.tree()
    assert.matches("locker: in lock of task%-%d+ %(main%), at spec/debug_spec.lua", text)
    assert.matches("asker: in await of a future, at ", text)
    assert.matches("sleeper: in sleep, 2.5 s left", text)
    assert.matches("long: in sleep, 3590 s left", text)
    locker:cancel() -- else the lock breaks in its hands
    tide.sleep(0)
  end)

  it("has the main program while it waits", function()
    local text
    tide.task(function() text = debugging.tree() end):await()
    assert.matches("^main program: in await of task%-%d+, at spec/debug_spec.lua:%d+\n", text)
    assert.matches("\n  task%-%d+: running, at spec/debug_spec.lua:%d+$", text)
  end)

  -- In one chain, and side by side: neither a stack nor a text of that size.
  task_it("of very many tasks is short, and counts them", function()
    local last = tide.task(tide.sleep, 5)
    for _ = 1, 20000 do
      local target = last
      last = tide.task(function() target:await() end)
    end
    local event = tide.event()
    for _ = 1, 30000 do tide.task(event.wait, event) end
    tide.sleep(0)
    local text = debugging.tree()
    local _, lines = text:gsub("\n", "\n")
    assert.is_true(lines < 1300 and #text < 200000)
    local told, counted = 0, 0
    for told_line in text:gmatch("[^\n]+") do
      told = told + (told_line:match("task%-%d+.*: ") and 1 or 0)
      counted = counted + (tonumber(told_line:match("%.%.%. and (%d+) more")) or 0)
    end
    assert.equal(50002, told + counted)
    assert.matches("more: .*%d+ in event", text)
    assert.equal(50002, #debugging.tasks())
  end)

  task_it("of a task that has ended, and of what is none", function()
    local task = tide.task(print):set_name("done")
    task:cancel()
    tide.sleep(0)
    assert.matches("^Task<done ", debugging.tree(task))
    support.misuse("bad argument #1 to 'debug.tree' %(Task", function() debugging.tree(1) end)
  end)
end)

describe("debug.dump", function()
  task_it("writes the tree to a file", function()
    local file = assert(io.tmpfile())
    debugging.dump(file)
    file:seek("set")
    assert.matches("^task%-%d+ %(main%): running, at spec/debug_spec.lua:%d+\n$", file:read("*a"))
    file:close()
    support.misuse("bad argument #1 to 'debug.dump' %(file", function() debugging.dump(1) end)
  end)

  it("writes to standard error without one", function()
    local output, status = support.child [[
      local tide = require "tide"
      tide.run(require "tide.debug".dump)
    ]]
    assert.matches("^task%-1 %(main%): running\n$", output)
    assert.equal(0, status)
  end)
end)
