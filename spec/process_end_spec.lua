-- How children are ended, and that nothing is left of them.
require("tide.busted").configure { clock = "real", timeout = 20 }

local tide = require "tide"
local process = require "tide.process"
local children = require "spec.process_support"
local support = require "spec.support"

local misuse, pack = support.misuse, support.pack

local it = children.it_looks(it, pending)

--- A shell that has told that it runs `command`, and the numbers that it prints
-- first.
local function start(command, options)
  local all = { "sh", "-c", command, stdout = "pipe" }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  local child = tide.check(process.spawn(all))
  local pids = {}
  for pid in child.stdout:readline():gmatch "%d+" do
    pids[#pids + 1] = tonumber(pid)
  end
  return child, pids
end

local function gone(child)
  return children.is_gone(child.pid)
end

local FAMILY = "sleep 1000 & a=$!; sleep 1000 & echo $a $!; wait"

describe("close", function()
  it("156: kills a child that runs, and leaves no zombie and no descriptor", function()
    process.run { "true" } -- libuv opens one for itself, once
    local before = children.descriptors_before()
    local child = start("trap '' TERM; echo; while :; do sleep 1000; done",
      { stdin = "pipe", stderr = "pipe", detached = true })
    child:close()
    assert.is_true(gone(child))
    assert.equal(before, children.descriptors())
    assert.same({ n = 3, nil, "signal", "SIGKILL" }, pack(child:wait()))
    assert.is_true(child.stdout:is_closing())
    child:close()
  end)

  it("156: leaves alone what has ended by itself", function()
    local child = start "echo; exit 3"
    assert.equal(3, child:wait())
    child:close()
    assert.equal(3, child:wait())
    assert.is_true(gone(child))
  end)

  it("154: kills all of a group, also when its leader has ended", function()
    local child, pids = start(FAMILY, { detached = true })
    child:close()
    assert.is_true(gone(child))
    children.wait_for_end(pids[1])
    children.wait_for_end(pids[2])
    child, pids = start("sleep 1000 & echo $!", { detached = true })
    assert.equal(0, child:wait())
    assert.equal("Z", children.state(child.pid)) -- so that nobody else has its number
    assert.is_true(children.runs(pids[1]))
    child:close()
    assert.is_true(gone(child))
    children.wait_for_end(pids[1])
  end)

  it("leaves the children of a child that has no group of its own", function()
    local child, pids = start "sleep 1000 & echo $!; wait"
    child:close()
    local is_left = children.runs(pids[1])
    os.execute("kill " .. pids[1])
    children.wait_for_end(pids[1])
    assert.is_true(is_left)
    assert.is_true(gone(child))
  end)

  it("is done when nobody has the process any more", function()
    local pid = start("echo; exec sleep 1000").pid
    for _ = 1, 3 do collectgarbage() end
    assert.is_true(children.is_gone(pid))
  end)

  it("156: is done when the loop ends", { task = false }, function()
    local output, status = support.child [[local tide = require "tide"
      tide.run(function()
        child = tide.process.spawn { "sleep", "1000" }
        print(child.pid)
      end)
      tide.loop():close()
      print(io.open("/proc/" .. child.pid .. "/stat"))
      print(pcall(child.kill, child, "SIGTERM"))
      child:close()
    ]]
    assert.equal(0, status)
    assert.matches("^%d+\nnil\t.*\nfalse\t.*the loop is closed\n$", output)
  end)

  it("156: is done when the state ends", { task = false }, function()
    local output = support.child [[local tide = require "tide"
      child = tide.process.spawn { "sleep", "1000" }
      print(child.pid)
    ]]
    assert.is_nil(children.state(tonumber(output)))
  end)

  it("is done by tide.exit", { task = false }, function()
    local output, status = support.child [[local tide = require "tide"
      tide.run(function()
        child = tide.process.spawn { "sleep", "1000", stdout = "null", stderr = "null" }
        print(child.pid)
        tide.exit(3)
      end)
    ]]
    local pid = tonumber(output)
    assert.is_false(children.can_look and children.runs(pid))
    assert.equal(3, status)
  end)
end)

describe("what is left with tide.with, as by <close>,", function()
  local CLEANS = "trap 'echo cleaned; exit 9' TERM; echo; while :; do sleep 0.01; done"

  it("may clean up", function()
    local child = start(CLEANS)
    tide.with(child, function() end)
    assert.same({ n = 1, 9 }, pack(child:wait()))
    assert.is_true(gone(child))
  end)

  it("may clean up when who left it was cancelled", function()
    local child = start(CLEANS, { detached = true })
    assert.is_false(tide.move_on_after(0.02, tide.with, child, function() tide.sleep(1000) end))
    assert.same({ n = 1, 9 }, pack(child:wait()))
    assert.is_true(gone(child))
  end)

  it("154: ends with all of its group", function()
    local child, pids = start(FAMILY, { detached = true })
    tide.with(child, function() end)
    assert.is_false(children.runs(pids[1]))
    assert.is_false(children.runs(pids[2]))
    assert.is_true(gone(child))
  end)

  it("is left alone if it has ended or was closed", function()
    local child = start "echo; exit 3"
    assert.equal(3, tide.with(child, child.wait))
    assert.equal(3, child:wait())
    child = start "echo; exec sleep 1000"
    assert.is_nil((tide.with(child, child.close)))
    assert.same({ n = 3, nil, "signal", "SIGKILL" }, pack(child:wait()))
    assert.is_true(gone(child))
  end)

  if support.has_close then
    local leave = (loadstring or load) "local _ <close> = ..."

    it("may clean up, by <close>, too", function()
      local child = start(CLEANS)
      leave(child)
      assert.same({ n = 1, 9 }, pack(child:wait()))
      assert.is_true(gone(child))
    end)

    it("is killed at once by <close> where nobody can wait", function()
      local child = start(CLEANS)
      coroutine.wrap(leave)(child)
      assert.same({ n = 3, nil, "signal", "SIGKILL" }, pack(child:wait()))
      assert.is_true(gone(child))
    end)
  end
end)

describe("terminate", function()
  it("lets it clean up", function()
    local child = start("trap 'echo cleaned; exit 9' TERM; echo; while :; do sleep 0.01; done")
    local reader = tide.task(child.stdout.read, child.stdout, -1)
    tide.sleep(0)
    assert.same({ n = 1, 9 }, pack(child:terminate()))
    reader:await()
    assert.is_true(gone(child))
  end)

  it("T46: kills it after the grace", function()
    local child = start("trap '' TERM; echo; while :; do sleep 0.01; done")
    assert.same({ n = 3, nil, "signal", "SIGKILL" }, pack(child:terminate(0.05)))
    assert.is_true(gone(child))
  end)

  it("T46: waits for all of its group, and kills what is left", function()
    local child, pids = start(FAMILY, { detached = true })
    assert.same({ n = 3, nil, "signal", "SIGTERM" }, pack(child:terminate(100)))
    assert.is_false(children.runs(pids[1]))
    assert.is_false(children.runs(pids[2]))
    child, pids = start("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done' & wait",
      { detached = true })
    assert.same({ n = 3, nil, "signal", "SIGTERM" }, pack(child:terminate(0.05)))
    assert.is_false(children.runs(pids[1]))
    assert.is_true(gone(child))
  end)

  it("ends the grace when it is cancelled, and leaves nothing", function()
    local child = start("trap '' TERM; echo; while :; do sleep 0.01; done", { detached = true })
    assert.is_false(tide.move_on_after(0.02, child.terminate, child, 1000))
    assert.is_true(gone(child))
  end)

  it("of one that has ended tells how", function()
    local child = start "echo; exit 3"
    child:wait()
    assert.equal(3, child:terminate())
    assert.equal(3, child:terminate())
  end)

  it("says what is wrong", function()
    local child = start "echo; exit 3"
    misuse("bad argument #1 to 'Process:terminate'", function() child:terminate "x" end)
    misuse("Process expected, got nil", function() child.terminate() end)
    misuse("'Process:terminate' cannot wait", coroutine.wrap(function() child:terminate() end))
    child:wait()
    child:close()
  end)
end)
