-- Paths: what is there, names that come and go, what they may be used for.
local dns = require "tide.dns"
local fs = require "tide.fs"
local tide = require "tide"
local files = require "spec.fs_support"
local support = require "spec.support"

require("tide.busted").configure { clock = "real" }

local fails, in_directory, put = files.fails, files.in_directory, files.put
local misuse, pack = support.misuse, support.pack

describe("stat", function()
  it("tells what a file is like", function()
    in_directory(function(dir)
      put(dir .. "/f", "hello")
      assert.is_true(fs.chmod(dir .. "/f", "640"))
      assert.is_true(fs.utime(dir .. "/f", 100, 200.5))
      local found = fs.stat(dir .. "/f")
      assert.equal("file", found.type)
      assert.equal(5, found.size)
      assert.equal(tonumber("640", 8), found.mode)
      assert.equal(1, found.nlink)
      assert.equal(100, found.atime)
      assert.equal(200.5, found.mtime)
      assert.is_true(math.abs(found.ctime - os.time()) < 1000)
      for field in ("uid gid ino dev rdev blksize blocks birthtime"):gmatch "%a+" do
        assert.is_number(found[field], field)
      end
    end)
  end)

  it("knows directories, devices and links", function()
    in_directory(function(dir)
      put(dir .. "/f", "")
      assert.is_true(fs.symlink("f", dir .. "/l"))
      assert.equal("directory", fs.stat(dir).type)
      assert.equal("file", fs.stat(dir .. "/l").type)
      assert.equal("link", fs.lstat(dir .. "/l").type)
      assert.equal("char", fs.stat("/dev/null").type)
    end)
  end)

  it("fails with the path in its message", function()
    in_directory(function(dir)
      local message = fails("ENOENT", fs.stat(dir .. "/nothing"))
      assert.matches("^" .. dir:gsub("%W", "%%%0") .. "/nothing: ", message)
      put(dir .. "/f", "")
      fails("ENOTDIR", fs.stat(dir .. "/f/x"))
      assert.is_true(fs.symlink("loop", dir .. "/loop"))
      fails("ELOOP", fs.stat(dir .. "/loop"))
      fails("ENAMETOOLONG", fs.stat(dir .. "/" .. ("x"):rep(300)))
    end)
  end)

  it("knows no empty name, and none with a zero in it", function()
    fails("ENOENT", fs.stat "")
    fails("EINVAL", fs.stat "/tmp\0x")
    fails("EINVAL", fs.rename("/tmp\0x", "/tmp/y"))
    fails("EINVAL", fs.rename("/tmp/nothing", "/tmp/y\0"))
    fails("EINVAL", fs.read_file "/etc/passwd\0.txt")
    fails("ENOENT", fs.read_file "")
    fails("ENOENT", fs.write_file("", "x"))
    fails("ENOENT", fs.write_file("", "x", { atomic = true }))
    fails("ENOENT", fs.mkdir("", { parents = true }))
    fails("ENOENT", fs.remove("", { recursive = true }))
  end)

  it("takes names of any bytes", function()
    in_directory(function(dir)
      local expected = {}
      for _, name in ipairs { "a\nb", "\255\254", " ", "-rf", "'\"$(x)", "..." } do
        put(dir .. "/" .. name, name)
        assert.equal(#name, fs.stat(dir .. "/" .. name).size)
        assert.equal(name, fs.read_file(dir .. "/" .. name))
        expected[name] = "file"
      end
      assert.same(expected, files.entries(dir))
    end)
  end)

  it("exists, is_file and is_dir are quick questions", function()
    in_directory(function(dir)
      put(dir .. "/f", "")
      assert.is_true(fs.symlink("nothing", dir .. "/l"))
      assert.same({ true, true, false, false }, { fs.exists(dir), fs.exists(dir .. "/f"),
        fs.exists(dir .. "/l"), fs.exists(dir .. "/f/x") })
      assert.same({ false, true, false }, { fs.is_file(dir), fs.is_file(dir .. "/f"),
        fs.is_file(dir .. "/x") })
      assert.same({ true, false, false }, { fs.is_dir(dir), fs.is_dir(dir .. "/f"),
        fs.is_dir(dir .. "/x") })
    end)
  end)
end)

describe("a path", function()
  it("is renamed, linked and copied", function()
    in_directory(function(dir)
      local a, b, c = dir .. "/a", dir .. "/b", dir .. "/c"
      put(a, "text")
      assert.is_true(fs.link(a, b))
      assert.equal(2, fs.stat(a).nlink)
      assert.equal(fs.stat(a).ino, fs.stat(b).ino)
      assert.is_true(fs.rename(a, c))
      assert.matches("a %-> .*/b: ", fails("ENOENT", fs.rename(a, b)))
      assert.is_true(fs.copy(c, a))
      assert.equal("text", files.get(a))
      assert.equal(1, fs.stat(a).nlink)
      put(a, "other")
      assert.is_true(fs.copy(a, b))
      assert.equal("other", files.get(c))
      fails("EEXIST", fs.copy(a, b, { exclusive = true }))
      fails("EEXIST", fs.link(a, b))
      fails("ENOENT", fs.copy(dir .. "/x", dir .. "/y"))
    end)
  end)

  it("may be a link, which can be read and resolved", function()
    in_directory(function(dir)
      local real = fs.realpath(dir)
      put(dir .. "/f", "")
      assert.is_true(fs.symlink("f", dir .. "/l"))
      assert.equal("f", fs.readlink(dir .. "/l"))
      assert.equal(real .. "/f", fs.realpath(dir .. "/./l"))
      fails("EINVAL", fs.readlink(dir .. "/f"))
      fails("EEXIST", fs.symlink("f", dir .. "/l"))
      assert.is_true(fs.unlink(dir .. "/l"))
      assert.is_true(fs.exists(dir .. "/f"))
      fails("ENOENT", fs.readlink(dir .. "/l"))
      fails("ENOENT", fs.realpath(dir .. "/l"))
    end)
  end)

  it("is asked who may use it", function()
    in_directory(function(dir)
      put(dir .. "/f", "")
      assert.is_true(fs.access(dir .. "/f"))
      assert.is_true(fs.access(dir .. "/f", "rw"))
      fails("EACCES", fs.access(dir .. "/f", "x"))
      assert.is_true(fs.chmod(dir .. "/f", tonumber("755", 8)))
      assert.is_true(fs.access(dir .. "/f", "rwx"))
      fails("ENOENT", fs.access(dir .. "/x"))
    end)
  end)

  it("is refused to whom it is not for (nothing is to root)", function()
    if files.is_root() then
      return pending "nothing is refused to root"
    end
    in_directory(function(dir)
      assert.is_true(fs.mkdir(dir .. "/d"))
      put(dir .. "/d/f", "")
      assert.is_true(fs.chmod(dir .. "/d", 0))
      fails("EACCES", fs.read_file(dir .. "/d/f"))
      fails("EACCES", fs.write_file(dir .. "/d/f", "x", { atomic = true }))
      support.raises(tide.OSError, fs.scandir, dir .. "/d")
      fails("EACCES", fs.remove(dir .. "/d", { recursive = true }))
      assert.is_true(fs.chmod(dir .. "/d", "700"))
    end)
  end)

  it("gets times: now, if none is given", function()
    in_directory(function(dir)
      put(dir .. "/f", "")
      assert.is_true(fs.utime(dir .. "/f", 1000))
      assert.same({ 1000, 1000 }, { fs.stat(dir .. "/f").atime, fs.stat(dir .. "/f").mtime })
      assert.is_true(fs.utime(dir .. "/f"))
      assert.is_true(math.abs(fs.stat(dir .. "/f").mtime - os.time()) < 1000)
    end)
  end)
end)

describe("a directory", function()
  it("is made, with those above it if that is wanted", function()
    in_directory(function(dir)
      assert.is_true(fs.mkdir(dir .. "/a"))
      fails("EEXIST", fs.mkdir(dir .. "/a"))
      fails("ENOENT", fs.mkdir(dir .. "/b/c/d"))
      assert.is_true(fs.mkdir(dir .. "/b//c/d/", { parents = true, mode = "700" }))
      assert.is_true(fs.mkdir(dir .. "/b/c/d", { parents = true }))
      assert.equal(tonumber("700", 8), fs.stat(dir .. "/b/c/d").mode)
      put(dir .. "/f", "")
      fails("EEXIST", fs.mkdir(dir .. "/f", { parents = true }))
      fails("ENOTDIR", fs.mkdir(dir .. "/f/x/y", { parents = true }))
      assert.is_true(fs.symlink("b", dir .. "/l"))
      assert.is_true(fs.mkdir(dir .. "/l/x/y", { parents = true }))
      assert.is_true(fs.is_dir(dir .. "/b/x/y"))
    end)
  end)

  it("is made by many at once", function()
    in_directory(function(dir)
      tide.group(function(g)
        for _ = 1, 20 do
          g:task(function()
            assert.is_true(fs.mkdir(dir .. "/a/b/c/d/e", { parents = true }))
          end)
        end
      end)
    end)
  end)

  it("goes when it is empty", function()
    in_directory(function(dir)
      assert.is_true(fs.mkdir(dir .. "/a/b", { parents = true }))
      fails("ENOTEMPTY", fs.rmdir(dir .. "/a"))
      fails("ENOTEMPTY", fs.remove(dir .. "/a"))
      assert.is_true(fs.rmdir(dir .. "/a/b"))
      assert.is_true(fs.remove(dir .. "/a"))
      put(dir .. "/f", "")
      fails("ENOTDIR", fs.rmdir(dir .. "/f"))
      assert.is_true(fs.remove(dir .. "/f"))
      fails("ENOENT", fs.remove(dir .. "/f"))
    end)
  end)

  it("is below /tmp where TMPDIR is empty", function()
    local text = support.child('print(require "tide.fs".tmpdir())', "export TMPDIR=")
    assert.equal("/tmp\n", text)
  end)

  it("of a name of its own is its owner's", function()
    local dir = assert(fs.mkdtemp())
    assert.equal(fs.tmpdir(), dir:match "^(.*)/tide%-%w+$")
    assert.equal(tonumber("700", 8), fs.stat(dir).mode)
    local file = assert(fs.mkstemp(dir .. "/xXXXXXX"))
    assert.equal(tonumber("600", 8), fs.stat(file).mode)
    assert.not_equal(file, assert(fs.mkstemp(dir .. "/xXXXXXX")))
    fails("EINVAL", fs.mkdtemp(dir .. "/no-template"))
    fails("ENOENT", fs.mkdtemp(dir .. "/no/XXXXXX"))
    assert.is_true(fs.remove(dir, { recursive = true }))
  end)
end)

describe("an operation", function()
  it("works outside of run, and in a coroutine", { task = false }, function()
    assert.equal("directory", fs.stat("/").type)
    fails("ENOENT", fs.stat "/no/such/thing")
    tide.run(function()
      tide.coroutine.wrap(function()
        assert.equal("directory", fs.stat("/").type)
      end)()
    end)
  end)

  it("that waits in line leaves at once when it is cancelled", function()
    local tasks = {}
    for i = 1, 200 do
      tasks[i] = tide.task(fs.stat, "/")
    end
    tide.sleep(0)
    for i = 2, 200 do
      tasks[i]:cancel()
    end
    local turns = tide.stats().turns
    support.raises(tide.CancelledError, tasks[200].await, tasks[200])
    assert.is_true(tide.stats().turns - turns < 5)
    tide.wait(tasks)
  end)

  it("that a thread is at is delivered, then the cancel is", function()
    in_directory(function(dir)
      local made, next_one
      local task = tide.task(function()
        made = fs.mkdtemp(dir .. "/XXXXXX")
        next_one = true
        fs.stat(dir)
        next_one = false
      end)
      tide.sleep(0)
      task:cancel()
      support.raises(tide.CancelledError, task.await, task)
      if made then -- else no thread had begun
        assert.is_true(fs.is_dir(made))
        assert.is_true(next_one)
        assert.is_true(fs.rmdir(made))
      end
      assert.same({}, files.entries(dir))
    end)
  end)

  it("leaves nothing of what was cancelled on its way", function()
    in_directory(function(dir)
      for round = 1, 20 do
        local tasks = {}
        for i = 1, 20 do
          tasks[i] = tide.task(function()
            return fs.mkdtemp(dir .. "/XXXXXX")
          end)
        end
        support.turns(round % 4)
        for _, task in ipairs(tasks) do
          task:cancel()
        end
        for _, task in ipairs(tasks) do
          local ok, made = tide.pcall(task.await, task)
          if ok then
            assert.is_true(fs.rmdir(made))
          end
        end
      end
      assert.same({}, files.entries(dir))
    end)
  end)

  it("keeps no others waiting: not names, nor what threads do for programs", function()
    local done = false
    tide.group(function(g)
      for _ = 1, 1000 do
        g:task(function()
          while not done do
            fs.stat "/"
          end
        end)
      end
      tide.sleep(0)
      local before = tide.stats().turns
      local found = dns.getaddrinfo("localhost", 80, { family = "inet" })
      done = true
      assert.equal("127.0.0.1", found[1].host)
      assert.is_true(tide.stats().turns > before)
    end)
  end)

  it("is told apart in the tree of tasks", function()
    local task = tide.task(fs.stat, "/")
    tide.sleep(0)
    assert.matches("fs%.stat", require("tide.debug").tree())
    task:await()
  end)

  it("raises what is misuse", function()
    misuse("#1 to 'tide.fs.stat' %(path expected, got n%l", function() fs.stat() end)
    misuse("#1 to 'tide.fs.stat' %(path expected, got number%)", function() fs.stat(1) end)
    misuse("#1 to 'tide.fs.exists' %(path expected, got nil%)", function() fs.exists() end)
    misuse("#1 to 'tide.fs.is_file' %(path expected, got tab", function() fs.is_file {} end)
    misuse("#1 to 'tide.fs.is_dir' %(path expected, got num", function() fs.is_dir(1) end)
    misuse("bad argument #2 to 'tide.fs.rename' %(path expected", function() fs.rename "a" end)
    misuse("bad argument #2 to 'tide.fs.mkdir' %(table expected", function() fs.mkdir("a", 1) end)
    misuse("bad option 'mode' to 'tide.fs.mkdir'", function() fs.mkdir("a", { mode = "9" }) end)
    misuse("bad argument #2 to 'tide.fs.chmod' %(mode", function() fs.chmod "a" end)
    misuse("bad argument #2 to 'tide.fs.chmod' %(mode", function() fs.chmod("a", 4096) end)
    misuse("bad argument #2 to 'tide.fs.chmod' %(mode", function() fs.chmod("a", "rwx") end)
    misuse("bad argument #2 to 'tide.fs.chmod' %(mode", function() fs.chmod("a", "644\0") end)
    misuse("bad argument #2 to 'tide.fs.access'", function() fs.access("a", "q") end)
    misuse("bad argument #2 to 'tide.fs.access'", function() fs.access("a", "r\0w") end)
    misuse("bad argument #2 to 'tide.fs.utime'", function() fs.utime("a", "soon") end)
    misuse("bad argument #3 to 'tide.fs.utime'", function() fs.utime("a", 1, math.huge) end)
    misuse("bad argument #1 to 'tide.fs.mkdtemp' %(string expected", function() fs.mkdtemp(1) end)
    misuse("#2 to 'tide.fs.write_file' %(string, number or", function() fs.write_file "a" end)
    misuse("bad argument #2 to 'tide.fs.write_file'", function() fs.write_file("a", { {} }) end)
    misuse("#3 to 'tide.fs.write_file' %(table", function() fs.write_file("a", "", 1) end)
    misuse("bad argument #1 to 'tide.fs.scandir' %(path expected", function() fs.scandir() end)
    misuse("bad argument #1 to 'tide.fs.walk' %(path expected", function() fs.walk() end)
    misuse("bad argument #2 to 'tide.fs.walk' %(table expected", function() fs.walk("a", 1) end)
    misuse("bad option 'on_error' to 'tide.fs.walk'", function() fs.walk("a", { on_error = 1 }) end)
  end)

  it("cannot wait where nothing can", function()
    local co = coroutine.wrap(function()
      return pack(pcall(fs.stat, "/"))
    end)
    assert.is_false(co()[1])
    assert.is_false((pcall(string.gsub, "x", "x", function() fs.stat "/" end)))
  end)
end)
