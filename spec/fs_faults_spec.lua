--- Files where calls of the system fail: see test/faults.c.

local faults = require "spec.faults_support"

local faulty = faults.faulty(it, pending)

--- What each call came to, in a list of "call=code".
local function run(rules)
  return faults.codes(("FAULTS='%s' FAULTS_PATH=faulty"):format(rules), "fs_faults_program.lua",
    "tasks=0 handles=0 descriptors=0")
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
