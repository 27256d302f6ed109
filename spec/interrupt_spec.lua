local support = require "spec.support"

require("tide.busted").configure { task = false }

local child = support.child

--- A child that prints `expected` and ends with status 0.
local function child_it(title, expected, code)
  it(title, function()
    local output, status = child(code)
    assert.equal(expected, output)
    assert.equal(0, status)
  end)
end

describe("SIGINT with set_interrupt", function()
  -- os.execute would ignore the signal meanwhile.
  local interrupt = [[local tide = require "tide"
    local function interrupt() io.popen("kill -INT $PPID"):close() end
  ]]

  child_it("163: cancels main, runs its cleanup, run raises Interrupted; and again",
    "cleanup\nfalse\ttrue\ncleanup\nfalse\ttrue\n", interrupt .. [[
    tide.loop():set_interrupt(true)
    for _ = 1, 2 do
      local ok, err = pcall(tide.run, function()
        tide.finally(function()
          interrupt()
          tide.sleep(10)
        end, function() tide.sleep(0.001) print "cleanup" end)
      end)
      print(ok, tide.is(err, tide.Interrupted))
    end]])

  child_it("ends a wait of the main program", "false\ttrue\nx\n", interrupt .. [[
    tide.loop():set_interrupt(true)
    tide.loop():call_later(0.01, interrupt)
    local ok, err = pcall(tide.sleep, 10)
    print(ok, tide.is(err, tide.Interrupted))
    print(tide.sleep(0.001, "x"))]])

  child_it("163: is not lost if main catches it, or ends without an await",
    "false\ttrue\nfalse\ttrue\nfalse\ttrue\n", interrupt .. [[
    tide.loop():set_interrupt(true)
    for _, main in ipairs {
      function()
        interrupt()
        pcall(tide.sleep, 10)
        pcall(tide.sleep, 10)
        tide.sleep(10)
      end,
      function() interrupt() pcall(tide.sleep, 10) return "caught" end,
      interrupt,
    } do
      local ok, err = pcall(tide.run, main)
      print(ok, tide.is(err, tide.Interrupted))
    end]])

  child_it("163: of a main that was cancelled already, or fails, changes nothing",
    "CancelledError: cancelled: own\nfailed\nCancelledError: cancelled: own\nnext\n",
    interrupt .. [[
    tide.loop():set_interrupt(true)
    local function ends(main) return select(2, pcall(tide.run, main)) end
    print(ends(function()
      local main = tide.current_task()
      tide.task(function() main:cancel("own") interrupt() end)
      tide.sleep(10)
    end))
    print(ends(function() interrupt() pcall(tide.sleep, 10) error("failed", 0) end))
    print(ends(function()
      tide.current_task():cancel("own")
      tide.finally(function() tide.sleep(10) end, function() interrupt() tide.sleep(0.001) end)
    end))
    print(ends(function() return tide.sleep(0, "next") end))]])

  it("off again, or never on, it ends the process as before", function()
    for _, code in ipairs { "tide.loop():set_interrupt(false)", "tide.loop():close()",
      "tide.loop():set_interrupt(false) tide.loop():set_interrupt(false)" } do
      local output, status = child(interrupt .. "tide.loop():set_interrupt(true)" .. code .. [[
        print "before"
        io.stdout:flush()
        interrupt()
        for _ = 1, 1e8 do end
        print "after"]])
      assert.matches("before", output)
      assert.not_matches("after", output)
      assert.not_equal(0, status)
    end
  end)

  it("a second one while the first is not heard goes to the handler of before", function()
    local output, status = child(interrupt .. [[
      tide.loop():set_interrupt(true)
      tide.run(function()
        interrupt()
        interrupt()
      end)
      for _ = 1, 1e8 do end]])
    assert.matches("interrupted!", output) -- what the lua program's own handler says
    assert.not_equal(0, status)
  end)
end)
