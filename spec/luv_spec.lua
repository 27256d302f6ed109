-- tide.luv on luv's own loop, and what a program that ends leaves of both.
local tide = require "tide"
local core = require "tide.core"
local luv = require "tide.luv"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local misuse, sleep = support.misuse, tide.sleep

local has_uv, uv = pcall(require, "luv")
if not has_uv then
  describe("tide.luv", function()
    pending("is not tried: this Lua has no module luv")
  end)
  return
end

-- busted unloads it after this file, and other specs read this one. luv's loop
-- goes with its module, but luv loaded again goes on with that loop.
debug.getregistry()["spec.luv"] = uv

--- Handles that luv has open.
local function handles()
  local n = 0
  uv.walk(function(handle)
    if not uv.is_closing(handle) then
      n = n + 1
    end
  end)
  return n
end

--- Calls fn from luv's loop, so many milliseconds from now.
local function later(ms, fn)
  local timer = uv.new_timer()
  timer:start(ms, 0, function()
    timer:close()
    fn()
  end)
end

--- Runs luv's loop until nothing is left: what it returns. One that does not end
-- is ended.
local function run()
  local watch, hung = uv.new_timer(), false
  uv.update_time() -- it is as old as the last run
  watch:start(10000, 0, function()
    hung = true
    uv.stop()
  end)
  watch:unref()
  local left = uv.run()
  watch:close()
  uv.run("nowait")
  assert.is_false(hung, "luv's loop did not end")
  return left
end

describe("tide.luv", function()
  before_each(function() luv.attach() end)
  after_each(function()
    tide.loop():close()
    uv.run("nowait")
    assert.equal(0, handles())
  end)

  it("runs tasks in luv's loop, which ends when nothing is left on either", function()
    local log = {}
    tide.task(function()
      for i = 1, 3 do
        sleep(0.001)
        log[#log + 1] = i
      end
    end)
    assert.is_false(run())
    assert.same({ 1, 2, 3 }, log)
    assert.is_false(run())
  end)

  it("runs what was made between two runs of luv's loop", function()
    local ran = 0
    for i = 1, 3 do
      tide.task(function() sleep(0) ran = ran + 1 end)
      run()
      assert.equal(i, ran)
    end
    tide.loop():call_later(0.001, function() ran = ran + 1 end)
    run()
    assert.equal(4, ran)
  end)

  it("goes on by what a callback of luv's does: a task, an event, a future, a wake", function()
    local log, event, future = {}, tide.event(), tide.future()
    tide.task(function() event:wait() log[#log + 1] = "event" end)
    tide.task(function()
      local result = future:await()
      log[#log + 1] = result
    end)
    tide.task(function()
      tide.park(function(wake) later(3, wake) end)
      log[#log + 1] = "wake"
    end)
    later(1, function() event:set() end)
    later(2, function() future:set_result("future") end)
    later(4, function() tide.task(function() log[#log + 1] = "task" end) end)
    run()
    table.sort(log) -- luv's timers may be late, and come together
    assert.same({ "event", "future", "task", "wake" }, log)
  end)

  it("sees a deadline that a callback of luv's makes earlier", function()
    local log = {}
    local long = tide.task(function() sleep(3600) end)
    later(1, function()
      tide.task(function()
        sleep(0.001)
        log[#log + 1] = "short"
        long:cancel()
      end)
    end)
    run()
    assert.same({ "short" }, log)
    assert.is_true(long:cancelled())
  end)

  it("lets functions of luv's wait", function()
    local stat = tide.from_callback(uv.fs_stat)
    local kind, err
    tide.task(function()
      kind = stat("spec").type
      err = select(2, tide.pcall(stat, "spec/nowhere"))
    end)
    run()
    assert.equal("directory", kind)
    assert.matches("^ENOENT", err)
  end)

  it("is woken by its descriptor: a signal comes while luv waits", function()
    local got = false
    local wait = uv.new_timer()
    core.on_signal("SIGUSR2", function()
      got = true
      wait:close()
    end)
    wait:start(3600000, 0, error)
    later(1, function() core.send_signal("SIGUSR2") end)
    run()
    core.on_signal("SIGUSR2", nil)
    assert.is_true(got)
  end)

  it("starves no handle of luv's while tasks are always ready", function()
    local stop, turns, calls = false, 0, 0
    tide.task(function()
      while not stop do
        turns = turns + 1
        sleep(0)
      end
    end)
    local timer = uv.new_timer()
    timer:start(1, 1, function()
      calls = calls + 1
      if calls == 3 then
        stop = true
        timer:close()
      end
    end)
    run()
    assert.equal(3, calls)
    assert.is_true(turns > 0)
  end)

  it("does not keep luv's loop from waiting while all tasks wait", function()
    local rounds = 0
    local prepare = uv.new_prepare()
    prepare:start(function() rounds = rounds + 1 end)
    prepare:unref()
    tide.task(sleep, 0.1)
    run()
    prepare:close()
    assert.is_true(rounds < 10, rounds .. " rounds")
  end)

  it("lets luv's loop end although a task waits that nothing can wake", function()
    local event = tide.event()
    local task = tide.task(function() event:wait() return "woken" end)
    run()
    assert.is_false(task:done())
    event:set()
    run()
    assert.equal("woken", task:result())
  end)

  it("takes one step a round of luv's loop: next_tick is the next one", function()
    local rounds, seen = 0, {}
    local check = uv.new_check()
    check:start(function() rounds = rounds + 1 end)
    check:unref()
    tide.task(function()
      for i = 1, 3 do
        seen[i] = rounds
        tide.next_tick()
      end
    end)
    run()
    check:close()
    assert.same({ seen[1], seen[1] + 1, seen[1] + 2 }, seen)
  end)

  it("ends a step when its budget is spent", function()
    luv.detach()
    luv.attach { budget = 0 }
    local rounds, turns = 0, 0
    local check = uv.new_check()
    check:start(function() rounds = rounds + 1 end)
    check:unref()
    tide.task(function()
      for _ = 1, 20 do
        turns = turns + 1
        sleep(0)
      end
    end)
    run()
    check:close()
    assert.equal(20, turns)
    assert.is_true(rounds >= 20, rounds .. " rounds")
  end)

  it("steps by `schedule` where there is one, once until it has stepped", function()
    luv.detach()
    local queue, log = {}, {}
    luv.attach { schedule = function(step) queue[#queue + 1] = step end }
    tide.task(function()
      for i = 1, 3 do
        log[#log + 1] = i
        sleep(0.001)
      end
    end)
    for _ = 1, 5 do uv.run("nowait") end
    assert.same({}, log)
    assert.equal(1, #queue)
    while #log < 3 or tide.stats().tasks > 0 do
      local step = table.remove(queue, 1)
      if step then
        step()
      end
      uv.run("once")
    end
    assert.same({ 1, 2, 3 }, log)
    luv.detach()
    for _, step in ipairs(queue) do step() end -- too late: nothing
  end)

  it("does not let the main program wait, nor a callback of luv's", function()
    misuse("'tide.sleep' cannot wait in the main program", function() sleep(0) end)
    misuse("'tide.run' cannot block here", function() tide.run(print) end)
    local ok, err
    later(0, function() ok, err = pcall(sleep, 0) end)
    run()
    assert.is_false(ok)
    assert.matches("'tide.sleep' cannot wait in the main program", err)
  end)

  it("reports the errors of tasks, and goes on", function()
    local reports, ran = {}, false
    tide.loop():set_exception_handler(function(report) reports[#reports + 1] = report end)
    tide.loop():call_soon(error, "broken", 0)
    tide.loop():call_later(0.001, function() ran = true end)
    run()
    tide.loop():set_exception_handler(nil)
    assert.equal("broken", reports[1].error)
    assert.is_true(ran)
  end)

  it("attached again stays as it is", function()
    local n = handles()
    luv.attach { budget = 1 }
    luv.attach { uv = uv }
    assert.equal(n, handles())
    local other = { new_prepare = uv.new_prepare }
    misuse("'luv.attach': attached to another luv", function() luv.attach { uv = other } end)
    local ok
    tide.task(function() ok = pcall(luv.attach) end)
    run()
    assert.is_true(ok)
  end)

  it("is found attached when the module is loaded again", function()
    package.loaded["tide.luv"] = nil
    local again, n = require "tide.luv", handles()
    again.attach()
    assert.equal(n, handles())
    again.detach()
    assert.equal(n, handles())
    uv.run("nowait")
    assert.equal(0, handles())
    package.loaded["tide.luv"] = luv
  end)

  it("detached leaves luv as it was, and the tasks; attached again they go on", function()
    local patched = uv.run
    local task = tide.task(function() sleep(0.001) return "done" end)
    luv.detach()
    luv.detach()
    uv.run("nowait")
    assert.equal(0, handles())
    assert.are_not.equal(patched, uv.run)
    run()
    assert.is_false(task:done())
    luv.attach()
    run()
    assert.equal("done", task:result())
  end)

  it("detached by a task ends with the step", function()
    local task = tide.task(function()
      luv.detach()
      sleep(0.001)
      return "done"
    end)
    run()
    assert.is_false(task:done())
    assert.equal(0, handles())
  end)

  it("detached before its first step the main program waits again", function()
    luv.detach()
    sleep(0)
    tide.run(sleep, 0)
  end)

  it("is detached when tide's loop is closed, and attached to the next one", function()
    tide.task(sleep, 3600)
    uv.run("nowait")
    tide.loop():close()
    run()
    assert.equal(0, handles())
    local ran
    luv.attach()
    tide.task(function() ran = true end)
    run()
    assert.is_true(ran)
  end)

  it("bears it when somebody closes all of luv's handles, a task, too", function()
    local function close_all()
      uv.walk(function(handle)
        if not uv.is_closing(handle) then
          uv.close(handle)
        end
      end)
    end
    tide.task(sleep, 3600)
    uv.run("nowait")
    close_all()
    run()
    luv.attach()
    local ran = 0
    tide.task(function()
      ran = ran + 1
      close_all()
    end)
    uv.run()
    luv.attach()
    local task = tide.task(function() ran = ran + 1 end)
    while not task:done() do uv.run("nowait") end
    assert.equal(2, ran)
    close_all()
  end)

  it("looks from time to time where a loop has no descriptor", function()
    luv.detach()
    local fd = core.Loop.fd
    core.Loop.fd = function() end
    luv.attach()
    core.Loop.fd = fd
    local got = false
    local wait = uv.new_timer()
    core.on_signal("SIGUSR2", function()
      got = true
      wait:close()
    end)
    wait:start(3600000, 0, error)
    later(1, function() core.send_signal("SIGUSR2") end)
    run()
    core.on_signal("SIGUSR2", nil)
    assert.is_true(got)
  end)
end)

describe("luv.attach", function()
  it("refuses what is no option, at the caller's line", function()
    local why = "bad argument #1 to 'luv.attach' "
    misuse(why .. "%(table expected, got number%)", function() luv.attach(1) end)
    misuse(why .. "%(unknown option 'bugdet'%)", function() luv.attach { bugdet = 1 } end)
    for _, bad in ipairs { "1", -1, 0 / 0, false } do
      misuse(why .. "%(budget: seconds expected%)", function() luv.attach { budget = bad } end)
    end
    misuse(why .. "%(uv: the module luv expected%)", function() luv.attach { uv = {} } end)
    misuse(why .. "%(schedule: ", function() luv.attach { schedule = 1 } end)
    assert.equal(0, handles())
  end)

  it("is refused while the loop runs", function()
    local why = "'luv.attach' cannot be called while the loop runs"
    tide.run(function() misuse(why, function() luv.attach() end) end)
    assert.equal(0, handles())
  end)
end)

describe("a program that ends with tasks in mid-flight", function()
  local function ends(how)
    return ([[
      local tide, uv, luv = require "tide", require "luv", require "tide.luv"
      luv.attach()
      for _ = 1, 3 do
        tide.task(function() tide.finally(tide.sleep, print, 3600) end)
      end
      tide.task(function() while true do tide.sleep(0) end end)
      for _ = 1, 3 do uv.run("nowait") end
      io.stdout:write "to the end\n"
    ]]) .. how
  end

  for title, how in pairs {
    ["neither crashes nor hangs"] = "",
    ["which are closed before"] = "tide.loop():close()",
    ["by os.exit"] = "os.exit(0)",
    ["by os.exit, which closes the state"] = "os.exit(0, true)",
    ["in a step"] = "tide.task(function() os.exit(0) end) uv.run()",
    ["in a callback of luv's"] = "uv.new_timer():start(0, 0, os.exit) uv.run()",
    ["when luv's loop is closed"] = "uv.walk(uv.close) uv.run('nowait') uv.loop_close()",
    ["when tide's loop is closed last"] =
      "uv.walk(uv.close) uv.run('nowait') uv.loop_close() tide.loop():close()",
  } do
    it(title, function()
      local output, status = support.child(ends(how))
      assert.equal("to the end\n", output)
      assert.equal(0, status)
    end)
  end
end)
