local core = require "tide.core"
local tide = require "tide"
local signal = require "tide.signal"
local support = require "spec.support"

local child, misuse, raises = support.child, support.misuse, support.raises
local pcall = tide.pcall

--- To this process: it has come when this returns.
local function send(...)
  for _, name in ipairs { ... } do
    assert(core.send_signal(name))
  end
end

--- A child that prints `expected` and ends with this status.
local function child_it(title, expected, code, status)
  it(title, function()
    local output, ended = child("local tide = require 'tide'; local signal = tide.signal; " ..
      "local core = require 'tide.core'; local send = core.send_signal; " .. code)
    assert.equal(status or 0, ended, output)
    assert.equal(expected, status and output:sub(1, #expected) or output) -- the shell tells, too
  end)
end

--- fn(signals) while these are listened to, so that none ends the process.
local function while_listening(fn, ...)
  local signals = signal.iter(...)
  tide.finally(fn, function() signals:close() end, signals)
end

describe("signal.wait", function()
  it("returns the name of the one that comes", function()
    local waiting = tide.task(function() return signal.wait("SIGUSR1", "SIGUSR2") end)
    tide.sleep(0)
    send "SIGUSR2"
    assert.equal("SIGUSR2", waiting:await())
  end)

  it("ends every wait for it", function()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = tide.task(signal.wait, "SIGUSR1")
    end
    tide.sleep(0)
    send "SIGUSR1"
    assert.same({ "SIGUSR1", "SIGUSR1", "SIGUSR1", n = 3 }, tide.gather(tasks))
  end)

  it("takes the same name twice as once", function()
    local waiting = tide.task(signal.wait, "SIGUSR1", "SIGUSR1")
    tide.sleep(0)
    send "SIGUSR1"
    assert.equal("SIGUSR1", waiting:await())
  end)

  it("can be cancelled, and timed out", function()
    raises(tide.TimeoutError, tide.timeout, 0.001, signal.wait, "SIGUSR1")
    local waiting = tide.task(signal.wait, "SIGUSR1")
    tide.sleep(0)
    waiting:cancel()
    raises(tide.CancelledError, waiting.await, waiting)
  end)

  it("that was woken and then cancelled has it", function()
    while_listening(function()
      local name
      local waiting = tide.task(function()
        name = signal.wait "SIGUSR1"
        tide.sleep(1000)
      end)
      tide.sleep(0)
      send "SIGUSR1"
      while tide.stats().wakers > 0 do
        tide.loop():call_soon(function() end)
        tide.sleep(0)
      end
      waiting:cancel()
      raises(tide.CancelledError, waiting.await, waiting)
      assert.equal("SIGUSR1", name)
    end, "SIGUSR2")
  end)

  it("in a scope that is cancelled raises, though one has come", function()
    while_listening(function(signals)
      send "SIGUSR1"
      tide.scope(function(scope)
        scope:cancel()
        raises(tide.CancelledError, signals)
        raises(tide.CancelledError, signal.wait, "SIGUSR1")
      end)
      assert.equal("SIGUSR1", signals())
    end, "SIGUSR1")
  end)

  it("is misuse of what is no signal, or none that can be waited for", function()
    local function refused(place, why, ...)
      local pattern = ("bad argument #%d to 'tide.signal.wait' %%(%s"):format(place, why)
      local given = support.pack(...)
      misuse(pattern, function() signal.wait((table.unpack or unpack)(given, 1, given.n)) end)
      pattern = pattern:gsub("wait", "iter", 1)
      misuse(pattern, function() signal.iter((table.unpack or unpack)(given, 1, given.n)) end)
    end
    refused(1, "name of a signal expected, got no value")
    refused(2, "name of a signal expected, got number", "SIGINT", 2)
    refused(1, "no such signal", "INT")
    refused(1, "no such signal", "SIGINT\0")
    for _, name in ipairs { "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGCHLD" } do
      refused(1, "a signal that cannot be waited for", name)
    end
  end)

  it("is refused in a callback and in a plain coroutine", function()
    misuse("cannot wait in a plain cor", coroutine.wrap(function() signal.wait "SIGUSR1" end))
    local err
    tide.loop():call_soon(function() err = select(2, pcall(signal.wait, "SIGUSR1")) end)
    tide.sleep(0)
    assert.matches("in a callback", err)
    support.collect()
  end)

  it("that cannot wait listens to nothing", function()
    support.collect()
    local before, why = tide.stats().handles, nil
    collectgarbage "stop"
    pcall(table.sort, { 1, 2 }, function()
      why = select(2, pcall(signal.wait, "SIGUSR1"))
    end)
    local after = tide.stats().handles
    collectgarbage "restart"
    assert.is_string(tostring(why))
    assert.equal(before, after)
  end)

  child_it("is no deadlock: one may always come", "SIGUSR1\n", [[
    tide.task(function()
      tide.sleep(0.01)
      send "SIGUSR1"
    end)
    print(tide.run(signal.wait, "SIGUSR1"))]])

  child_it("works in the main program", "SIGUSR1\n", [[
    tide.loop():call_later(0.01, send, "SIGUSR1")
    print(signal.wait "SIGUSR1")]])

  child_it("over, the signal does what it did before", "SIGTERM\n", [[
    tide.run(function()
      tide.loop():call_later(0.01, send, "SIGTERM")
      print(signal.wait "SIGTERM")
      io.stdout:flush()
      send "SIGTERM"
    end)]], 143)
end)

describe("signal.iter", function()
  it("has each that comes, from its call on, in the order of their coming", function()
    while_listening(function(signals)
      send("SIGUSR2", "SIGUSR1")
      assert.equal("SIGUSR2", signals())
      send "SIGUSR2"
      assert.equal("SIGUSR1", signals())
      assert.equal("SIGUSR2", signals())
    end, "SIGUSR1", "SIGUSR2")
  end)

  it("takes a burst of one signal for one", function()
    while_listening(function(signals)
      send("SIGUSR1", "SIGUSR1", "SIGUSR1")
      assert.equal("SIGUSR1", signals())
      assert.is_false((tide.move_on_after(0.001, signals)))
      send "SIGUSR1"
      assert.equal("SIGUSR1", signals())
    end, "SIGUSR1")
  end)

  it("a wait that is cancelled leaves what comes to the next", function()
    while_listening(function(signals)
      local waiting = tide.task(signals)
      tide.sleep(0)
      waiting:cancel()
      send "SIGUSR1"
      raises(tide.CancelledError, waiting.await, waiting)
      assert.equal("SIGUSR1", signals())
    end, "SIGUSR1")
  end)

  if _VERSION ~= "Lua 5.1" or jit then -- luacheck: ignore 113
    it("is for a `for` loop", function()
      local seen = {}
      local sender = tide.task(function()
        for _ = 1, 3 do
          send "SIGUSR1"
          tide.sleep(0.001)
        end
      end)
      local signals = signal.iter "SIGUSR1"
      for name in signals do
        seen[#seen + 1] = name
        if #seen == 3 then
          signals:close()
        end
      end
      sender:await()
      assert.same({ "SIGUSR1", "SIGUSR1", "SIGUSR1" }, seen)
    end)
  end

  if support.has_close then
    it("is closed by a `for` loop that is left", function()
      local kept
      tide.task(send, "SIGUSR1")
      for name in (function(...) kept = ... return ... end)(signal.iter "SIGUSR1") do
        if name then break end
      end
      assert.equal("Signals<closed>", tostring(kept))
    end)
  end

  it("close ends a wait with nil, and is fine again", function()
    local signals = signal.iter("SIGUSR1", "SIGHUP")
    assert.equal("Signals<SIGUSR1 SIGHUP>", tostring(signals))
    local waiting = tide.task(signals)
    tide.sleep(0)
    signals:close()
    assert.is_nil(waiting:await())
    assert.is_nil(signals())
    signals:close()
    assert.equal("Signals<closed>", tostring(signals))
  end)

  it("is closed by the collector", function()
    assert(signal.iter "SIGUSR1")
    support.collect()
    assert.equal(0, tide.stats().handles)
  end)

  it("is one task's at a time", function()
    while_listening(function(signals)
      local waiting = tide.task(signals)
      tide.sleep(0)
      local ok, err = pcall(signals)
      assert.is_false(ok)
      assert.matches("another task waits", err)
      send "SIGUSR1"
      assert.equal("SIGUSR1", waiting:await())
    end, "SIGUSR1")
  end)

  it("checks what it is called on", function()
    local signals = signal.iter "SIGUSR1"
    local close = signals.close
    signals:close()
    assert.has_error(function() close(tide.event()) end)
  end)

  child_it("what was not asked for goes to who had it before, when it is closed", "closing\n", [[
    local signals = signal.iter "SIGTERM"
    send "SIGTERM"
    print "closing"
    io.stdout:flush()
    signals:close()
    print "not here"]], 143)

  child_it("nothing of that is lost by lua_close", "closing\n", [[
    local signals = signal.iter "SIGUSR1"
    send "SIGUSR1"
    print "closing"
    io.stdout:flush()
    os.exit(0, true)
    return signals]], (_VERSION == "Lua 5.1" and not jit) and 0 or 138) -- luacheck: ignore 113

  child_it("of a loop that is closed raises", "true\nfalse\n", [[
    local signals = signal.iter "SIGUSR1"
    tide.loop():close()
    print(pcall(signals.close, signals))
    print((pcall(tide.run, signals)))]])
end)

describe("SIGPIPE", function()
  child_it("that was listened to does not end who writes afterwards", "EPIPE\nEPIPE\n", [[
    local signals = signal.iter "SIGPIPE"
    for _ = 1, 2 do
      local child = tide.process.spawn { "true", stdin = "pipe" }
      child:wait()
      print((select(3, child.stdin:write "x")))
      signals:close()
    end
  ]])
end)

describe("Ctrl-C that a script listens to", function()
  child_it("cancels nobody", "SIGINT\nSIGINT\nfalse\ttrue\n", [[
    tide.loop():set_interrupt(true)
    tide.run(function()
      for _ = 1, 2 do
        tide.loop():call_later(0.001, function() send "SIGINT" send "SIGINT" end)
        local signals = signal.iter "SIGINT"
        print(signals())
        signals:close()
      end
    end)
    local ok, err = pcall(tide.run, function()
      send "SIGINT"
      tide.sleep(10)
    end)
    print(ok, tide.is(err, tide.Interrupted))]])
end)

describe("a signal that was ignored before", function()
  it("is ignored again", function()
    local output, status = child([[
      local tide = require "tide"
      local send = require "tide.core".send_signal
      local signals = tide.signal.iter "SIGUSR1"
      send "SIGUSR1"
      print(signals())
      signals:close()
      send "SIGUSR1"
      print "alive"]], "trap '' USR1")
    assert.same({ "SIGUSR1\nalive\n", 0 }, { output, status })
  end)
end)
