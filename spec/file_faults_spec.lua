--- Open files where calls of the system fail: see test/faults.c.

local faults = require "spec.faults_support"

local faulty = faults.faulty(it, pending)

--- What each call came to, in a list of "call=code".
local function run(rules)
  return faults.codes(("FAULTS='%s' FAULTS_PATH=faulty"):format(rules), "file_faults_program.lua",
    "handles=0 descriptors=0")
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
