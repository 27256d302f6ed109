-- Files, with a cancel at every await.
local fs = require "tide.fs"
local tide = require "tide"
local files = require "spec.fs_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local SEEDS = support.few_seeds(15)
local survives = support.survives

local dir

--- Whatever it made has to be gone or known, however it ends.
local function guarded(run, fn)
  return tide.finally(run.guarded, function()
    local left = files.entries(dir)
    assert(fs.remove(dir, { recursive = true }))
    assert(fs.mkdir(dir))
    left.f, left.d = nil, nil
    assert(next(left) == nil, "something is left: " .. tostring(next(left)))
  end, run, fn)
end

describe("under explore,", function()
  setup(function()
    dir = assert(fs.mkdtemp(files.root .. "/tide-explore-XXXXXX"))
  end)

  teardown(function()
    assert(fs.remove(dir, { recursive = true }))
  end)

  survives("a file that is written, listed and removed", { "written", "replaced", "read", "gone" },
    function(run)
      local log = run.log
      return guarded(run, function()
        local path = dir .. "/f"
        assert(fs.write_file(path, "old"))
        log[#log + 1] = "written"
        assert(fs.write_file(path, "new", { atomic = true }))
        log[#log + 1] = "replaced"
        assert(fs.read_file(path) == "new")
        assert(files.entries(dir).f == "file")
        log[#log + 1] = "read"
        assert(fs.unlink(path))
        log[#log + 1] = "gone"
        return "done"
      end)
    end, SEEDS)

  survives("a file that is copied", { "copied" }, function(run)
    local log, size = run.log, 5000000 -- two parts
    return guarded(run, function()
      local from = assert(io.open(dir .. "/f", "w"))
      from:seek("set", size - 1)
      from:write "x"
      from:close()
      local ok, err = tide.pcall(fs.copy, dir .. "/f", dir .. "/d")
      local file = io.open(dir .. "/d")
      assert(ok == (file ~= nil))
      assert(not file or file:seek "end" == size)
      if file then
        file:close()
      end
      if not ok then
        error(err, 0)
      end
      log[#log + 1] = "copied"
      return "done"
    end)
  end, SEEDS)

  survives("a tree that more make than are at it at a time", { "made", "walked" }, function(run)
    local log = run.log
    return guarded(run, function()
      tide.group(function(g)
        for i = 1, 3 do
          g:task(function()
            assert(fs.mkdir(dir .. "/d/" .. i, { parents = true }))
            assert(fs.write_file(dir .. "/d/" .. i .. "/x", "x", { atomic = true }))
          end)
        end
      end)
      log[#log + 1] = "made"
      local n = 0
      for _ in pairs(files.tree(dir)) do
        n = n + 1
      end
      assert(n == 7)
      log[#log + 1] = "walked"
      return "done"
    end)
  end, SEEDS)
end)
