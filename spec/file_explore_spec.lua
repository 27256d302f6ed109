-- Open files and watches, with a cancel at every await.
local fs = require "tide.fs"
local tide = require "tide"
local files = require "spec.file_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local SEEDS = support.few_seeds(15)
local survives = support.survives
local path = files.path

--- Those that are open before the first of them.
local before

--- fn(...), and no descriptor is left afterwards, however it ends; also none that
-- garbage would close.
local function guarded(run, fn)
  os.remove(path "f")
  return tide.finally(run.guarded, function()
    for _ = 1, 20 do -- threads close them
      fs.stat(path())
      if before == files.open_descriptors() then
        return
      end
    end
    assert.equal(before, files.open_descriptors())
  end, run, fn)
end

local function with_file(mode, fn)
  local file = assert(fs.open(path "f", mode))
  return tide.finally(fn, function() file:close() end, file)
end

describe("under explore,", function()
  files.keep(setup, teardown)

  before_each(function()
    fs.watch(path()):close() -- libuv keeps a descriptor for these
    before = files.descriptors()
  end)

  survives("a file that is written and read", { "open", "written", "read", "seen" }, function(run)
    local log = run.log
    return guarded(run, function()
      return with_file("w+", function(file)
        log[#log + 1] = "open"
        assert(file:write("hello\n", 1, { "2\n", 3 }))
        log[#log + 1] = "written"
        assert(file:seek "set" == 0)
        assert(file:readline() == "hello" and file:readline() == "12" and file:read() == "3")
        log[#log + 1] = "read"
        assert(file:read() == nil)
        assert(file:pread(5, 0) == "hello")
        assert(file:seek("end", -1) == 9)
        assert(file:truncate())
        assert(file:stat().size == 9)
        log[#log + 1] = "seen"
        return "done"
      end)
    end)
  end, SEEDS)

  survives("writes of several tasks, whole and in order", { "whole" }, function(run)
    local log = run.log
    return guarded(run, function()
      local written = {}
      local function write(file, text)
        if file:write(text) then written[#written + 1] = text end
      end
      tide.finally(function()
        with_file("w", function(file)
          tide.group(function(group)
            for i = 1, 4 do
              group:task(write, file, ("%d"):format(i):rep(3))
            end
          end)
        end)
      end, function()
        fs.stat(path())
        local text = fs.exists(path "f") and files.get "f" or ""
        assert(text:gsub("(%d)%1%1", "") == "", text) -- no part of one
        for _, part in ipairs(written) do assert(text:find(part, 1, true)) end
      end)
      log[#log + 1] = "whole"
      return "done"
    end)
  end, SEEDS)

  survives("a watch, whose changes are the next one's", { "a", "b" }, function(run)
    local log = run.log
    return guarded(run, function()
      local watch = assert(fs.watch(path()))
      return tide.finally(function()
        local function change(name)
          files.put(name, "")
          repeat
            local kind, changed = assert(watch:next())
          until changed == name or kind == "overflow"
          os.remove(path(name))
          log[#log + 1] = name
        end
        change "a"
        change "b"
        return "done"
      end, function() watch:close() end)
    end)
  end, SEEDS)
end)
