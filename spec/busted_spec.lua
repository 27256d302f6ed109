-- tide.busted, seen from outside: a busted of its own runs small spec files.
local support = require "spec.support"

require("tide.busted").configure { task = false }

local BUSTED = arg[0]

local function write(name, text)
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
end

--- Runs busted with those arguments in a folder with those files, a single one
-- being a_spec.lua: its output, both streams, and exit status.
local function busted(arguments, files)
  if type(files) == "string" then
    files = { ["a_spec.lua"] = files }
  end
  local folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. folder))
  for name, text in pairs(files) do
    write(folder .. "/" .. name, text)
  end
  local pipe = assert(io.popen(("cd %s && "
    .. "if command -v timeout >/dev/null; then t='timeout 20'; fi; "
    .. "$t %s %s -o plainTerminal %s . </dev/null 2>&1; echo \"exit $?\"; rm -r %s"):format(folder,
    support.interpreter(), BUSTED, arguments, folder)))
  local output = pipe:read("*a")
  pipe:close()
  local text, status = output:match("^(.*)exit (%d+)\n$")
  return text, tonumber(status)
end

local HELPER = "--helper=tide.busted"

local function counts(output)
  local list = {}
  for n in output:match("\n(%d+ success[^:]*)"):gmatch("%d+") do
    list[#list + 1] = tonumber(n)
  end
  return table.concat(list, " ")
end

local function has(output, ...)
  for _, text in ipairs { ... } do
    assert(output:find(text, 1, true), ("no '%s' in:\n%s"):format(text, output))
  end
end

--- All tests of the files must pass: how many there are.
local function passes(n, arguments, files)
  local output, status = busted(arguments, files)
  assert.equal(n .. " 0 0 0", counts(output), output)
  assert.equal(0, status)
  return output
end

describe("with the helper", function()
  it("tests and hooks run as tasks, those of one test in the same", function()
    passes(4, HELPER, [[
      local tide = require "tide"
      local lock, var, task, seen, log = tide.lock(), tide.var(), nil, nil, {}
      local function note(name)
        tide.sleep(0)
        assert(tide.current_task())
        log[#log + 1] = name
      end
      describe("all", function()
        setup(function() note "setup" end)
        lazy_setup(function() note "lazy_setup" end)
        teardown(function() note "teardown" end)
        lazy_teardown(function() note "lazy_teardown" end)
        before_each(function()
          note "before"
          task = tide.current_task()
          lock:acquire()
          var:set("mine")
          seen = tide.task(function() tide.sleep(1000) end)
        end)
        after_each(function()
          note "after"
          assert.equal(task, tide.current_task())
          seen:cancel()
          lock:release()
        end)
        for _, declare in ipairs { it, test, spec } do
          declare("has what before_each made", function()
            note "it"
            finally(function()
              note "finally"
              assert.equal(task, tide.current_task())
            end)
            assert.equal(task, tide.current_task())
            assert.equal("mine", var:get())
            assert.is_false(seen:done())
          end)
        end
      end)
      it("in order", function()
        local one = " before it finally after"
        assert.equal("setup lazy_setup" .. one:rep(3) .. " lazy_teardown teardown",
          table.concat(log, " "))
      end)]])
  end)

  it("what busted reports is what it reports without", function()
    local text = [[
      local function deeper() error("deeper", 2) end
      describe("a block", function()
        it("fails", function() assert.equal(1, 2) end)
        it("fails in a call", function()
          local function call() assert.is_true(false, "because") end
          call()
        end)
        it("raises a string", function() error "text" end)
        it("raises at its caller's line", function()
          deeper()
        end)
        it("raises a string without a place", function() error("bare", 0) end)
        it("raises a table", function()
          error({ code = 5 })
        end)
        it("raises an object", function()
          error(setmetatable({}, { __tostring = function() return "object" end }))
        end)
        it("raises nil", function() error() end)
        it("indexes nil", function() local t = nil; return t.x end)
        it("is pending", function() pending("for now") end)
        it("is refused", function() it("inside", function() end) end)
        pending("all of it")
        it("has a name only")
        it "is curried" (function() assert.is_nil(1) end)
        it(function() assert.is_nil(2) end)
        it("fails in finally", function() finally(function() error "in finally" end) end)
        describe("with hooks", function()
          before_each(function() error "in before_each" end)
          it("does not run", function() error "in vain" end)
        end)
        describe("with others", function()
          after_each(function()
            assert.equal(3, 4)
          end)
          it("runs", function() end)
        end)
        describe("set up", function()
          setup(function() error({}) end)
          it("does not run", function() error "in vain" end)
        end)
      end)]]
    local function plain(output)
      return (output:gsub(" : [%d.]+ seconds", ""))
    end
    local expected, expected_status = busted("", text)
    local output, status = busted(HELPER, text)
    assert.equal(plain(expected), plain(output))
    assert.equal(expected_status, status)
    has(output, "a_spec.lua:3: Expected", "a_spec.lua:10: deeper", "a_spec.lua:12: bare",
      "a_spec.lua:14: {", "a_spec.lua:19: Nil error")
  end)

  it("an error after an await has its line, however it was raised", function()
    local output, status = busted(HELPER, [[
      local tide = require "tide"
      it("fails", function()
        tide.sleep(0)
        assert.equal(1, 2)
      end)
      it("raises a table", function()
        tide.sleep(0)
        error({ code = 5 })
      end)
      it("raises what a task raised", function()
        tide.task(function() error("bare", 0) end):await()
      end)
      it("is cancelled", function()
        tide.current_task():cancel()
        tide.sleep(1)
      end)
      it("waits in vain", function()
        tide.future():await()
      end)
      it("goes on", function() tide.sleep(0) end)]])
    assert.equal("1 1 4 0", counts(output))
    assert.is_true(status > 0)
    has(output, "a_spec.lua:4: Expected", "a_spec.lua:8: {", "a_spec.lua:11: bare",
      "a_spec.lua:15: CancelledError", "a_spec.lua:18: DeadlockError: nothing can wake")
  end)

  it("options: clock, seed, timeout; of a test, a hook, a block, all", function()
    local output, status = busted(HELPER, [[
      local tide = require "tide"
      local virtual = { clock = "virtual" }
      require("tide.busted").configure { timeout = 300 }
      it("jumps", virtual, function() tide.sleep(299) end)
      it("keeps its real time", function()
        local start = tide.loop():time()
        for _ = 1, 1e7 do end
        assert.is_true(tide.loop():time() > start)
      end)
      it("is late", { clock = "virtual", timeout = 5 }, function()
        tide.task(tide.sleep, 5.5):set_name("beside it")
        tide.sleep(100)
      end)
      it("catches", { clock = "virtual", timeout = 5 }, function() tide.pcall(tide.sleep, 99) end)
      describe("a block", { clock = "virtual", timeout = 7 }, function()
        before_each(function() tide.sleep(6) end)
        before_each({ timeout = 9 }, function() tide.sleep(8) end)
        it("has its options", function() tide.sleep(6) end)
        context("inside", function()
          it("has its own, too", { timeout = 100 }, function() tide.sleep(50) end)
          it "and may be curried" (function() tide.sleep(6) end)
          it("or late", function() tide.sleep(8) end)
        end)
      end)
      it("is outside of the block", virtual, function() tide.sleep(50) end)
      it("is plain", { task = false }, function() assert.is_nil(tide.current_task()) end)
      it("is curried" , { clock = "virtual" }) (function() tide.sleep(50) end)
      local orders = {}
      for i, seed in ipairs { 7, 7, 8 } do
        it("is seeded", { seed = seed }, function()
          local order = {}
          for k = 1, 9 do
            tide.task(function() order[#order + 1] = k end)
          end
          tide.sleep(0)
          orders[i] = table.concat(order)
        end)
      end
      it("in that order", function()
        assert.equal(orders[1], orders[2])
        assert.is_not.equal(orders[1], orders[3])
      end)]])
    assert.equal("12 0 3 0", counts(output), output)
    assert.is_true(status > 0)
    has(output, "Error -> ./a_spec.lua @ 10",
      "a_spec.lua:12: TimeoutError: timed out after 5 s; the tasks were then:", "beside it",
      "a_spec.lua:14: TimeoutError: timed out after 5 s",
      "a_spec.lua:22: TimeoutError: timed out after 7 s")
  end)

  it("options that are none are refused at their line", function()
    local output = busted(HELPER, {
      ["a_spec.lua"] = [[it("x", { clok = "virtual" }, function() end)]],
      ["b_spec.lua"] = [[describe("x", { timeout = 0 }, function() end)]],
      ["c_spec.lua"] = [[it("x", require("tide.busted").async({ seed = "7" }, print))]],
      ["d_spec.lua"] = [[require("tide.busted").configure(5)]],
      ["e_spec.lua"] = [[before_each({ clock = "slow" }, function() end)]],
    })
    has(output, "a_spec.lua:1: bad argument #2 to 'it' (unknown option 'clok')",
      "b_spec.lua:1: bad argument #2 to 'describe' (timeout: a number of seconds expected)",
      "c_spec.lua:1: bad argument #1 to 'busted.async' (seed: a number from 0 up expected)",
      "d_spec.lua:1: bad argument #1 to 'busted.configure' (table expected, got number)",
      "e_spec.lua:1: bad argument #1 to 'before_each' (clock: 'virtual' or 'real' expected)")
  end)

  it("luassert's errors, spies and stubs work around awaits", function()
    passes(4, HELPER, [[
      local tide = require "tide"
      local function late(err) tide.sleep(0.001) error(err, 0) end
      it("has_error", function()
        assert.has_error(function() late "x" end, "x")
        assert.error(function() late { code = 5 } end, { code = 5 })
        assert.has_no.errors(function() tide.sleep(0) end)
        assert.error_matches(function() late "some text" end, "ext$")
        assert.is_false((pcall(assert.has_error, function() end)))
      end)
      it("a failing one fails", function()
        local ok, err = tide.pcall(assert.has_no_error, function() late "x" end)
        assert.is_false(ok)
        assert.matches("Expected no error", tostring(err))
      end)
      it("spies", function()
        local spied = spy.new(function(v) tide.sleep(0) return v end)
        assert.equal(5, spied(5))
        assert.spy(spied).was.called_with(5)
      end)
      it("stubs", function()
        local t = { f = function() end }
        stub(t, "f", function() tide.sleep(0) return 7 end)
        assert.equal(7, t.f())
        assert.stub(t.f).was.called(1)
        t.f:revert()
      end)]])
  end)
end)

describe("what a test leaves", function()
  it("fails it, named, and does not harm the next", function()
    local output, status = busted(HELPER, [[
      local tide = require "tide"
      it("leaves a task", function()
        tide.task(function()
          tide.sleep(1000)
        end):set_name("forgotten")
        tide.sleep(0)
      end)
      it("leaves a park", function()
        tide.task(function()
          tide.park(function() end)
        end)
        tide.sleep(0)
      end)
      it("leaves a call", function()
        tide.loop():call_later(1000, function() end)
      end)
      it("leaves an error", function()
        tide.task(function() error("unheard", 0) end)
        tide.sleep(0)
      end)
      it("leaves an error of a callback", function()
        tide.loop():call_soon(error, "called", 0)
        tide.sleep(0)
      end)
      it("leaves a stubborn one", { clock = "virtual" }, function()
        tide.task(function() while true do tide.pcall(tide.sleep, 1000) end end)
        tide.sleep(0)
      end)
      it("leaves nothing", function()
        local task = tide.task(tide.sleep, 1000)
        finally(function() task:cancel() end)
        assert.equal(2, tide.stats().tasks)
        assert.equal(0, tide.stats().timers)
        tide.sleep(0)
      end)
      it("is not asked when it has failed", function()
        tide.task(tide.sleep, 1000)
        error "failed"
      end)
      it("plain", { task = false }, function() tide.task(tide.sleep, 1000) tide.sleep(0) end)]])
    assert.equal("1 7 1 0", counts(output), output)
    assert.is_true(status > 0)
    has(output, "Failure -> ./a_spec.lua @ 2",
      "left: Task<forgotten pending in sleep> at ./a_spec.lua:4",
      "pending in park> at ./a_spec.lua:10", "left: a delayed call of ./a_spec.lua:15",
      "failed and nobody awaited it: unheard", "error in a callback: called")
    assert.is_nil(output:find("leaves nothing", 1, true))
  end)

  it("is counted after its after_each", function()
    local output = busted(HELPER, [[
      local tide = require "tide"
      local task
      describe("with after_each", function()
        after_each(function() task:cancel() end)
        it("leaves none", function() task = tide.task(tide.sleep, 1000) end)
        it("leaves one", function()
          task = tide.task(tide.sleep, 1000)
          tide.task(tide.sleep, 1000)
        end)
      end)
      describe("in after_each", function()
        after_each(function() tide.task(tide.sleep, 1000) end)
        it("is left, too", function() end)
      end)]])
    assert.equal("1 2 0 0", counts(output), output)
    has(output, "leaves one\nleft: Task<task-", "is left, too\nleft: Task<task-")
  end)

  it("a block's setup may start tasks that its teardown ends", function()
    local output = busted(HELPER, [[
      local tide = require "tide"
      local task
      describe("a block", function()
        setup(function() task = tide.task(tide.sleep, 1000) end)
        teardown(function() task:cancel() end)
        it("has it", function() tide.sleep(0) assert.is_false(task:done()) end)
        describe("inside", function()
          it("has it, too", function() tide.sleep(0) assert.is_false(task:done()) end)
        end)
      end)
      describe("another", function()
        lazy_setup(function() tide.task(function() tide.sleep(1000) end):set_name("in setup") end)
        it("runs", function() end)
      end)
      it("is over", function() assert.equal(1, tide.stats().tasks) end)]])
    assert.equal("4 0 1 0", counts(output), output)
    has(output, "another\nleft: Task<in setup pending in sleep> at ./a_spec.lua:12")
  end)
end)

describe("without the helper", function()
  local inside = [[it("is a task", function() assert(require("tide").current_task()) end)]]
  local outside = [[it("is none", function() assert.is_nil(require("tide").current_task()) end)]]

  it("the file that requires it has it, and no other", function()
    local files = {
      ["a_spec.lua"] = outside,
      ["b_spec.lua"] = [[require "tide.busted"
        it("jumps", { clock = "virtual" }, function() require("tide").sleep(1000) end)
        ]] .. inside,
      ["c_spec.lua"] = outside,
      ["d_spec.lua"] = [[describe("x", function() require "tide.busted" ]] .. inside .. " end)",
      ["e_spec.lua"] = [[insulate("x", function() require "tide.busted" ]] .. inside .. [[ end)
        describe("y", function() ]] .. outside .. " end)",
      ["f_spec.lua"] = outside,
    }
    passes(8, "", files)
    assert.equal(3, select(2, passes(8, "--repeat=3", files):gsub("\n8 successes", "")))
  end)

  it("it is refused where it cannot work", function()
    local output, status = support.child([[require "tide.busted"]])
    has(output, "tide.busted: busted is not running")
    assert.equal(1, status)
    output, status = busted("", [[require("tide").run(require, "tide.busted")]])
    has(output, "tide.busted: tests have a loop to themselves")
    assert.is_true(status > 0)
  end)

  it("async makes a task of one function", function()
    passes(4, "", [[
      local tide = require "tide"
      local async = require("tide.busted").async
      require("tide.busted").configure { task = false }
      describe("x", function()
        local task
        before_each(async(function() tide.sleep(0) task = tide.current_task() end))
        it("is one", async(function() assert.equal(task, tide.current_task()) end))
        it("has options", async({ clock = "virtual" }, function() tide.sleep(1000) end))
        it("is none", function() assert.is_nil(tide.current_task()) end)
        it("by its table", async(setmetatable({}, { __call = function()
          assert.equal(task, tide.current_task())
        end })))
      end)]])
  end)
end)

describe("the page", function()
  it("has examples that pass", function()
    local page = assert(io.open("doc/busted.md"))
    local files, n = {}, 0
    for code in page:read("*a"):gmatch("```lua no%-run[^\n]*\n(.-)```") do
      n = n + 1
      files[("page%d_spec.lua"):format(n)] = code
    end
    page:close()
    passes(4, HELPER, files)
  end)
end)

describe("the command line", function()
  local text = [[
    local tide = require "tide"
    for i = 1, 5 do
      describe("block " .. i, function()
        it("sleeps", { clock = "virtual" }, function() tide.sleep(i) end)
        it("fails #tag", function() tide.sleep(0) assert.equal(i, 3) end)
      end)
    end]]

  it("--repeat, --shuffle, --sort, --tags, --no-auto-insulate", function()
    for _, arguments in ipairs { "", "--repeat=2", "--shuffle", "--sort", "--no-auto-insulate" } do
      local output, status = busted(HELPER .. " " .. arguments, text)
      assert.equal("6 4 0 0", counts(output), output)
      assert.is_true(status > 0)
    end
    assert.equal("1 4 0 0", counts((busted(HELPER .. " --tags=tag", text))))
    assert.equal("1 1 0 0", counts((busted(HELPER .. " --no-keep-going", text))))
    has(busted(HELPER .. " --list", text), "block 1 sleeps", "block 5 fails")
  end)

  it("the other output handlers", function()
    local output = busted(HELPER .. " -o TAP", text)
    has(output, "1..10", "not ok", "block 1 fails")
    has(busted(HELPER .. " -o junit", text), "tests='10'", "failures='4'")
    has(busted(HELPER .. " -o gtest", text), "4 FAILED TESTS", "6 tests.")
    has(busted(HELPER .. " -o json", text), '"successes"', "block 1 fails")
  end)

  it("an interrupt ends the test, cleanup and all, and what comes is not begun", function()
    local output, status = busted(HELPER, [[
      local tide = require "tide"
      describe("x", function()
        before_each(function() print "before" end)
        after_each(function() tide.sleep(0) print "after" end)
        it("is interrupted", function()
          os.execute("(sleep 0.1; kill -INT $PPID) >/dev/null 2>&1 &")
          tide.finally(tide.sleep, function() tide.sleep(0) print "cleaned up" end, 10)
        end)
        it("does not begin", function() print "begun" end)
      end)
      teardown(function() print "torn down" end)
      it("nor does this", function() print "begun" end)]])
    assert.equal("0 0 1 2", counts(output), output)
    assert.is_true(status > 0)
    has(output, "Interrupted: interrupted", "cleaned up", "after", "torn down")
    assert.is_nil(output:find("begun", 1, true))
    assert.equal(1, select(2, output:gsub("before\n", "")))
  end)
end)
