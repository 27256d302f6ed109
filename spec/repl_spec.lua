local command = require "spec.command_support"

require("tide.busted").configure { task = false }

local play, run, write = command.play, command.run, command.write

-- What is printed is told from what was typed by being made of parts.
local PROMPT = "expect >\nmode raw\n"

local function shows(text, pattern)
  assert.is_true(text:find(pattern, 1, true) ~= nil, pattern .. " is not in:\n" .. text)
end

describe("the REPL from a pipe or file", function()
  setup(command.setup)
  teardown(command.teardown)

  --- What these lines print beside the prompts, and the errors and status.
  local function feed(lines)
    local output, errors, status = run({ "-e", "_PROMPT, _PROMPT2 = '', ''", "-i" }, lines)
    return output:gsub("^tide [^\n]*\n", ""):gsub("\n$", ""), errors, status
  end

  it("prints values, and runs statements", function()
    local output, errors, status = feed "1 + 1\n=2, nil\nx = 3\nx\nlocal y = 4 print(y)\ny\n"
    assert.equal("2\n2\tnil\n3\n4\nnil\n", output)
    assert.equal("", errors)
    assert.equal(0, status)
  end)

  it("a statement that reads standard input gets the next line", function()
    assert.equal("1\nhello\n2\n", (feed "1\nprint((tide.stdio.stdin:readline()))\nhello\n2\n"))
  end)

  it("an expression may end with a semicolon or a comment", function()
    assert.equal("1\n2\n3\n", (feed "1;\n2 -- comment\n3; -- comment\n"))
  end)

  it("a yield to nobody is an error of the statement", function()
    local output, errors, status = feed [[
coroutine.yield(1)
pcall(coroutine.yield, 1)
coroutine.wrap(function() coroutine.yield(2) end)()
"on"
]]
    local said = "attempt to yield from outside a coroutine"
    assert.matches(said, errors, 1, true)
    assert.matches("on\n$", output)
    assert.equal(0, status)
  end)

  it("what print says of a value is without a place in tide", function()
    local _, errors = feed "setmetatable({}, { __tostring = function() return {} end })"
    local place = _VERSION == "Lua 5.1" and not jit and "[^\n]*" or "" -- of its pcall, in Lua
    assert.matches("^error calling 'print' %(" .. place .. "'", errors)
  end)

  it("reads on while a statement is not whole", function()
    assert.equal("1\n2\nlong\nstring\n3\n",
      (feed "for i = 1, 2 do\nprint(i)\nend\n=[[long\nstring]]\n=1 +\n2\n"))
  end)

  it("tells errors with where they were, and goes on", function()
    local output, errors, status = feed [[
error("oops")
x = = 1
error({})
error(setmetatable({}, { __tostring = function() return "told" end }))
error()
for
1]]
    assert.equal("", output)
    assert.matches("^stdin:1: oops\nstack traceback:\n", errors)
    assert.matches("\n\tstdin:1: in [^\n]*\nstdin:1: unexpected symbol near '='\n", errors)
    assert.matches("\n%(error object is a table value%)\n", errors)
    assert.matches("\ntold\nstack traceback:\n", errors)
    assert.matches("\n<no error object>\n", errors)
    assert.matches("stdin:2: .*expected", errors)
    assert.is_nil(errors:find("tide/", 1, true))
    assert.equal(0, status)
  end)

  it("prompts with _PROMPT and _PROMPT2", function()
    local output = run({ "-i" }, "_PROMPT = 'now ' _PROMPT2 = setmetatable({}, " ..
      "{__tostring = function() return 'more ' end})\nx = 1 +\n1\n")
    assert.matches("\n> now more now \n$", output)
  end)

  it("awaits, and tells who awaited whom", function()
    local output, errors = feed [[
tide.sleep(0.001, "slept")
task = tide.task(function() tide.sleep(0.001) error("inner", 0) end):set_name("mine")
task:await()
]]
    assert.equal("slept\n", output)
    assert.matches("^inner\nstack traceback:\n.*\nmine was awaited by main:\n", errors)
  end)

  it("keeps vars, locks and scopes of the main task from line to line", function()
    assert.equal("5\ntrue\nmain\n7\n", (feed [[
v = tide.var() _ = v:set(5)
v:get()
lock = tide.lock() _ = lock:acquire()
lock:locked()
lock:release()
tide.current_task():get_name()
tide.run(function() return tide.sleep(0, 7) end)
]]))
  end)

  it("leaves `tide` alone if the script has set it", function()
    assert.equal("mine\n", (run({ "-e", "tide, _PROMPT = 'mine', ''", "-i" }, "tide"))
      :gsub("^tide [^\n]*\n", ""):gsub("\n$", ""))
  end)

  it("a cancel of the main task ends the statement only", function()
    local output, errors = feed [[
main = tide.current_task()
_ = tide.task(function() main:cancel("no") end) and tide.sleep(10)
_ = main:cancel()
main:cancelling(), tide.sleep(0, "on")
]]
    assert.equal("0\ton\n", output)
    assert.matches("CancelledError: cancelled: no\n", errors)
  end)

  it("a scope that a statement leaves open ends with it", function()
    local output = feed [[
s = tide.current_scope()
s:cancel()
tide.current_scope():cancel("why"), tide.sleep(10)
t = tide.timeout(0.001)
tide.sleep(0.01, "on")
]]
    assert.equal("on\n", output:sub(-3))
  end)

  it("reports failures that nobody awaits, soon", function()
    local _, errors = feed [[
_ = nil, tide.task(function() tide.sleep(0.001) error("unseen", 0) end)
tide.sleep(0.01)
]]
    assert.matches("^tide: task%-%d+ failed and nobody awaited it: unseen\n", errors)
  end)

  it("a deadlock is an error", function()
    local output, errors = feed "tide.event():wait()\n1"
    assert.equal("1\n", output)
    assert.matches("^DeadlockError", errors)
  end)

  it("at its end tasks are cancelled and awaited", function()
    local output, errors, status = feed [[
_ = tide.task(tide.finally, tide.sleep, function() tide.sleep(0.001) print("cleanup") end, 100)
tide.sleep(0, "on")
]]
    assert.equal("on\n\ncleanup", output)
    assert.equal("", errors)
    assert.equal(0, status)
  end)

  it("tide.exit leaves with a code, from the prompt and from a task", function()
    assert.equal(7, (select(3, feed "tide.exit(7)\nprint 'not'")))
    local output, errors, status = feed "_ = tide.task(tide.exit, 8)\ntide.sleep(10)\nprint 'not'"
    assert.equal("", output)
    assert.equal("", errors)
    assert.equal(8, status)
  end)

  it("ends at once without input", function()
    for _, from in ipairs { "</dev/null", "<&-" } do
      local output, _, status = run({ "-i" }, nil, from)
      assert.matches("^tide [^\n]*\n> \n$", output)
      assert.equal(0, status)
    end
  end)

  it("tasks run while a pipe has no line", function()
    local output, errors = run({ "-i" }, nil, ([[{
      echo 'tide.task(function() tide.sleep(0.001) io.open("%s/flag", "w"):close() end) and nil'
      n=0; while [ ! -e %s/flag ] && [ $n -lt 500 ]; do sleep 0.02; n=$((n + 1)); done
      echo 'io.open("%s/flag") and "it ran"'
    } | ]]):format(command.folder(), command.folder(), command.folder()))
    assert.equal("", errors)
    shows(output, "it ran")
  end)

  it("-i after a script has its globals and its tasks", function()
    local name = write("script.lua", [[
      local tide = require "tide"
      value = ...
      task = tide.task(function() tide.sleep(0.001) return "alive" end)
      _PROMPT = ""]])
    local output, _, status = run({ "-i", name, "arg" }, "value, arg[1]\ntask:await()\n")
    assert.matches("\narg\targ\nalive\n\n$", output)
    assert.equal(0, status)
    output, _, status = run({ "-i", "-e", "error 'first'" }, "print 'not here'\n")
    assert.is_nil(output:find("not here"))
    assert.equal(1, status)
  end)
end)

describe("the REPL on a terminal", function()
  setup(command.setup)
  teardown(command.teardown)

  it("begins with the version, edits lines, remembers them", function()
    local output, status = play(PROMPT .. [[
send 'v' .. 'x'\x02\x7fw\r
expect vw
]] .. PROMPT .. [[
send \x10\x01'u' .. \r
expect uvw
]] .. PROMPT .. [[
send \x04
mode cooked
]])
    assert.matches("^tide %d", output)
    assert.equal(0, status)
  end)

  it("tasks run while a line is typed; what they print, and how they fail, is above it", function()
    local _, status = play(PROMPT .. [[
send function f() while not stop do tide.sleep(0.01) print("ti" .. "ck") end error("late", 0) end\r
]] .. PROMPT .. [[
send tide.task(f) and "star" .. "ted"\r
expect started
expect \e[Ktick
expect >
send stop = tr
expect \e[Ktick
expect > stop = tr
send ue\r
expect task-2 failed and nobody awaited it: late
]] .. PROMPT .. [[
send 'do' .. 'ne'\r
expect done
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  for title, environment in pairs { ["of the editor"] = "", ["that is plain"] = "TERM=dumb" } do
    local prompt = environment == "" and PROMPT or "expect >\n"
    it("Ctrl-C drops the line and ends the statement, not the tasks: prompt " .. title, function()
      local output, status = play(prompt .. [[
send alive = tide.task(function() tide.sleep(1e9) end) print("sta" .. "rted")\r
expect started
]] .. prompt .. [[
send not Lua at all\x03
]] .. prompt .. [[
send function long() print("run" .. "ning") tide.sleep(1e9) end print("o" .. "k")\r
expect ok
]] .. prompt .. [[
send tide.finally(long, function() print("cle" .. "anup") end)\r
expect running
mode cooked
send \x03
expect cleanup
expect interrupted
]] .. prompt .. [[
send "done " .. tostring(alive:done())\r
expect done false
]] .. prompt .. [[
send \x04
]], {}, environment)
      assert.is_nil(output:find("syntax error", 1, true))
      assert.equal(0, status)
    end)

    it("Ctrl-\\ prints the tasks and goes on: prompt " .. title, function()
      local _, status = play(prompt .. [[
send tide.task(tide.sleep, 1e9):set_name("nam" .. "ed") and print("o" .. "k")\r
expect ok
]] .. prompt .. [[
send \x1c
expect named
]] .. prompt .. [[
send print("sta" .. "rt") tide.sleep(1e9)\r
expect start
mode cooked
send \x1c
expect named
send \x03
expect interrupted
]] .. prompt .. [[
send \x04
]], {}, environment)
      assert.equal(0, status)
    end)
  end

  it("a second Ctrl-C ends what does not give way", function()
    local _, status = play(PROMPT .. [[
send function spin() print("bu" .. "sy") while true do end end while true do pcall(spin) end\r
expect busy
mode cooked
insist \x03
mode cooked
]])
    assert.equal(130, status)
  end)

  -- Loops that LuaJIT compiles do not see hooks.
  local start = jit and "jit.off() " or ""

  for title, busy in pairs {
    ["a statement"] = "spin()",
    ["its coroutine"] = "coroutine.wrap(spin)()",
    ["its pcall"] = "return pcall(spin)",
    ["a function that tide calls"] = "tide.timeout(1e9, spin)",
    ["a task"] = "tide.task(spin) tide.sleep(1e9)",
    ["a callback"] = "tide.loop():call_soon(spin) tide.sleep(1e9)",
  } do
    it("one Ctrl-C breaks what never awaits: " .. title, function()
      local _, status = play(PROMPT .. "send " .. start .. [[
function spin() print("bu" .. "sy") while true do end end ]] .. busy .. [[\r
expect busy
mode cooked
send \x03
]] .. PROMPT .. [[
send print("st" .. "ill", debug.gethook())\r
expect still
]] .. PROMPT .. [[
send \x04
]])
      assert.equal(0, status)
    end)
  end

  it("Ctrl-C breaks a task that computes while a line is waited for, which is dropped", function()
    local _, status = play(PROMPT .. "send " .. start .. [[
t = tide.task(function() tide.sleep(0.01) print("bu" .. "sy") while true do end end)\r
expect busy
send \x03
]] .. PROMPT .. [[
send tide.is(t:exception(), tide.Interrupted) and "bro" .. "ken"\r
expect broken
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  local is_51 = _VERSION == "Lua 5.1" and not jit
  local hook_it = is_51 and pending or it
  local title = "the hook that was there is there again after a Ctrl-C" ..
    (is_51 and ": not on 5.1, where a hook ends with the statement that sets it" or "")
  hook_it(title, function()
    local _, status = play(PROMPT .. "send " .. start .. [[
n = 0 debug.sethook(function() n = n + 1 end, "", 1000) print("bu" .. "sy") while true do end\r
expect busy
mode cooked
send \x03
expect interrupted
]] .. PROMPT .. [[
send print("on" .. "ly", select(3, debug.gethook()))\r
expect only	1000
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  it("a cleanup is not broken by the interrupt that began it", function()
    local _, status = play(PROMPT .. "send " .. start .. [[
tide.finally(function() print("sta" .. "rt") tide.sleep(1e9) end, ]] ..
[[function() for _ = 1, 1e5 do end print("cle" .. "an") end)\r
expect start
mode cooked
send \x03
expect clean
expect interrupted
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  it("Ctrl-C while the tasks end leaves with 130", function()
    local _, status = play(PROMPT .. [[
send tide.task(tide.shield, tide.sleep, 1e9) and tide.sleep(0) or print("o" .. "k")\r
expect ok
]] .. PROMPT .. [[
send \x04
mode cooked
insist \x03
]])
    assert.equal(130, status)
  end)

  it("the terminal's mode is put back by os.exit, SIGTERM and an exit", function()
    for line, expected in pairs {
      ['tide.loop():call_later(0.02, os.exit, 3) print("o" .. "k")'] = 3,
      ['tide.loop():call_later(0.02, tide.exit, 4) print("o" .. "k")'] = 4,
    } do
      local _, status = play(PROMPT .. "send " .. line .. "\\r\nexpect ok\nmode raw\nmode cooked\n")
      assert.equal(expected, status)
    end
    local _, status = play(PROMPT .. "kill 15\nmode cooked\n")
    assert.equal(143, status)
  end)

  it("Ctrl-Z stops it in the terminal's own mode; then the line is there again", function()
    local _, status = play(PROMPT .. [[
send 'conti' .. \x1a
stopped
mode cooked
kill 18
mode raw
send 'nued'\r
expect continued
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  it("lines longer than the terminal is wide scroll", function()
    local _, status = play(PROMPT .. [[
size 20
send "a long line " .. "that is longer than the terminal"\r
expect a long line that is longer than the terminal
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  it("statements pasted at once run one by one", function()
    local output = play(PROMPT .. [[
send "a" .. 1\r"b" .. 2\rfor i = 3, 3 do\rprint("c" .. i)\rend\r
expect c3
mode raw
send \x04
]])
    assert.matches("\na1\n.*\nb2\n.*\nc3\n", output)
  end)

  it("reads for a statement that reads the terminal itself", function()
    local _, status = play(PROMPT .. [[
send print("as" .. "k") line = io.read()\r
expect ask
mode cooked
send typed\n
]] .. PROMPT .. [[
send "got " .. line\r
expect got typed
mode raw
send \x04
]])
    assert.equal(0, status)
  end)

  it("-e alone has no prompt", function()
    local output, status = play("expect no prompt\n", { "-e", "print 'no prompt'" })
    assert.equal("no prompt\n", output)
    assert.equal(0, status)
  end)
end)
