--- Standard input, output and error: programs of their own, from files and pipes
-- and on a terminal.
local command = require "spec.command_support"
local support = require "spec.support"
local tide = require "tide"

require("tide.busted").configure { task = false }

local misuse = support.misuse

local HEAD = [[
local tide = require "tide"
local stdio = tide.stdio
local stdin, stdout, stderr = stdio.stdin, stdio.stdout, stdio.stderr
]]

setup(command.setup)
teardown(command.teardown)

--- What a program prints, and its status, in a shell's line that says where it
-- stands: "printf 'one' | PROGRAM".
local function run(line, code)
  local name = command.write("program.lua", HEAD .. code)
  local lua = ("$t %s %s"):format(support.interpreter(), name)
  line = line:gsub("PROGRAM", function() return lua end)
  local pipe = assert(io.popen(
    ("if command -v timeout >/dev/null; then t='timeout 20'; fi; cd %s; { %s; }; echo \"exit $?\"")
    :format(command.folder(), line)))
  local output = pipe:read "*a"
  pipe:close()
  local text, status = output:match "^(.*)exit (%d+)\n$"
  return text, tonumber(status)
end

local function prints(title, line, expected, code)
  it(title, function()
    local text, status = run(line, code)
    assert.same({ expected, 0 }, { text, status })
  end)
end

describe("stdin", function()
  local READ = [[
    tide.run(function()
      print(stdin:readline())
      print(stdin:readexactly(3))
      print(stdin:read(-1))
      print(stdin:readline())
    end)]]
  local EXPECTED = "one\ntwo\nthree\nnil\tend of stream\tEOF\n"

  prints("is read from a pipe", "printf 'one\\ntwothree' | PROGRAM", EXPECTED, READ)
  prints("is read from a file", "printf 'one\\ntwothree' >file; PROGRAM <file", EXPECTED, READ)
  prints("is at its end if it is /dev/null", "PROGRAM </dev/null",
    "nil\tend of stream\tEOF\n", "print(stdin:read())")
  prints("is an error if it is closed", "PROGRAM <&-",
    "nil\tbad file descriptor\tEBADF\nnil\tbad file descriptor\tEBADF\n",
    "print(stdin:read()) print(stdin:write 'x')")
  prints("is an error if it is a folder", "PROGRAM <.",
    "nil\tillegal operation on a directory\tEISDIR\n", "print(stdin:read())")

  prints("is waited for while others run", "mkfifo fifo; { read x <fifo; echo $x; } | PROGRAM",
    "ticks\ngo\n", [[
      tide.run(function()
        local line = tide.task(stdin.readline, stdin)
        for _ = 1, 3 do tide.sleep(0.001) end
        print(line:done() and "early" or "ticks")
        local fifo = assert(io.open("fifo", "w"))
        fifo:write "go\n"
        fifo:close()
        print(line:await())
      end)]])

  prints("that is not waited for is another's", "mkfifo feed; PROGRAM <>feed", "one\ntwo\n", [[
    local feed = assert(io.open("feed", "a"))
    feed:setvbuf "no"
    tide.run(function()
      tide.move_on_after(0.001, stdin.readline, stdin)
      feed:write "one\n"
      tide.sleep(0.001)
      print(io.read())
      feed:write "two\n"
      print(stdin:readline())
    end)]])

  prints("has lines", "printf 'a\\nb\\n' | PROGRAM", "a\nb\n", [[
    tide.run(function()
      local lines = stdin:lines()
      print(lines()) print(lines()) assert(lines() == nil)
    end)]])

  prints("is one task's at a time, as every stream", "mkfifo silent; PROGRAM <>silent",
    "true\n", [[
    tide.run(function()
      tide.task(stdin.read, stdin)
      tide.sleep(0)
      local ok, err = tide.pcall(stdin.read, stdin)
      print(not ok and err:find "another task reads" ~= nil)
    end)]])
end)

describe("stdout", function()
  prints("comes in order with what is written by other ways", "PROGRAM", "a b 3 c\nd\ne\n", [[
    io.stdout:setvbuf "full"
    tide.run(function()
      io.write "a "
      assert(stdout:write("b ", 3, { " ", "c" }))
      print ""
      stdout:write "d\n"
      print "e"
    end)]])

  prints("may be written to in the main program", "PROGRAM", "plain\n",
    "assert(stdout:write 'plain\\n')")

  prints("waits for a slow reader, while others run",
    "mkfifo begin; PROGRAM | { cat begin; wc -c; }", "begun\n1000000\n", [[
    tide.run(function()
      local done
      tide.task(function()
        stdout:write(("x"):rep(1000000))
        done = true
      end)
      tide.sleep(0)
      tide.sleep(0)
      assert(not done and stdout:stats().unsent > 0)
      local begin = assert(io.open("begin", "w"))
      begin:write "begun\n"
      begin:close()
    end)]])

  for how, code in pairs {
    ["run ends"] = "",
    ["run fails"] = "error 'it fails'",
    ["tide.exit is called"] = "tide.exit(0)",
    ["os.exit is called"] = "os.exit(0)",
    ["os.exit is called, which closes the state"] = "os.exit(0, true)",
  } do
    prints("loses nothing when " .. how, "PROGRAM 2>errors | { sleep 0.03; wc -c; }",
      "1000000\n", [[
        tide.run(function()
          tide.task(stdout.write, stdout, ("x"):rep(1000000))
          tide.sleep(0)
          tide.sleep(0)]] .. "\n" .. code .. "\nend)")
  end

  prints("whose reader is gone is an error", "{ PROGRAM 2>&3 | true; } 3>&1", "EPIPE\tEPIPE\n", [[
    tide.run(function()
      local ok, _, code
      repeat
        ok, _, code = stdout:write(("x"):rep(100000))
      until not ok
      stderr:write(code, "\t", (select(3, stdout:write "x")), "\n")
    end)]])

  prints("on a full device is an error", "PROGRAM >/dev/full 2>&1 | true; PROGRAM 2>&1 >/dev/full",
    "ENOSPC\n", [[
      local _, _, code = stdout:write "x"
      stderr:write(code, "\n")]])

  prints("cannot be read if it is a pipe's end or file to write to",
    "PROGRAM | cat; PROGRAM >file; cat file", ("EBADF\ntrue\n"):rep(2), [[
      print((select(3, stdout:read())))
      print(stdout:write "")]])

  prints("is appended to a file, beside what others write", "PROGRAM >file; cat file",
    "one\ntwo\nthree\n", [[
      tide.run(function()
        stdout:write "one\n"
        os.execute "echo two"
        stdout:write "three\n"
      end)]])

  prints("closed is nobody else's end", "PROGRAM", "one\ntwo\nnil\tit is closed\tECANCELED\n", [[
    stdout:write "one\n"
    stdout:close()
    print "two"
    print(stdout:write "three")]])

  prints("that is closed is an error", "PROGRAM 2>&1 >&-", "EBADF\n", [[
    local _, _, code = stdout:write "x"
    stderr:write(code, "\n")]])

  prints("after a shutdown takes nothing more, but others do", "PROGRAM", "a\nb\nEPIPE\n", [[
    stdout:write "a\n"
    assert(stdout:shutdown())
    print "b"
    print((select(3, stdout:write "x")))]])
end)

describe("each of the three", function()
  prints("is the same each time, of each loop its own", "PROGRAM </dev/null",
    "true\n0\t1\t2\ntrue\nfalse\n", [[
    print(stdio.stdin == stdin and stdio.stdout == stdout)
    print(stdin:fileno(), stdout:fileno(), stderr:fileno())
    tide.loop():close()
    print(stdio.stdin ~= stdin)
    print((pcall(stdin.read, stdin)))]])

  prints("leaves no handle open, and no task", "sleep 0.03 | PROGRAM", "0\t1\t0\n", [[
    tide.run(function()
      stdout:write "" stdin:is_terminal()
      local before = tide.stats().handles
      local reader = tide.task(stdin.read, stdin)
      tide.sleep(0)
      local during = tide.stats().handles
      reader:cancel()
      tide.sleep(0)
      print(before, during, tide.stats().handles)
    end)]])

  prints("keeps its mode for everybody else", "PROGRAM | cat", "blocking\n", [[
    local function mode()
      local file = io.open "/proc/self/fdinfo/1"
      local flags = file and tonumber(file:read "*a":match "flags:%s*(%d+)", 8) or 0
      return math.floor(flags / 2048) % 2 == 0 and "blocking" or "not"
    end
    tide.run(function()
      stdout:write ""
      assert(mode() == "blocking")
      stdout:write "blocking\n"
      assert(mode() == "blocking")
    end)
    assert(mode() == "blocking")]])

  prints("is no terminal if it is none", "PROGRAM </dev/null | cat",
    "false\tfalse\nnil\tENOTTY\nnil\tENOTTY\ntrue\n", [[
    print(stdin:is_terminal(), stdout:is_terminal())
    local function code(ok, _, name) return ok, name end
    print(code(stdin:set_raw(true)))
    print(code(stdout:window_size()))
    local a = tide.testing.stream_pair()
    print(not a:is_terminal() and not a:set_raw(true) and not a:window_size())]])

  prints("raises OSError where there is no descriptor left", "ulimit -n 40; PROGRAM </dev/null",
    "EMFILE\nStream<open>\n", [[
    tide.loop():close()
    tide.run(function()
      local files = {}
      repeat
        local file = io.open "/dev/null"
        files[#files + 1] = file
      until not file
      local _, err = pcall(function() return stdio.stdin end)
      for _, file in ipairs(files) do file:close() end
      print(err.code)
      print(stdio.stdin)
    end)]])

  it("sets its mode by a boolean", function()
    local stdout = tide.stdio.stdout
    misuse("argument #1 to 'Stream:set_raw' %(boolean exp", function() stdout:set_raw() end)
    misuse("argument #2 to 'Stream:set_raw' %(table exp", function() stdout:set_raw(true, 1) end)
  end)

  it("has no others beside it", function()
    assert.is_nil(tide.stdio.stdlog)
  end)
end)

describe("a terminal", function()
  --- Plays `script` at a terminal that the program has: what it prints.
  local function play(script, code, status)
    local name = command.write("program.lua", HEAD .. code)
    local text, ended = command.play(script, { name })
    assert.equal(status or 0, ended, text)
    return text
  end

  it("has a size, and SIGWINCH tells when it changes", function()
    assert.matches("true\n80 24\nSIGWINCH\n40 24\n", play("expect 80 24\nsize 40\n", [[
      print(stdin:is_terminal() and stdout:is_terminal())
      local signals = tide.signal.iter "SIGWINCH"
      stdout:write(table.concat({ stdout:window_size() }, " "), "\n")
      print(signals())
      print(table.concat({ stdin:window_size() }, " "))]]))
  end)

  it("gives lines, edited by itself", function()
    assert.matches("got ac%.", play("expect ready\nmode cooked\nsend ab\\x7fc\\n\n", [[
      stdout:write "ready\n"
      stdout:write("got ", stdin:readline(), ".\n")]]))
  end)

  it("in raw mode gives keys as they are pressed, Ctrl-C too, and shows none", function()
    local text = play("expect ready\nmode raw\nsend k\nexpect 107.\n" ..
      "send \\x03\nexpect 3.\nmode cooked\n", [[
      assert(stdin:set_raw(true))
      stdout:write "ready\n"
      stdout:write(stdin:read():byte(), ".\n")
      stdout:write(stdin:read():byte(), ".\n")
      assert(stdin:set_raw(false))]])
    assert.equal("ready\n107.\n3.\n", text)
  end)

  it("leaves Ctrl-C a signal if that is asked for", function()
    local text = play("expect ready\nmode raw\nsend \\x03\nmode cooked\n", [[
      assert(stdin:set_raw(true, { interrupt = true }))
      print "ready"
      print(stdin:read())]], 130)
    assert.matches("ready\n.*interrupted\n", text)
  end)

  for how, code in pairs {
    ["at the end"] = "",
    ["after an error"] = "error 'it fails'",
    ["after os.exit"] = "os.exit(1)",
    ["after os.exit, which closes the state"] = "os.exit(1, true)",
    ["after tide.exit"] = "tide.exit(1)",
    ["of a stream that is closed"] = "stdin:close()",
    ["of a loop that is closed"] = "tide.task(function() stdin:read() end) tide.sleep(0)",
  } do
    it("is as it was " .. how, function()
      local ends_well = code == "" or code:find "close%(%)" or code:find "task"
      play("expect raw\nmode raw\nsend x\nmode cooked\n", [[
        stdin:set_raw(true)
        stdout:write "raw"
        stdin:read()]] .. "\n" .. code, ends_well and 0 or 1)
    end)
  end

  for name, number in pairs { SIGTERM = 15, SIGHUP = 1, SIGQUIT = 3 } do
    it("is as it was after " .. name, function()
      play(("expect raw\nmode raw\nkill %d\nmode cooked\n"):format(number), [[
        require("tide.core").on_signal("SIGQUIT", nil)
        stdin:set_raw(true)
        stdout:write "raw"
        stdin:read()]], 128 + number)
    end)
  end

end)
