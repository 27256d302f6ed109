-- SIGCHLD is the program's own: children are seen to end without it.
require("tide.busted").configure { clock = "real", timeout = 20 }

local support = require "spec.support"

describe("SIGCHLD", function()
  local function prints(expected, code, before)
    local output, status = support.child([[local tide = require "tide"
      local core = require "tide.core"
      local spawn = tide.process.spawn
    ]] .. code, before)
    assert.equal(expected, output)
    assert.equal(0, status)
  end

  it("may be another's: wait does not need it, and gives it back", { task = false }, function()
    prints("3\nnil\tsignal\tSIGKILL\ntold\n", [[
      local told
      core.on_signal("SIGCHLD", function() told = "told" end)
      print(spawn { "sh", "-c", "exit 3" }:wait())
      local child = spawn { "sleep", "100" }
      tide.sleep(0.01)
      core.on_signal("SIGCHLD", nil)
      core.default_signal "SIGCHLD"
      child:kill "SIGKILL"
      print(child:wait())
      print(told)
    ]])
  end)

  it("may be ignored when the program begins", { task = false }, function()
    prints("3\n", [[print(spawn { "sh", "-c", "exit 3" }:wait())]], "trap '' CHLD")
  end)

  local ffi_it = support.it_if(jit, "ffi", it, pending)

  ffi_it("may have a handler that reaps all children", { task = false }, function()
    prints("nil\tECHILD\nnil\tESRCH\n", [[
      local ffi = require "ffi"
      ffi.cdef "int waitpid(int, int *, int);"
      local child = spawn { "true" }
      ffi.C.waitpid(-1, nil, 0)
      local code, _, name = child:wait()
      print(code, name)
      code, _, name = child:kill "SIGTERM"
      print(code, name)
    ]])
  end)
end)
