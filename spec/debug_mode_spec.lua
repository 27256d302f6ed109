-- Debug mode: what runs or blocks too long, where tasks are made, what is left.
local debugging = require "tide.debug"
local common = require "spec.debug_support"
local support = require "spec.support"
local testing = require "tide.testing"
local tide = require "tide"

require("tide.busted").configure { task = false }

local entry_of, line, started = common.entry_of, common.line, common.started
local pcall = tide.pcall

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
  while os.clock() - start < 0.06 do end
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
      tide.loop().slow_callback_duration = 0.05
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
    local head = "^hog ran for %d+%.%d+ seconds without a pause, from "
    assert.matches(head .. from .. ".-, to " .. to, reports[1].message)
    assert.matches(head .. to .. ".-, to its end$", reports[2].message)
    assert.equal("hog", reports[1].task:get_name())
    assert.matches("^a callback ran for %d+%.%d+ seconds: function at "
      .. "spec/debug_mode_spec.lua:%d+$", reports[3].message)
    assert.is_string(made)
  end)

  it("tells of a task that has just begun where its function is", function()
    local place
    local function slow() busy() end
    place = "spec/debug_mode_spec.lua:" .. debug.getinfo(slow, "S").linedefined
    local reports = debugged(function()
      tide.loop().slow_callback_duration = 0.05
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
      tide.loop().slow_callback_duration = 0.05
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
      tide.loop().slow_callback_duration = 60
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
    assert.matches("spec/debug_mode_spec.lua", reports[1].created)
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
