--- Children where calls of the system fail: see test/faults.c.

local faults = require "spec.faults_support"

local faulty = faults.faulty(it, pending)

--- What each call came to, in a list of "call=code".
local function run(rules)
  return faults.codes(("FAULTS='%s'"):format(rules), "process_faults_program.lua",
    "handles=0 tasks=0 recovered=true")
end

describe("a child", function()
  faulty("that there is no process for is told, and the next one is there", function()
    assert.equal("run=EAGAIN run=ok spawn=EAGAIN spawn=ok", run "fork=EAGAIN/3")
    assert.equal("run=ok spawn=EAGAIN spawn=ok", run "fork=EAGAIN/2")
    assert.equal("run=ENOMEM run=ok spawn=ENOMEM spawn=ok", run "fork=ENOMEM/~2")
  end)

  --- It takes some for itself, and one to learn that the command runs.
  faulty("that there are no descriptors for leaves none behind", function()
    for every = 4, 9 do
      assert.matches("=EMFILE", run(("pipe=EMFILE/%d+2"):format(every)))
    end
    assert.equal("run=ENFILE run=ok spawn=ENFILE spawn=ok", run "pipe=ENFILE/11+2")
  end)
end)
