-- Children: how they begin, what they have, how they are seen to end.
require("tide.busted").configure { clock = "real", timeout = 20 }

local tide = require "tide"
local process = require "tide.process"
local children = require "spec.process_support"
local support = require "spec.support"

local misuse, pack = support.misuse, support.pack
local fails = children.fails
local proc_it = children.it_looks(it, pending)
local spawn = process.spawn

local function sh(command, options)
  local all = { "sh", "-c", command }
  for key, value in pairs(options or {}) do
    all[key] = value
  end
  return tide.check(spawn(all))
end

--- What a command of the shell writes to its stdout.
local function output_of(command, options)
  options = options or {}
  options.stdout = "pipe"
  local child = sh(command, options)
  local text = child.stdout:read(-1)
  child:wait()
  child:close()
  return text
end

local function ends(child, ...)
  local got, expected = pack(child:wait()), pack(...)
  child:close()
  assert.same(expected, got)
end

describe("spawn", function()
  it("gives a process that ends with a code", function()
    ends(sh "exit 0", 0)
    ends(sh "exit 3", 3)
    ends(tide.check(spawn { "true" }), 0)
  end)

  it("154: gives one that a signal ends", function()
    ends(sh "kill -TERM $$", nil, "signal", "SIGTERM")
    ends(sh "kill -KILL $$", nil, "signal", "SIGKILL")
  end)

  it("passes arguments as they are", function()
    local child = tide.check(spawn { "printf", "%s|", "a b", "$HOME", "'\"\\", "", 12,
      stdout = "pipe" })
    assert.equal("a b|$HOME|'\"\\||12|", child.stdout:read(-1))
    ends(child, 0)
  end)

  it("tells the number of the child", function()
    local child = sh("echo $$", { stdout = "pipe" })
    assert.equal(tostring(child.pid), child.stdout:readline())
    assert.matches("^Process<" .. child.pid .. " %a+>$", tostring(child))
    ends(child, 0)
    assert.equal("Process<" .. child.pid .. " ended>", tostring(child))
  end)

  it("157: fails where there is no such command, and leaves nothing open", function()
    local before = children.descriptors_before()
    for _, options in ipairs { {}, { stdout = "pipe", stderr = "pipe", stdin = "pipe" } } do
      options[1] = "tide-has-no-such-command"
      fails("ENOENT", "^tide%-has%-no%-such%-command: ", spawn(options))
    end
    assert.equal(before, children.descriptors())
  end)

  it("fails where it may not be run", function()
    children.with_file(function(name)
      children.write_file(name, "true\n")
      fails("EACCES", name, spawn { name })
    end)
  end)

  it("fails where the folder is not there", function()
    fails("ENOENT", "^/no/such/folder: ", spawn { "true", cwd = "/no/such/folder" })
    fails("ENOENT", "^tide%-has%-none: ", spawn { "tide-has-none", cwd = "/" })
  end)

  it("157: fails where a path cannot be opened, and leaves nothing open", function()
    local before = children.descriptors_before()
    fails("ENOENT", "^/no/such/file: ", spawn { "true", stdin = "/no/such/file" })
    fails("ENOENT", "^/no/such/file: ",
      spawn { "true", stdin = "pipe", stdout = "pipe", stderr = "/no/such/file" })
    fails("EBADF", "bad file", spawn { "true", stdin = "pipe", stdout = 250 })
    assert.equal(before, children.descriptors())
  end)

  it("fails where there are no descriptors left, and leaves those that it took",
    { task = false }, function()
    local output, status = support.child([[local tide = require "tide"
      local spawn = tide.process.spawn
      local children, message, code = {}, nil, nil
      repeat
        local child
        child, message, code = spawn { "sh", "-c", "cat; exit 3", stdin = "pipe",
          stdout = "pipe", stderr = "pipe" }
        children[#children + 1] = child
      until not child
      print(code, message)
      for _, child in ipairs(children) do
        child.stdin:shutdown()
        assert(child:wait() == 3)
        child:close()
      end
      tide.sleep(0)
      local n = #children
      for i = 1, n do
        children[i] = assert(spawn { "cat", stdin = "pipe", stdout = "pipe", stderr = "pipe" })
      end
      print(n > 0)
    ]], "ulimit -n 30")
    assert.equal("EMFILE\ttoo many open files\ntrue\n", output)
    assert.equal(0, status)
  end)

  it("runs it in another folder", function()
    assert.equal("/\n", output_of("pwd", { cwd = "/" }))
  end)

  it("gives it another environment, or this one with changes", function()
    local show = 'echo "$TIDE_A $TIDE_B ${HOME+home}"'
    assert.equal("1 two \n", output_of(show, { env = { TIDE_A = 1, TIDE_B = "two" } }))
    local env = process.environ { TIDE_A = "x", HOME = false, TIDE_B = false }
    assert.equal(os.getenv "PATH", env.PATH)
    assert.equal("x  \n", output_of(show, { env = env }))
    assert.equal(os.getenv "HOME", process.environ().HOME)
  end)

  proc_it("makes it the leader of a group if it is detached", function()
    local show = "cut -d' ' -f5,6 /proc/$$/stat"
    local child = sh(show, { stdout = "pipe", detached = true })
    assert.equal(("%d %d\n"):format(child.pid, child.pid), child.stdout:read(-1))
    ends(child, 0)
    assert.are_not.equal(tostring(child.pid), (output_of(show):match "^%d+"))
  end)

  local id = io.popen "id -u"
  local root_it = support.it_if(id:read "*l" == "0", "to be root", it, pending)
  id:close()

  root_it("gives it another user and group", function()
    assert.equal("65534 65533\n",
      output_of("echo $(id -u) $(id -g)", { uid = 65534, gid = 65533 }))
  end)

  it("says what is wrong at the caller's line", function()
    local function wrong(message, options)
      misuse("bad " .. message, function() spawn(options) end)
    end
    local to = " to 'tide.process.spawn' "
    wrong("argument #1" .. to .. "%(table expected, got nil%)", nil)
    wrong("argument #1" .. to .. "%(it names no command%)", {})
    wrong("item 2 of argument #1" .. to .. "%(string expected, got table%)", { "true", {} })
    wrong("item 2 of argument #1" .. to .. "%(a string with a zero in it%)", { "true", "a\0b" })
    for _, list in ipairs { { "true", nil, "x" }, { "true", [3] = "x" } } do
      wrong("item 2 of argument #1" .. to .. "%(string expected, got nil%)", list)
    end
    wrong("option 'cwd'" .. to .. "%(string expected, got boolean%)", { "true", cwd = true })
    wrong("option 'env'" .. to .. "%(table expected, got string%)", { "true", env = "A=1" })
    wrong("option 'env'" .. to .. "%(no name of a variable%)", { "true", env = { "A=1" } })
    wrong("option 'env'" .. to .. "%(no name of a variable%)",
      { "true", env = { ["A=B"] = "1" } })
    wrong("option 'env'" .. to .. "%(a string for 'A' expected%)", { "true", env = { A = true } })
    wrong("option 'uid'" .. to .. "%(a whole number from 0 up expected%)", { "true", uid = -1 })
    local kinds = to .. '%("pipe", "inherit", "null", a path, a descriptor or a stream expected%)'
    wrong("option 'stdin'" .. kinds, { "true", stdin = true })
    wrong("option 'stdout'" .. kinds, { "true", stdout = -1 })
    wrong("option 'stderr'" .. kinds, { "true", stderr = io.stdout })
    wrong("option 'input'" .. to .. "%(that is for 'run'", { "cat", input = "moon" })
    wrong("option 'check'" .. to .. "%(that is for 'run'", { "cat", check = true })
    local environ, message = process.environ, "table expected, got string"
    misuse("'tide.process.environ' %(" .. message, function() environ "A" end)
  end)
end)

describe("stdin, stdout and stderr", function()
  it("are pipes, apart", function()
    local child = sh("read x; echo out $x; echo err $x >&2; cat",
      { stdin = "pipe", stdout = "pipe", stderr = "pipe" })
    child.stdin:write "hello\nrest"
    child.stdin:shutdown()
    assert.equal("out hello", child.stdout:readline())
    assert.equal("rest", child.stdout:read(-1))
    assert.equal("err hello\n", child.stderr:read(-1))
    ends(child, 0)
  end)

  it("that are inherited have what was printed before", { task = false }, function()
    local output, status = support.child [[local spawn = require "tide".process.spawn
      print "one"
      spawn { "echo", "two" }:wait()
      print "three"
      spawn { "echo", "four", stdout = 1 }:wait()
    ]]
    assert.equal("one\ntwo\nthree\nfour\n", output)
    assert.equal(0, status)
  end)

  it("of which only pipes are streams here", function()
    local child = sh("cat", { stdout = "null" })
    assert.is_nil(child.stdin)
    assert.is_nil(child.stdout)
    assert.is_nil(child.stderr)
    ends(child, 0)
  end)

  it("are no sockets: a child may open them by name", function()
    local child = sh("cat /dev/stdin >/dev/stdout; echo err >/dev/stderr",
      { stdin = "pipe", stdout = "pipe", stderr = "stdout" })
    child.stdin:write "in\n"
    child.stdin:shutdown()
    assert.equal("in\nerr\n", child.stdout:read(-1))
    ends(child, 0)
  end)

  it("158: stdin is empty if nothing is said of it", function()
    assert.equal("", output_of "cat")
    assert.equal("", output_of("cat", { stdin = "null" }))
  end)

  it("stderr goes where stdout goes", function()
    assert.equal("a\nb\n", output_of("echo a; echo b >&2", { stderr = "stdout" }))
    children.with_file(function(name)
      ends(sh("echo a; echo b >&2", { stdout = name, stderr = "stdout" }), 0)
      assert.equal("a\nb\n", children.read_file(name))
    end)
  end)

  it("are files, emptied before something is written", function()
    children.with_file(function(name)
      children.write_file(name, "what was there before")
      ends(sh("echo a", { stdout = name }), 0)
      assert.equal("a\n", children.read_file(name))
      assert.equal("a\n", output_of("cat", { stdin = name }))
    end)
  end)

  it("are descriptors and streams", function()
    local server = tide.check(tide.net.listen("127.0.0.1", 0))
    local mine = tide.check(tide.net.connect(server:sockname()))
    local theirs = server:accept()
    server:close()
    local first = sh("cat; echo more >&2", { stdin = theirs, stdout = theirs,
      stderr = theirs:fileno() })
    theirs:close()
    mine:write "hello\n"
    mine:shutdown()
    assert.equal("hello\nmore\n", mine:read(-1))
    ends(first, 0)
    mine:close()
    fails("ECANCELED", "closed", spawn { "true", stdin = mine })
    local second = sh("cat", { stdin = "pipe", stdout = "pipe" })
    local third = sh("cat", { stdin = second.stdout, stdout = "pipe" })
    second.stdout:close()
    second.stdin:write "through two"
    second.stdin:shutdown()
    assert.equal("through two", third.stdout:read(-1))
    ends(second, 0)
    ends(third, 0)
  end)

  it("158: can be read after it has ended", function()
    local child = sh("echo out; echo err >&2", { stdout = "pipe", stderr = "pipe" })
    assert.equal(0, child:wait())
    assert.equal("out\n", child.stdout:read(-1))
    assert.equal("err\n", child.stderr:read(-1))
    child:close()
  end)

  it("158: hold up a child whose output is not read", function()
    local child = sh("head -c 1000000 /dev/zero; echo written >&2",
      { stdout = "pipe", stderr = "pipe" })
    assert.is_false(tide.move_on_after(0.05, child.stderr.read, child.stderr))
    assert.equal(0, child.stdout:stats().bytes_read)
    assert.equal(1000000, #child.stdout:read(-1))
    assert.equal("written", child.stderr:readline())
    ends(child, 0)
  end)

  it("153: tell who writes that nobody reads", function()
    local child = sh("exec <&-; echo closed; exec sleep 100", { stdin = "pipe", stdout = "pipe" })
    assert.equal("closed", child.stdout:readline())
    local ok, _, code = child.stdin:write "x"
    assert.same({ nil, "EPIPE" }, { ok, code })
    child:close()
  end)

  it("go one way: the other is a bad descriptor, as of standard input and output", function()
    local child = spawn { "cat", stdin = "pipe", stdout = "pipe" }
    fails("EBADF", "bad file", child.stdin:read())
    fails("EBADF", "bad file", child.stdout:write "x")
    assert.is_true(child.stdin:write "x")
    child.stdin:shutdown()
    assert.equal("x", child.stdout:read(-1))
    assert.equal(0, child:wait())
    child:close()
  end)

  it("hold up who writes what is not read", function()
    local child = sh("exec sleep 100", { stdin = "pipe" })
    assert.is_false(tide.move_on_after(0.02, child.stdin.write, child.stdin,
      ("x"):rep(1000000)))
    child:close()
  end)

  it("are closed here by shutdown, and need no close", function()
    local child = sh("cat >/dev/null", { stdin = "pipe" })
    child.stdin:write(("x"):rep(300000))
    assert.is_true(child.stdin:shutdown())
    assert.is_true(child.stdin:shutdown())
    assert.equal("EPIPE", (select(3, child.stdin:write "more")))
    assert.equal("EBADF", (select(3, child.stdin:fileno())))
    ends(child, 0)
    assert.equal("ECANCELED", (select(3, child.stdin:write "more")))
  end)

  it("keep the process while somebody reads", function()
    local stream = sh("sleep 0.05; echo done", { stdout = "pipe" }).stdout
    for _ = 1, 3 do collectgarbage() end
    assert.equal("done\n", stream:read(-1))
    stream:close()
    stream = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
  end)

  it("keep what they are given: a pipeline lives while somebody has its last", function()
    local first = sh("exec sleep 100", { stdout = "pipe" })
    local last = assert(process.spawn { "cat", stdin = first.stdout, stdout = "pipe" })
    local pid = first.pid
    first.stdout:close()
    first = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
    assert.is_true(children.runs(pid))
    last:close()
    last = nil -- luacheck: ignore
    for _ = 1, 3 do collectgarbage() end
    children.wait_for_end(pid)
  end)

  it("are read to the end where the child has closed them and lives on", function()
    local child = sh("exec >&-; read x; exit 4", { stdin = "pipe", stdout = "pipe" })
    assert.equal("", child.stdout:read(-1))
    assert.is_false(tide.move_on_after(0, child.wait, child))
    child.stdin:write "\n"
    ends(child, 4)
  end)
end)

describe("wait", function()
  it("159: tells ten who wait at once, and whoever asks later", function()
    local child = sh("read x; exit 7", { stdin = "pipe" })
    local waiters = {}
    for i = 1, 10 do
      waiters[i] = tide.task(child.wait, child)
    end
    tide.sleep(0)
    child.stdin:write "\n"
    for _, waiter in ipairs(waiters) do
      assert.equal(7, waiter:await())
    end
    assert.equal(7, child:wait())
    child:close()
    assert.equal(7, child:wait())
  end)

  it("155: can be cancelled, and called again", function()
    local child = sh("read x; exit 7", { stdin = "pipe" })
    for _ = 1, 3 do
      assert.is_false(tide.move_on_after(0.001, child.wait, child))
    end
    child.stdin:write "\n"
    ends(child, 7)
  end)

  it("159: of ten children at once tells each its own", function()
    local codes = {}
    tide.group(function(group)
      for i = 1, 10 do
        group:task(function()
          local child = sh("sleep 0.0" .. (10 - i) .. "; exit " .. i)
          codes[i] = child:wait()
          child:close()
        end)
      end
    end)
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, codes)
  end)

  it("ends when it is closed meanwhile", function()
    local child = sh "exec sleep 100"
    local waiter = tide.task(child.wait, child)
    tide.sleep(0)
    child:close()
    assert.is_nil(waiter:await())
  end)

  it("works outside of tasks, where it runs the loop", { task = false }, function()
    local child = spawn { "sh", "-c", "exit 5" }
    assert.equal(5, child:wait())
    child:close()
  end)

  it("says what is wrong", function()
    local child = sh "true"
    misuse("'Process:wait' on bad self %(Process expected, got n", function() child.wait(1) end)
    ends(child, 0)
  end)
end)

describe("kill", function()
  it("sends a signal by its name or number", function()
    for _, signal in ipairs { "SIGTERM", "SIGKILL", 15, 9 } do
      local child = sh "exec sleep 100"
      assert.is_true(child:kill(signal))
      local name = type(signal) == "string" and signal or signal == 15 and "SIGTERM" or "SIGKILL"
      ends(child, nil, "signal", name)
    end
  end)

  it("154: asks with 0 whether it is there", function()
    local child = sh "exec sleep 100"
    assert.is_true(child:kill(0))
    child:kill "SIGKILL"
    child:wait()
    fails("ESRCH", "no such process", child:kill(0))
  end)

  it("154: knows of one that has ended before anybody waited", function()
    local child = sh("echo; exit 3", { stdout = "pipe" })
    while child:kill(0) do
      os.execute "true" -- the loop does not run meanwhile
    end
    fails("ESRCH", "no such process", child:kill "SIGTERM")
    ends(child, 3)
    fails("ESRCH", "no such process", child:kill "SIGTERM")
  end)

  it("says what is wrong", function()
    local child = sh "exec sleep 100"
    local function wrong(message, signal)
      misuse("bad argument #1 to 'Process:kill' %(" .. message, function() child:kill(signal) end)
    end
    wrong("no such signal", "TERM")
    wrong("no such signal", "SIGTERM\0")
    wrong("no such signal", -9)
    wrong("no such signal", 1.5)
    wrong("signal expected, got nil", nil)
    child:close()
  end)
end)
