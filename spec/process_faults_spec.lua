--- Children where calls of the system fail: see test/faults.c.

local support = require "spec.support"

local library = os.getenv "TIDE_FAULTS" or "build/runtime/test/faults.so"
local program = debug.getinfo(1, "S").source:sub(2):gsub("[^/]*$", "") ..
  "process_faults_program.lua"

local function is_there()
  local file = io.open(library)
  return file ~= nil and file:close()
end

local faulty = is_there() and it or function(title)
  pending(title .. " (needs " .. library .. ")")
end

--- What each call came to, in a list of "call=code".
local function run(rules)
  local pipe = assert(io.popen(("if command -v timeout >/dev/null; then t='timeout 60'; fi; " ..
    "FAULTS='%s' $t env LD_PRELOAD=\"$LD_PRELOAD %s\" %s %s 2>&1 </dev/null; echo \"exit $?\"")
    :format(rules, library, support.interpreter(), program)))
  local output = pipe:read "*a"
  pipe:close()
  local codes = output:match "^([^\n]*)\nleft handles=0 tasks=0 recovered=true\nexit 0\n$"
  assert.is_string(codes, output)
  return codes
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
