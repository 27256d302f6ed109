-- run and shell: a command from its beginning to its end.
require("tide.busted").configure { clock = "real", timeout = 20 }

local tide = require "tide"
local process = require "tide.process"
local children = require "spec.process_support"
local support = require "spec.support"

local misuse, raises = support.misuse, support.raises
local fails = children.fails
local proc_it = children.it_looks(it, pending)
local run, shell = process.run, process.shell

describe("run", function()
  it("gives code, stdout and stderr", function()
    assert.same({ code = 3, stdout = "out\n", stderr = "err\n" },
      run { "sh", "-c", "echo out; echo err >&2; exit 3" })
    assert.same({ code = 0, stdout = "", stderr = "" }, run { "true" })
  end)

  it("gives the signal that ended it", function()
    assert.same({ signal = "SIGKILL", stdout = "out\n", stderr = "" },
      run { "sh", "-c", "echo out; kill -KILL $$" })
  end)

  it("153: passes input, of any length, while the child writes both outputs", function()
    local text = ("0123456789abcde\n"):rep(100000)
    local result = run { "tee", "/dev/stderr", input = text }
    assert.equal(0, result.code)
    assert.is_true(result.stdout == text)
    assert.is_true(result.stderr == text)
    assert.equal("", run { "cat", input = "" }.stdout)
    assert.equal("a1b", run { "cat", input = { "a", 1, "b" } }.stdout)
  end)

  it("153: does not mind a child that does not read its input", function()
    local text = ("x"):rep(1000000)
    assert.equal(0, run { "true", input = text }.code)
    assert.equal(4, run { "sh", "-c", "exec <&-; sleep 0.02; exit 4", input = text }.code)
    assert.equal("x", run { "head", "-c", "1", input = text }.stdout)
  end)

  it("gives the child an empty stdin otherwise", function()
    assert.equal("", run { "cat" }.stdout)
    assert.equal("", run { "cat", stdin = "pipe" }.stdout)
  end)

  it("waits for a child that has closed its pipes", function()
    assert.same({ code = 5, stdout = "out\n", stderr = "" },
      run { "sh", "-c", "echo out; exec >&- 2>&-; sleep 0.02; exit 5" })
  end)

  it("has no output of what goes elsewhere", function()
    children.with_file(function(name)
      assert.same({ code = 0 }, run { "echo", "a", stdout = name, stderr = "null" })
      assert.equal("a\n", children.read_file(name))
      assert.same({ code = 0, stdout = "a\n" },
        run { "sh", "-c", "cat >&2", stdin = name, stderr = "stdout" })
    end)
  end)

  it("takes cwd and env", function()
    assert.same({ code = 0, stdout = "/ x\n", stderr = "" }, run { "sh", "-c", "echo $PWD $A",
      cwd = "/", env = process.environ { A = "x" } })
  end)

  it("fails as spawn does", function()
    fails("ENOENT", "^tide%-has%-none: ", run { "tide-has-none" })
    fails("ENOENT", "^/no/such: ", run { "true", stdout = "/no/such" })
  end)

  it("with check raises what went wrong", function()
    assert.equal("ok\n", run({ "echo", "ok", check = true }).stdout)
    local e = raises(tide.ProcessError, run,
      { "sh", "-c", "echo out; echo err >&2; exit 3", check = true })
    assert.equal("ProcessError: sh ended with code 3", tostring(e))
    assert.same({ 3, "out\n", "err\n" }, { e.code, e.stdout, e.stderr })
    e = raises(tide.ProcessError, shell, "kill -HUP $$", { check = true })
    assert.equal("ProcessError: 'kill -HUP $$' was killed by SIGHUP", tostring(e))
    assert.equal("SIGHUP", e.signal)
    e = raises(tide.OSError, run, { "tide-has-none", check = true })
    assert.equal("ENOENT", e.code)
  end)

  it("ends a command that says more than the limit", function()
    fails("EMSGSIZE", "longer than the limit", run { "yes", limit = 1000 })
    fails("EMSGSIZE", "longer than the limit", run { "sh", "-c", "yes >&2", limit = 1000 })
    assert.equal("12345\n", run({ "echo", "12345", limit = 6 }).stdout)
  end)

  it("does not wait for ever for who else holds its pipes, and ends them", function()
    local result = shell("sleep 1000 & echo $!", { linger = 0.02 })
    assert.equal(0, result.code)
    local pid = tonumber(result.stdout)
    assert.is_false(children.can_look and children.runs(pid))
    result = shell("sleep 0.05 & echo $!", { linger = 10 })
    assert.equal(0, result.code)
  end)

  it("has what was written even if it does not wait for more", function()
    for _ = 1, 50 do
      assert.equal("out\n", run { "echo", "out", linger = 0 }.stdout)
    end
  end)

  it("leaves alone what the command left in the background", function()
    local result = shell "sleep 1000 >/dev/null 2>&1 & echo $!"
    assert.equal(0, os.execute("kill " .. result.stdout) and 0)
  end)

  it("159: runs ten at a time, each its own", function()
    local fns = {}
    for i = 1, 10 do
      fns[i] = function() return run({ "sh", "-c", "cat; exit " .. i, input = "in " .. i }) end
    end
    for i, result in ipairs(tide.gather(fns)) do
      assert.same({ code = i, stdout = "in " .. i, stderr = "" }, result)
    end
  end)

  proc_it("155: when it is cancelled leaves nothing of its group, and no descriptor", function()
    children.with_file(function(name)
      local before = children.descriptors_before()
      local command = ("trap '' TERM; sh -c 'echo $$ >%s.new; mv %s.new %s; sleep 1000' & " ..
        "while :; do sleep 0.01; done"):format(name, name, name)
      local task = tide.task(shell, command, { grace = 0.05 })
      repeat
        tide.sleep(0.001)
        local file = io.open(name)
      until file and file:close()
      local pid = tonumber(children.read_file(name))
      assert.is_true(children.runs(pid))
      task:cancel()
      raises(tide.CancelledError, task.await, task)
      assert.is_false(children.runs(pid))
      assert.equal(before, children.descriptors())
    end)
  end)

  it("155: in a scope that is cancelled starts nothing", function()
    children.with_file(function(name)
      assert.is_false(tide.scope(function(scope)
        scope:cancel()
        run { "true", stdout = name }
      end))
      assert.is_nil(io.open(name))
    end)
  end)

  it("when it is cancelled lets the command clean up", function()
    children.with_file(function(name)
      local command = ("trap 'echo cleaned >%s; exit' TERM; " ..
        "echo; while :; do sleep 0.01; done"):format(name)
      assert.is_false(tide.move_on_after(0.1, shell, command))
      assert.equal("cleaned\n", children.read_file(name))
    end)
  end)

  it("works outside of tasks", { task = false }, function()
    assert.equal("a\n", run({ "echo", "a" }).stdout)
  end)

  it("starts nothing where it cannot wait, and says why", function()
    children.with_file(function(name)
      local ok, message = pcall(string.gsub, "x", "x", function()
        return run { "touch", name }.code
      end)
      assert.is_false(ok)
      assert.matches("'tide.process.run' cannot wait inside the C function 'string.gsub'", message)
      assert.is_nil(io.open(name))
    end)
  end)

  it("says what is wrong", function()
    local in_run = " to 'tide.process.run' "
    local function wrong(message, options)
      misuse(message, function() run(options) end)
    end
    wrong("bad argument #1" .. in_run .. "%(table expected, got string%)", "true")
    wrong("bad argument #1" .. in_run .. "%(it names no command%)", {})
    wrong("bad option 'input'" .. in_run .. "%(string or list expected, got boolean%)",
      { "true", input = true })
    wrong("bad option 'input'" .. in_run .. "%(item 2: string expected, got table%)",
      { "true", input = { "a", {} } })
    wrong("bad option 'stdin'" .. in_run .. "%(there is an 'input'%)",
      { "true", input = "a", stdin = "null" })
    wrong("bad option 'limit'" .. in_run, { "true", limit = 0 })
    wrong("bad option 'grace'" .. in_run, { "true", grace = "x" })
    wrong("bad option 'linger'" .. in_run, { "true", linger = 0 / 0 })
    wrong("bad option 'cwd'" .. in_run, { "true", cwd = 1 == 1 })
    misuse("bad argument #1 to 'tide.process.shell'", function() shell {} end)
    misuse("bad argument #2 to 'tide.process.shell'", function() shell("true", "x") end)
    misuse("'tide.process.run' cannot wait in a plain cor", coroutine.wrap(function() run {} end))
  end)
end)

describe("shell", function()
  it("quotes nothing", function()
    assert.equal("a b\n", shell("echo $X b", { env = { X = "a" } }).stdout)
    assert.equal("2\n", shell "printf 'a\\nb\\n' | wc -l | tr -d ' '".stdout)
  end)

  it("names the beginning of a long command that failed", function()
    local e = raises(tide.ProcessError, shell, "exit 3\necho", { check = true })
    assert.equal("ProcessError: 'exit 3...' ended with code 3", tostring(e))
    e = raises(tide.ProcessError, shell, "exit 3 #" .. ("x"):rep(100), { check = true })
    assert.matches("^ProcessError: 'exit 3 #x+%.%.%.' ended with code 3$", tostring(e))
    assert.is_true(#e.message < 100)
  end)

  it("takes what run takes", function()
    assert.equal("IN", shell("tr a-z A-Z", { input = "in" }).stdout)
  end)
end)

describe("an interrupt", function()
  -- The shell is the terminal: what it sends to one process, a terminal sends to
  -- a group, in which what `run` runs is not.
  local function interrupted(code)
    return support.child([[local tide = require "tide"
      local process = tide.process
      local command = "trap 'echo int; exit 7' INT; trap 'echo term; exit 8' TERM; " ..
        "kill -INT $PPID; while :; do sleep 0.01; done"
    ]] .. code)
  end

  it("is passed on to what run runs", { task = false }, function()
    local output, status = interrupted [[
      tide.loop():set_interrupt(true)
      print(pcall(tide.run, function()
        local ok, err = tide.pcall(process.shell, command, { stdout = "inherit" })
        print(ok, err)
        error(err, 0)
      end))
    ]]
    assert.equal(0, status)
    assert.matches("^int\nfalse\tCancelledError[^\n]*\nfalse\tInterrupted", output)
  end)

  it("is passed on to it, and then ends a program that does not catch it", function()
    children.with_file(function(name)
      local _, status = interrupted(([[
        require "tide.core".default_signal "SIGINT"
        process.shell((command:gsub("echo int", "echo int >%s")))
        print "not here"
      ]]):format(name))
      assert.equal(130, status)
      while not io.open(name) do
        tide.sleep(0.001)
      end
    end)
  end)

  it("is not passed on to what asked not to be in a group of its own", { task = false }, function()
    local output = interrupted [[
      tide.loop():set_interrupt(true)
      print(pcall(tide.run, function()
        process.shell(command, { stdout = "inherit", detached = false })
      end))
    ]]
    assert.matches("^term\nfalse\tInterrupted", output)
  end)
end)
