-- Files copied.
local fs = require "tide.fs"
local tide = require "tide"
local children = require "spec.process_support"
local files = require "spec.fs_support"

require("tide.busted").configure { clock = "real" }

local fails, in_directory = files.fails, files.in_directory
local put, get = files.put, files.get

local megabyte = ("0123456789abcdef"):rep(65536)

local proc_it = children.it_looks(it, pending)

describe("copy", function()
  it("gives contents and mode, whatever was there", function()
    in_directory(function(dir)
      for _, text in ipairs { "", "x", "a\0b\r\n\255", megabyte:rep(3) .. "!" } do
        put(dir .. "/a", text)
        assert.is_true(fs.chmod(dir .. "/a", "640"))
        assert.is_true(fs.copy(dir .. "/a", dir .. "/b"))
        assert.is_true(text == get(dir .. "/b"))
        assert.equal(tonumber("640", 8), fs.stat(dir .. "/b").mode)
        put(dir .. "/b", megabyte:rep(4))
        assert.is_true(fs.chmod(dir .. "/b", "600"))
      end
    end)
  end)

  it("to where it is already leaves it as it is", function()
    in_directory(function(dir)
      put(dir .. "/a", "text")
      assert.is_true(fs.link(dir .. "/a", dir .. "/b"))
      assert.is_true(fs.symlink("a", dir .. "/l"))
      for _, to in ipairs { "/a", "/b", "/l" } do
        assert.is_true(fs.copy(dir .. "/a", dir .. to))
        assert.equal("text", get(dir .. "/a"))
      end
      assert.same({ a = "file", b = "file", l = "link" }, files.entries(dir))
    end)
  end)

  it("of a directory changes nothing", function()
    in_directory(function(dir)
      assert.is_true(fs.mkdir(dir .. "/d"))
      put(dir .. "/f", "text")
      fails("EISDIR", fs.copy(dir .. "/d", dir .. "/f"))
      fails("EISDIR", fs.copy(dir .. "/d", dir .. "/new"))
      fails("EISDIR", fs.copy(dir .. "/f", dir .. "/d"))
      assert.equal("text", get(dir .. "/f"))
      assert.same({ d = "directory", f = "file" }, files.entries(dir))
    end)
  end)

  -- By a link: if it removed the device, this would be the last test.
  it("to a device writes to that, and leaves it there", function()
    in_directory(function(dir)
      put(dir .. "/f", megabyte:rep(2))
      assert.is_true(fs.symlink("/dev/null", dir .. "/null"))
      assert.is_true(fs.symlink("/dev/full", dir .. "/full"))
      assert.is_true(fs.copy(dir .. "/f", dir .. "/null"))
      if fs.exists(dir .. "/full") then
        fails("ENOSPC", fs.copy(dir .. "/f", dir .. "/full"))
      end
      assert.same({ f = "file", full = "link", null = "link" }, files.entries(dir))
    end)
  end)

  proc_it("of a file that does not tell its size gives all of it", function()
    in_directory(function(dir)
      assert.is_true(fs.copy("/proc/self/limits", dir .. "/limits"))
      assert.is_true(#get(dir .. "/limits") > 0)
      assert.equal(fs.read_file "/proc/self/limits", get(dir .. "/limits"))
    end)
  end)

  it("ends where the file does, also if it shrinks meanwhile", function()
    in_directory(function(dir)
      for ticks = 1, 4 do
        tide.with(assert(fs.open(dir .. "/f", "w")), function(file)
          assert.is_true(file:truncate(16 * #megabyte))
          local task = tide.task(fs.copy, dir .. "/f", dir .. "/g")
          tide.sleep(ticks / 4000)
          assert.is_true(file:truncate(1))
          assert.is_true(task:await())
        end)
      end
    end)
  end)

  it("stops on its way when it is cancelled, and removes what it has made", function()
    in_directory(function(dir)
      local before = files.descriptors()
      put(dir .. "/f", megabyte:rep(24))
      local stopped = 0
      for ticks = 0, 8 do
        local done = tide.move_on_after(ticks / 4000, fs.copy, dir .. "/f", dir .. "/g")
        if not done then
          stopped = stopped + 1
          local size = fs.exists(dir .. "/g") and fs.stat(dir .. "/g").size
          assert.is_true(not size or size == 24 * #megabyte)
        end
        fs.unlink(dir .. "/g")
      end
      assert.is_true(stopped > 0)
      assert.equal(before, files.descriptors())
    end)
  end)
end)
