-- examples/process: a build runner and a supervisor.
require("tide.busted").configure { clock = "real", timeout = 20 }

local tide = require "tide"
local children = require "spec.process_support"
local support = require "spec.support"
local command = require "spec.command_support"

local function example(name)
  return dofile("examples/process/" .. name .. ".lua")
end

local function noted()
  local lines = {}
  return lines, function(line) lines[#lines + 1] = line end
end

local function job(name, text)
  return { name = name, command = { "sh", "-c", text } }
end

describe("the build runner", function()
  local build = example "build".build

  it("shows what each job says, and tells which failed", function()
    local lines, note = noted()
    local ok, failed = build({
      job("a", "echo one; echo two >&2"), job("b", "echo bad; exit 2"), job("c", "kill -9 $$"),
    }, 2, note)
    assert.is_false(ok)
    assert.same({ "b", "c" }, failed)
    table.sort(lines)
    assert.same({ "a: one", "a: two", "b: bad", "b: failed (2)", "c: failed (signal SIGKILL)" },
      lines)
    assert.is_true(build({ job("a", "true") }, 8, note))
    lines, note = noted()
    local long = "head -c 300000 /dev/zero | tr '\\0' x; echo; echo after"
    assert.is_true(build({ job("a", long) }, 1, note))
    assert.equal("a: after", lines[2])
  end)

  it("shows it live, and runs no more than so many at a time", function()
    local jobs, now, most, ended, go = {}, 0, 0, 0, os.tmpname()
    os.remove(go)
    for i = 1, 20 do
      jobs[i] = job("job " .. i,
        ("echo begin; until test -e %s; do sleep 0.01; done; echo end"):format(go))
    end
    assert.is_true(build(jobs, 8, function(line)
      now = now + (line:match "begin$" and 1 or -1)
      ended = ended + (line:match "end$" and 1 or 0)
      most = math.max(most, now)
      if now == 8 then -- which wait until all of them run
        io.open(go, "w"):close()
      end
    end))
    os.remove(go)
    assert.equal(20, ended)
    assert.equal(8, most)
  end)

  it("ends all of them when it is cancelled", function()
    local jobs, pids, all = {}, {}, tide.event()
    for i = 1, 10 do
      jobs[i] = job("job", "trap '' INT; sleep 1000 & echo $!; wait")
    end
    local building = tide.task(build, jobs, 8, function(line)
      pids[#pids + 1] = tonumber(line:match "%d+$")
      if #pids == 8 then all:set() end
    end)
    all:wait()
    building:cancel()
    support.raises(tide.CancelledError, building.await, building)
    for _, pid in ipairs(pids) do
      assert.is_false(children.can_look and children.runs(pid))
    end
  end)
end)

describe("the supervisor", function()
  local supervise = example "supervisor".supervise

  it("starts what crashed again, later each time, until it ends well", function()
    children.with_file(function(name)
      local lines, note = noted()
      local text = ("echo x >>%s; test $(wc -l <%s) -ge 4"):format(name, name)
      assert.equal(4, supervise({ "sh", "-c", text }, { least = 0.001, most = 0.002 }, note))
      assert.equal("x\nx\nx\nx\n", children.read_file(name))
      assert.equal(3, #lines)
      assert.equal("ended with 1, again in 0.001 s", lines[1])
    end)
  end)

  it("gives up after so many", function()
    local lines, note = noted()
    local ok, message = supervise({ "sh", "-c", "kill -9 $$" },
      { least = 0, most = 0, tries = 2 }, note)
    assert.same({ nil, "it does not stay up" }, { ok, message })
    assert.equal("ended with signal SIGKILL, again in 0 s", lines[2])
  end)

  it("ends the command when it is cancelled", function()
    assert.is_false(tide.move_on_after(0.02, supervise, { "sleep", "1000", detached = true },
      { least = 1, most = 1 }, print))
  end)
end)

describe("the programs", function()
  setup(command.setup)
  teardown(command.teardown)

  it("run from the command line", { task = false }, function()
    assert.same({ "", "", 0 },
      { command.run { "examples/process/supervisor.lua", "true" } })
    local out, _, status = command.run { "examples/process/build.lua", "no-such-file.c" }
    assert.equal(1, status)
    assert.matches("no%-such%-file%.c: failed", out)
  end)
end)
