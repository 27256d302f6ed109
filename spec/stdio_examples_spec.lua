-- examples/stdio: a client on a terminal, and the server that it talks to.
local command = require "spec.command_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local CLIENT = "examples/stdio/client.lua"

-- The client is a child of a program that serves it: what it says to the server,
-- and how it ended, are in a file. A line "tick" makes the server say something of
-- its own accord, "bye" ends it, "fail" resets the connection.
local SERVER = [[
local tide = require "tide"
local net = require "tide.net"
local port_file, log_file = ...
tide.run(function()
  local server = tide.check(net.listen("127.0.0.1", 0))
  local file = assert(io.open(port_file, "w"))
  file:write((select(2, server:sockname())), "\n")
  file:close()
  local conn = tide.check(server:accept())
  local log = assert(io.open(log_file, "w"))
  conn:write "welcome\n"
  local line = conn:readline()
  while line and line ~= "bye" do
    log:write(line, "\n")
    log:flush()
    conn:write("you said ", line, "\n")
    if line == "tick" then
      conn:write "\27[2Jtock\n"
    end
    line = conn:readline()
  end
  log:write(line or "end", "\n")
  log:close()
  conn:shutdown()
  conn:close()
end)
]]

--- Plays a user of the client: what is shown, its status, and what the server got.
local function play(script)
  local server = command.write("server.lua", SERVER)
  local port, log = command.folder() .. "/port", command.folder() .. "/log"
  os.remove(port)
  os.remove(log)
  assert(io.popen(("mkfifo %s"):format(port))):close()
  local serving = assert(io.popen(("timeout 60 %s %s %s %s </dev/null 2>&1")
    :format(support.interpreter(), server, port, log)))
  local file = assert(io.open(port))
  local number = file:read "*l"
  file:close()
  local shown, status = command.play(script, { CLIENT, "127.0.0.1", number })
  assert.equal("", serving:read "*a", shown)
  serving:close()
  local got = assert(io.open(log))
  local lines = got:read "*a"
  got:close()
  return shown, status, lines
end

describe("the client on a terminal", function()
  setup(command.setup)
  teardown(command.teardown)

  it("sends the lines that were edited, and shows answers above the next", function()
    local shown, status, got = play("expect welcome\nmode raw\nsend helo\\e[Dl\\r\n" ..
      "expect you said hello\nexpect >\nsend bye\\r\nexpect ended the connection\nmode cooked\n")
    assert.equal("hello\nbye\n", got)
    assert.equal(0, status, shown)
  end)

  it("an answer leaves the line that is being edited as it is", function()
    local shown, _, got = play("expect welcome\nsend tick\\rhal\nexpect ?[2Jtock\n" ..
      "expect > hal\nsend f\\r\nexpect you said half\nsend \\x04\nexpect ended\nmode cooked\n")
    assert.equal("tick\nhalf\nend\n", got, shown)
  end)

  it("edits", function()
    local _, _, got = play("expect welcome\nsend xab\\x7fc\\x01\\e[3~d\\x05e\\r\n" ..
      "expect you said dace\nsend no\\x15h\195\169\195\169\\x7f\\r\n" ..
      "expect you said h\195\169\nsend \\x04\nexpect ended\n")
    assert.equal("dace\nh\195\169\nend\n", got)
  end)

  it("draws the line again when the terminal was resized", function()
    play("expect welcome\nsend a line that is rather long for it\nexpect for it\nsize 20\n" ..
      "expect long for it\nsend \\x15bye\\r\nexpect ended\nmode cooked\n")
  end)

  it("Ctrl-C leaves, and the terminal is as it was", function()
    local shown, status = play("expect welcome\nmode raw\nsend not sent\nexpect not sent\n" ..
      "send \\x03\nexpect interrupted\nmode cooked\n")
    assert.equal(130, status, shown)
  end)

  it("so it is after an error, and after a signal", function()
    local _, status = play("expect welcome\nmode raw\nkill 15\nmode cooked\n")
    assert.equal(143, status)
    local broken = [[
      local wait = function() require("tide").sleep(1000) end
      local conn = { lines = function() return wait end, close = function() end,
        write = function() return nil, "connection reset", "ECONNRESET" end }
      package.loaded["tide.net"] = { connect = function() return conn end }]]
    local shown
    shown, status = command.play("expect >\nmode raw\nsend x\\r\nexpect connection reset\n" ..
      "mode cooked\n", { "-e", broken, CLIENT })
    assert.equal(1, status, shown)
  end)
end)
