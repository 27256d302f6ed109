-- examples/fs: each program works on a tree of its own.
require("tide.busted").configure { clock = "real", timeout = 20 }

local fs = require "tide.fs"
local files = require "spec.fs_support"
local support = require "spec.support"

local in_directory, put = files.in_directory, files.put

describe("wc", function()
  local wc = dofile("examples/fs/wc.lua").wc

  it("counts all files of a tree, and complains of what it cannot read", function()
    in_directory(function(dir)
      local complaints, sum = {}, 0
      assert.is_true(fs.mkdir(dir .. "/a/b", { parents = true }))
      for i = 1, 100 do
        put(("%s/a/%sf%03d"):format(dir, i % 2 == 0 and "b/" or "", i), ("word and word\n"):rep(i))
        sum = sum + i
      end
      local list, total = wc({ dir, dir .. "/a/f001", dir .. "/none" }, function(message)
        complaints[#complaints + 1] = message
      end)
      assert.equal(101, #list)
      assert.same({ sum + 1, 3 * (sum + 1), 14 * (sum + 1) }, total)
      assert.same({ dir .. "/a/b/f002", { 2, 6, 28 } }, list[1])
      assert.equal(1, #complaints)
      assert.matches("none: ", complaints[1])
    end)
  end)

  it("is a program", { task = false }, function()
    local program = "examples/fs/wc.lua"
    local pipe = io.popen(("%s %s %s"):format(support.interpreter(), program, program))
    local out = pipe:read "*a"
    pipe:close()
    local lines = #files.get(program):gsub("[^\n]", "")
    assert.matches("^ +" .. lines .. " .* examples/fs/wc.lua\n +" .. lines .. " .* total\n$", out)
  end)
end)
