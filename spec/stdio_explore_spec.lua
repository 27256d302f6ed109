-- Standard input and output, with a cancel at every await: a program whose output
-- is its own input, a pipe.
local command = require "spec.command_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local PROGRAM = [[
local tide = require "tide"
local testing = require "tide.testing"
local stdin, stdout = tide.stdio.stdin, tide.stdio.stdout
local LINES, LONG = 4, ("x"):rep(100000) -- more than fits into the pipe
local sent, got

local function receive(last)
  while #got < last do
    got[#got + 1] = tide.check(stdin:readline { limit = 2 * #LONG })
  end
end

local function send()
  for i = 1, LINES do
    sent = i -- also if it is cancelled: a write that has begun is whole
    tide.check(stdout:write(i, i == 2 and LONG or "", "\n"))
    tide.sleep(0)
  end
end

for seed = 1, tonumber((...)) do
  local runs = testing.explore(function()
    sent, got = 0, {}
    return tide.finally(function()
      tide.group(function(group)
        group:task(send)
        group:task(receive, LINES)
      end)
    end, function()
      local whole = stdout:stats().bytes_written + stdout:stats().unsent
      stdout:write "end\n"
      assert(whole >= 0)
      local line
      repeat
        line = tide.check(stdin:readline { limit = 2 * #LONG })
        got[#got + 1] = line ~= "end" and line or nil
      until line == "end"
    end)
  end, function(outcome)
    for i, line in ipairs(got) do
      assert(line:match "^%d+" == tostring(i) and (#line == 1 or #line == #LONG + 1), line)
    end
    -- the one that was cancelled may not have begun
    assert(#got == sent or outcome.hit and #got == sent - 1, #got .. " of " .. sent)
    local left = tide.stats()
    assert(left.handles == 0 and left.tasks == 0 and left.timers == 0)
  end, { seed = seed })
  assert(runs > 5)
end
io.stderr:write "all is well\n"
]]

describe("under explore, what is written to stdout and read from stdin", function()
  setup(command.setup)
  teardown(command.teardown)

  it("comes whole, in order, once", function()
    local name = command.write("explore.lua", PROGRAM)
    local seeds = math.min(support.seeds(), 20)
    local pipe = assert(io.popen(("cd %s; mkfifo feed; if command -v timeout >/dev/null; then " ..
      "t='timeout 60'; fi; $t %s %s %d 2>&1 <>feed >&0; echo \"exit $?\""):format(
      command.folder(), support.interpreter(), name, seeds)))
    local output = pipe:read "*a"
    pipe:close()
    assert.equal("all is well\nexit 0\n", output)
  end)
end)
