--- Files where calls of the system fail: see test/faults.c.

local support = require "spec.support"

local library = os.getenv "TIDE_FAULTS" or "build/runtime/test/faults.so"
local program = debug.getinfo(1, "S").source:sub(2):gsub("[^/]*$", "") .. "fs_faults_program.lua"

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
  local codes = output:match "^([^\n]*)\nleft tasks=0 handles=0 descriptors=0\nexit 0\n$"
  assert.is_string(codes, output)
  return codes
end

local all_well = "append=ok list=ok read=ok replace=ok write=ok"

describe("a file", function()
  faulty("is whole although it comes and goes in pieces", function()
    assert.equal(all_well, run "get=some/2 put=one/3")
  end)

  faulty("is whole although calls are interrupted", function()
    assert.equal(all_well, run "get=EINTR/2 put=EINTR/3 open=EINTR/4")
  end)

  faulty("that does not fit is told, and what is replaced stays", function()
    assert.equal("append=ENOSPC append=ok list=ok read=ok replace=ENOSPC replace=ok " ..
      "write=ENOSPC write=ok", run "put=ENOSPC/4")
    assert.equal("append=ok list=ok read=ok replace=ENOSPC replace=ok write=ok",
      run "fsync=ENOSPC/2")
  end)

  faulty("that cannot be read to its end is told", function()
    assert.matches("read=EIO", run "get=EIO/3")
  end)

  faulty("for which there is no descriptor is told", function()
    local codes = run "open=EMFILE/~4 opendir=EMFILE/2"
    for _, code in ipairs { "append=EMFILE", "list=EMFILE", "read=EMFILE", "replace=EMFILE",
      "write=EMFILE" } do
      assert.matches(code, codes)
    end
  end)

  faulty("that is refused is told", function()
    local codes = run "open=EACCES/~4 opendir=EACCES/~4"
    for _, code in ipairs { "append=EACCES", "list=EACCES", "read=EACCES", "replace=EACCES",
      "write=EACCES" } do
      assert.matches(code, codes)
    end
    assert.equal("append=ok list=ok read=ok replace=EACCES replace=ok write=ok",
      run "rename=EACCES/2")
  end)
end)
