-- Files read and written as a whole.
local fs = require "tide.fs"
local tide = require "tide"
local children = require "spec.process_support"
local files = require "spec.fs_support"
local support = require "spec.support"

require("tide.busted").configure { clock = "real" }

local fails, in_directory = files.fails, files.in_directory
local put, get = files.put, files.get

local megabyte = ("0123456789abcdef"):rep(65536)

local proc_it = children.it_looks(it, pending)

describe("read_file", function()
  it("gives all of a file", function()
    in_directory(function(dir)
      for _, text in ipairs { "", "x", "a\0b\r\n\255", megabyte, megabyte:rep(3) .. "!" } do
        put(dir .. "/f", text)
        assert.is_true(text == fs.read_file(dir .. "/f"))
      end
    end)
  end)

  proc_it("of a file that does not tell its size gives all of it", function()
    local text = assert(fs.read_file "/proc/self/status")
    assert.equal(0, fs.stat("/proc/self/status").size)
    assert.matches("^Name:.*\n$", text)
    in_directory(function(dir) -- more than the first guess
      put(dir .. "/f", ("x"):rep(200000))
      local fd = assert(io.open(dir .. "/f"))
      assert.equal(200000, #fs.read_file(dir .. "/f"))
      fd:close()
    end)
  end)

  it("gives what there is of a file that grows or shrinks meanwhile", function()
    in_directory(function(dir)
      local path, size, done = dir .. "/f", #megabyte * 8, false
      put(path, megabyte:rep(8))
      tide.group(function(g)
        g:task(function()
          for _ = 1, 10 do
            local n = #assert(fs.read_file(path))
            assert.is_true(n == 0 or n >= 0 and n <= size + 20 * #megabyte)
          end
          done = true
        end)
        g:task(function()
          while not done do
            assert.is_true(fs.write_file(path, "x"))
            assert.is_true(fs.append_file(path, megabyte:rep(2)))
            tide.sleep(0)
          end
        end)
      end)
    end)
  end)

  it("fails as the world does", function()
    fails("EISDIR", fs.read_file "/")
    assert.matches("^/no/such/thing: ", fails("ENOENT", fs.read_file "/no/such/thing"))
    in_directory(function(dir)
      assert.is_true(fs.symlink("l", dir .. "/l"))
      fails("ELOOP", fs.read_file(dir .. "/l"))
    end)
  end)

  it("stops on its way when it is cancelled", function()
    in_directory(function(dir)
      put(dir .. "/f", megabyte:rep(32))
      local before = files.descriptors()
      assert.is_false((tide.move_on_after(0.002, fs.read_file, dir .. "/f")))
      assert.equal(before, files.descriptors())
    end)
  end)
end)

describe("write_file", function()
  it("takes the place of what was there", function()
    in_directory(function(dir)
      local path = dir .. "/f"
      for _, text in ipairs { "long enough", "x", "", megabyte:rep(2) .. "!" } do
        assert.is_true(fs.write_file(path, text))
        assert.is_true(text == get(path))
      end
      assert.is_true(fs.write_file(path, 12))
      assert.equal("12", get(path))
      assert.is_true(fs.write_file(path, { "a", 1, "", "b\0" }))
      assert.equal("a1b\0", get(path))
      assert.is_true(fs.write_file(path, {}))
      assert.equal("", get(path))
    end)
  end)

  it("makes a file as others do, or with the mode it is told", function()
    in_directory(function(dir)
      put(dir .. "/a", "")
      assert.is_true(fs.write_file(dir .. "/b", ""))
      assert.is_true(fs.write_file(dir .. "/c", "", { atomic = true }))
      assert.is_true(fs.write_file(dir .. "/d", "", { mode = "600" }))
      assert.is_true(fs.write_file(dir .. "/e", "", { mode = "600", atomic = true }))
      assert.is_true(fs.append_file(dir .. "/f", "", { mode = "600" }))
      local default, private = fs.stat(dir .. "/a").mode, tonumber("600", 8)
      for name, mode in pairs { b = default, c = default, d = private, e = private, f = private } do
        assert.equal(mode, fs.stat(dir .. "/" .. name).mode, name)
      end
    end)
  end)

  it("appends, each call as a whole", function()
    in_directory(function(dir)
      local path = dir .. "/f"
      tide.group(function(g)
        for i = 1, 50 do
          g:task(function()
            assert.is_true(fs.append_file(path, ("line %2d\n"):format(i)))
          end)
        end
      end)
      local seen = {}
      for i in get(path):gmatch "line ([ %d]%d)\n" do
        seen[tonumber(i)] = true
      end
      assert.equal(50 * 8, fs.stat(path).size)
      assert.equal(50, #seen)
    end)
  end)

  it("fails as the world does", function()
    fails("EISDIR", fs.write_file("/", "x"))
    fails("ENOENT", fs.write_file("/no/such/thing", "x"))
    if fs.exists "/dev/full" then
      assert.matches("^/dev/full: ", fails("ENOSPC", fs.write_file("/dev/full", "x")))
      fails("ENOSPC", fs.append_file("/dev/full", "x"))
    end
  end)

  it("stops on its way when it is cancelled", function()
    in_directory(function(dir)
      local before, text = files.descriptors(), megabyte:rep(32)
      assert.is_false((tide.move_on_after(0.002, fs.write_file, dir .. "/f", text)))
      assert.is_true((fs.stat(dir .. "/f") or { size = 0 }).size < #text)
      assert.equal(before, files.descriptors())
    end)
  end)
end)

describe("write_file, atomic", function()
  local atomic = { atomic = true }

  it("keeps the mode, the owner, and the link that leads there", function()
    in_directory(function(dir)
      put(dir .. "/f", "old")
      assert.is_true(fs.chmod(dir .. "/f", "754"))
      assert.is_true(fs.symlink("f", dir .. "/l"))
      local before = fs.stat(dir .. "/f")
      assert.is_true(fs.write_file(dir .. "/l", "new", atomic))
      local after = fs.stat(dir .. "/f")
      assert.equal("new", get(dir .. "/f"))
      assert.equal("link", fs.lstat(dir .. "/l").type)
      assert.not_equal(before.ino, after.ino)
      for _, field in ipairs { "mode", "uid", "gid" } do
        assert.equal(before[field], after[field], field)
      end
      assert.same({ f = "file", l = "link" }, files.entries(dir))
    end)
  end)

  it("makes the file that a link leads to, where there is none yet", function()
    in_directory(function(dir)
      assert.is_true(fs.mkdir(dir .. "/d"))
      assert.is_true(fs.symlink("d/new", dir .. "/a"))
      assert.is_true(fs.symlink("a", dir .. "/b"))
      assert.is_true(fs.symlink(dir .. "/d/other", dir .. "/c"))
      assert.is_true(fs.symlink("no/f", dir .. "/lost"))
      assert.is_true(fs.write_file(dir .. "/b", "1", atomic))
      assert.is_true(fs.write_file(dir .. "/c", "2", atomic))
      assert.same({ "1", "2" }, { get(dir .. "/d/new"), get(dir .. "/d/other") })
      fails("ENOENT", fs.write_file(dir .. "/lost", "x", atomic))
      assert.same({ a = "link", b = "link", c = "link", d = "directory", lost = "link" },
        files.entries(dir))
    end)
  end)

  it("shows all or nothing to those that read meanwhile", function()
    in_directory(function(dir)
      local path, done = dir .. "/f", false
      local texts = { [("a"):rep(3e6)] = true, [("b"):rep(2e6)] = true }
      put(path, (next(texts)))
      tide.group(function(g)
        g:task(function()
          for _ = 1, 3 do
            for text in pairs(texts) do
              assert.is_true(fs.write_file(path, text, atomic))
            end
          end
          done = true
        end)
        g:task(function()
          while not done do
            assert.is_true(texts[fs.read_file(path)])
          end
        end)
      end)
      assert.same({ f = "file" }, files.entries(dir))
    end)
  end)

  it("refuses what no file can take the place of", function()
    in_directory(function(dir)
      fails("EISDIR", fs.write_file(dir, "x", atomic))
      fails("EINVAL", fs.write_file("/dev/null", "x", atomic))
      fails("ENOENT", fs.write_file(dir .. "/no/f", "x", atomic))
      assert.is_true(fs.symlink("l", dir .. "/l"))
      fails("ELOOP", fs.write_file(dir .. "/l", "x", atomic))
      assert.same({ l = "link" }, files.entries(dir))
    end)
  end)

  it("leaves the old one, and nothing else, when it is cancelled", function()
    in_directory(function(dir)
      local before, text = files.descriptors(), megabyte:rep(16)
      put(dir .. "/f", "old")
      for _, seconds in ipairs { 0, 0.001, 0.002, 0.004 } do
        tide.move_on_after(seconds, fs.write_file, dir .. "/f", text, atomic)
        assert.same({ f = "file" }, files.entries(dir))
        local size = fs.stat(dir .. "/f").size
        assert.is_true(size == 3 or size == #text)
      end
      assert.equal(before, files.descriptors())
    end)
  end)

  it("outlives the loop, but not for long", { task = false }, function()
    local dir = tide.run(fs.mkdtemp, files.root .. "/tide-spec-XXXXXX")
    put(dir .. "/f", "old")
    tide.run(function()
      for _ = 1, 5 do
        tide.task(fs.write_file, dir .. "/f", megabyte:rep(16), atomic)
      end
      tide.sleep(0.002)
    end)
    tide.loop():close()
    assert.same({ f = "file" }, tide.run(files.entries, dir))
    assert.is_true(tide.run(fs.remove, dir, { recursive = true }))
  end)
end)

describe("what is on a full disk", function()
  --- A disk of 64 KiB, in a name space of its own.
  local script = [[
    local tide = require "tide"
    local fs = tide.fs
    local dir = assert(fs.mkdtemp())
    if os.execute("mount -t tmpfs -o size=64k tmpfs " .. dir .. " 2>/dev/null") ~= %s then
      print "no mount"
    else
      local big = ("x"):rep(200000)
      assert(fs.write_file(dir .. "/f", "old"))
      print(select(3, fs.write_file(dir .. "/f", big, { atomic = true })))
      print(fs.read_file(dir .. "/f"))
      for name in fs.scandir(dir) do print(name) end
      print(select(3, fs.write_file(dir .. "/g", big)))
      print(fs.stat(dir .. "/g").size <= 65536)
      print(select(3, fs.append_file(dir .. "/g", big)))
      print(select(3, fs.copy("/proc/self/exe", dir .. "/h")))
      os.execute("umount " .. dir)
    end
    fs.rmdir(dir)
  ]]

  it("stays, and what is half written atomically goes (skipped where it cannot be mounted)",
    { task = false }, function()
    local ok = _VERSION == "Lua 5.1" and "0" or "true"
    if jit and pcall(load, "") and os.execute "true" == true then -- luacheck: ignore
      ok = "true"
    end
    local file = os.tmpname()
    put(file, script:format(ok))
    local pipe = assert(io.popen(("unshare -m timeout 20 %s %s 2>&1"):format(support.interpreter(),
      file)))
    local output = pipe:read "*a"
    pipe:close()
    os.remove(file)
    if output:match "no mount" or output:match "unshare" then
      return pending "nothing can be mounted"
    end
    assert.equal("ENOSPC\nold\nf\nENOSPC\ntrue\nENOSPC\nENOSPC\n", output)
  end)
end)
