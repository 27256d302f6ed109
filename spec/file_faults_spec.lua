--- Open files where calls of the system fail: see test/faults.c.

local support = require "spec.support"

local library = os.getenv "TIDE_FAULTS" or "build/runtime/test/faults.so"
local program = debug.getinfo(1, "S").source:sub(2):gsub("[^/]*$", "") .. "file_faults_program.lua"

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
    "FAULTS='%s' FAULTS_PATH=faulty $t env LD_PRELOAD=\"$LD_PRELOAD %s\" %s %s 2>&1 </dev/null; " ..
    "echo \"exit $?\""):format(rules, library, support.interpreter(), program)))
  local output = pipe:read "*a"
  pipe:close()
  local codes = output:match "^([^\n]*)\nleft handles=0 descriptors=0\nexit 0\n$"
  assert.is_string(codes, output)
  return codes
end

local all_well = "close=ok datasync=ok open=ok read=ok sync=ok write=ok"

describe("an open file", function()
  faulty("has every byte although it comes and goes in pieces", function()
    assert.equal(all_well, run "get=some/2 put=one/3 put=some/2")
  end)

  faulty("has every byte although calls are interrupted", function()
    assert.equal(all_well, run "get=EINTR/2 put=EINTR/3 open=EINTR/4 fsync=EINTR/3")
  end)

  faulty("tells who writes that there is no room, and what was written", function()
    assert.equal("close=ok datasync=ok open=ok read=ok sync=ok write=ENOSPC write=ok",
      run "put=ENOSPC/4")
    assert.equal("close=ok datasync=ok open=ok read=ok sync=ok write=ENOSPC write=ok",
      run "put=ENOSPC/~3 put=one/2")
    assert.equal("close=ok datasync=ok open=ok read=ok sync=ok write=EIO write=ok", run "put=EIO/3")
  end)

  faulty("tells who reads what went wrong, after what came before it", function()
    assert.equal("close=ok datasync=ok open=ok read=EIO read=ok sync=ok write=ok", run "get=EIO/5")
  end)

  faulty("tells that it could not be opened, or is not on the disk", function()
    assert.equal("close=ok datasync=ok open=EMFILE open=ok read=ok sync=ok write=ok",
      run "open=EMFILE/3")
    assert.matches("sync=EIO", run "fsync=EIO/2")
    assert.matches("sync=ENOSPC", run "fsync=ENOSPC/2")
  end)
end)
