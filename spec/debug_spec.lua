-- tide.debug: tasks, tree, dump; debug mode.
local debugging = require "tide.debug"
local support = require "spec.support"
local testing = require "tide.testing"
local tide = require "tide"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

--- In a run of its own: the tasks that it leaves are none of the spec's.
local function task_it(title, fn)
  it(title, function() testing.run(fn) end)
end

--- The place of the line that calls this.
local function line()
  return ("spec/debug_spec.lua:%d"):format(debug.getinfo(2, "l").currentline)
end

local function entry_of(task)
  for _, entry in ipairs(debugging.tasks()) do
    if entry.task == task then
      return entry
    end
  end
end

--- A task of fn that has run until its first await.
local function started(name, fn, ...)
  local task = tide.task(fn, ...):set_name(name)
  tide.sleep(0)
  return task
end

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

--- The reports during fn() in debug mode, run as the main task.
local function debugged(fn)
  local loop, reports = tide.loop(), {}
  loop:set_exception_handler(function(report) reports[#reports + 1] = report end)
  loop:set_debug(true)
  local ok, err = pcall(testing.run, fn)
  loop.slow_callback_duration = 0.1
  loop:set_debug(false)
  loop:set_exception_handler(nil)
  assert(ok, err)
  return reports
end

local function busy()
  local start = os.clock()
  while os.clock() - start < 0.02 do end
end

describe("debug mode", function()
  it("tells since when tasks wait, and where they were made", function()
    local reports = debugged(function()
      local place = line() local task = started("t", function() tide.sleep(5) end)
      local since = support.now()
      tide.sleep(2)
      local entry = entry_of(task)
      assert.equal(since, entry.since)
      assert.matches(place, entry.created, 1, true)
      assert.matches("t: in sleep, 3 s left, for 2 s, at ", debugging.tree(), 1, true)
      tide.loop():set_debug(false)
      assert.is_nil(entry_of(task).since)
    end)
    assert.same({}, reports)
  end)

  it("reports a step that is too long: its task, from where to where", function()
    local from, to, made
    local reports = debugged(function()
      tide.loop().slow_callback_duration = 0.01
      made = line() local task = tide.task(function()
        from = line() tide.sleep(0)
        busy()
        to = line() tide.sleep(0)
        busy()
      end):set_name("hog")
      task:await()
      tide.loop():call_soon(function() busy() end)
      tide.sleep(0)
      tide.sleep(0)
    end)
    assert.equal(3, #reports)
    local head = "^hog ran for 0%.%d+ seconds without a pause, from "
    assert.matches(head .. from .. ".-, to " .. to, reports[1].message)
    assert.matches(head .. to .. ".-, to its end$", reports[2].message)
    assert.equal("hog", reports[1].task:get_name())
    assert.matches("^a callback ran for 0%.%d+ seconds: function at spec/debug_spec.lua:%d+$",
      reports[3].message)
    assert.is_string(made)
  end)

  it("tells of a task that has just begun where its function is", function()
    local place
    local function slow() busy() end
    place = "spec/debug_spec.lua:" .. debug.getinfo(slow, "S").linedefined
    local reports = debugged(function()
      tide.loop().slow_callback_duration = 0.01
      for _ = 1, 3 do -- in a new coroutine, and in one used again
        tide.task(slow, print):await()
      end
    end)
    assert.equal(3, #reports)
    for _, report in ipairs(reports) do
      assert.matches("without a pause, from " .. place .. ", to its end$", report.message)
    end
  end)

  it("times each turn of a task that is alone", function()
    local reports = debugged(function()
      tide.loop().slow_callback_duration = 0.015
      tide.sleep(0)
      for _ = 1, 3 do
        busy()
        tide.sleep(0)
      end
    end)
    assert.equal(3, #reports)
  end)

  it("warns of calls that block, once for each place", function()
    local read, execute, popen, lines = io.read, os.execute, io.popen, io.lines
    local file = os.tmpname()
    local first, count, seen
    local reports = debugged(function()
      assert.is_false(io.read == read)
      for _ = 1, 3 do
        first = line() os.execute("true")
      end
      io.popen("true"):close()
      for _ in io.lines(file) do end
      local _, err = pcall(io.lines, "/nonexistent/file")
      seen = err
      local handle = io.open(file)
      handle:read("*a")
      handle:close()
      assert.is_false(pcall(function() io.read("x") end))
    end)
    count = #reports
    assert.equal(5, count)
    assert.equal("os.execute blocks the loop and all its tasks, at " .. first, reports[1].message)
    assert.is_true(reports[1].task ~= nil)
    assert.matches("^io.popen blocks", reports[2].message)
    assert.matches("^io.lines blocks", reports[3].message)
    assert.matches("^io.read blocks", reports[5].message)
    assert.matches("/nonexistent/file", seen)
    assert.equal(read, io.read)
    assert.equal(execute, os.execute)
    assert.equal(popen, io.popen)
    assert.equal(lines, io.lines)
    os.remove(file)
  end)

  it("leaves alone what others have replaced, and who has kept what it replaced", function()
    local read, loop = io.read, tide.loop()
    loop:set_debug(true)
    loop:set_debug(true)
    local kept, mine = os.execute, function() end
    io.read = mine -- luacheck: ignore 122
    loop:set_debug(false)
    local is_mine = io.read == mine
    io.read = read -- luacheck: ignore 122
    assert.is_true(is_mine)
    assert.is_true(os.execute ~= kept)
    tide.run(function() kept("true") end)
    kept("true")
  end)

  it("ends with the loop", function()
    local read = io.read
    tide.loop():set_debug(true)
    assert.is_true(io.read ~= read)
    tide.loop():close()
    assert.equal(read, io.read)
    assert.is_false(tide.loop():get_debug())
  end)

  it("names what run leaves behind, and where that was made", function()
    local made, called, handle
    local reports = debugged(function()
      made = line() tide.task(function() tide.park(function() end) end):set_name("forgotten")
      called = line() handle = tide.loop():call_later(60, print)
      tide.loop():call_later(70, print):cancel()
      for _ = 1, 30 do tide.task(tide.sleep, 5) end
      tide.sleep(0)
    end)
    handle:cancel()
    assert.equal(1, #reports)
    local message = reports[1].message
    assert.matches("^run ended and left behind:\n", message)
    assert.matches("forgotten: in park, .-made at " .. made .. "\n", message)
    assert.matches("\n  ... and 11 more tasks\n", message, 1, true)
    assert.matches("\n  a delayed call, due in 60 s, made at " .. called, message)
    assert.is_nil(message:find("due in 70"))
  end)

  it("tells of swallowed cancellations at the end of run", function()
    local reports = debugged(function()
      local task = started("t", function() for _ = 1, 3 do pcall(tide.sleep, 5) end end)
      task:cancel()
      pcall(task.await, task)
    end)
    assert.equal(1, #reports)
    assert.matches("2 cancellations caught and met again", reports[1].message)
  end)

  it("says nothing at the end of a run that leaves nothing", function()
    assert.same({}, debugged(function()
      tide.gather(function() tide.sleep(1) end, function() tide.sleep(2) end)
      tide.loop():call_later(1, function() end)
      tide.sleep(1)
    end))
  end)

  it("does not report the failure of a task that is awaited", function()
    local reports = debugged(function()
      local awaited = tide.task(error, "awaited", 0)
      assert.same({ false, "awaited" }, { pcall(awaited.await, awaited) })
      assert.is_false(pcall(tide.gather, function() error("gathered", 0) end))
      assert.is_false(pcall(tide.group, function(g) g:task(error, "of a group", 0) end))
      local future = tide.future()
      tide.task(function() future:set_exception("set") end)
      assert.same({ false, "set" }, { pcall(future.await, future) })
    end)
    assert.same({}, reports)
  end)

  it("reports at once what nobody awaits", function()
    local reports = debugged(function()
      local task = tide.task(error, "alone", 0)
      tide.sleep(0)
      tide.sleep(0)
      assert.is_true(task:done())
    end)
    assert.equal(1, #reports)
    assert.equal("alone", reports[1].error)
    assert.matches("spec/debug_spec.lua", reports[1].created)
  end)

  it("can be switched in the middle of a step", function()
    for _, on in ipairs { true, false } do
      local loop = tide.loop()
      loop:set_debug(not on)
      tide.run(function()
        local task = tide.task(function()
          loop:set_debug(on)
          tide.sleep(0)
          return 1
        end)
        assert.equal(1, task:await())
      end)
      loop:set_debug(false)
    end
  end)

  it("is on from the beginning with TIDE_DEBUG=1", function()
    local code = [[
      local tide = require "tide"
      print(tide.loop():get_debug())
      tide.run(function() os.execute("true") end)
      tide.loop():close()
      print(tide.loop():get_debug())
    ]]
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write(code)
    file:close()
    local function output(value)
      local pipe = assert(io.popen(("TIDE_DEBUG=%s %s %s 2>&1"):format(value,
        support.interpreter(), name)))
      local text = pipe:read("*a")
      pipe:close()
      return text
    end
    local text = output("1")
    local _, count = text:gsub("true\n", "")
    assert.equal(2, count)
    assert.matches("tide: os.execute blocks the loop and all its tasks, at ", text)
    assert.equal("false\nfalse\n", output("0"))
    assert.equal("false\nfalse\n", output(""))
    os.remove(name)
  end)
end)
