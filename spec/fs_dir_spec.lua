-- What is in directories: scandir, walk, and removing all of it.
local fs = require "tide.fs"
local tide = require "tide"
local files = require "spec.fs_support"
local support = require "spec.support"

require("tide.busted").configure { clock = "real" }

local fails, in_directory, put = files.fails, files.in_directory, files.put
local misuse, raises = support.misuse, support.raises
local recursive = { recursive = true }

--- So many files, quickly.
local function fill(dir, n)
  assert(os.execute(("cd '%s' && seq 1 %d | xargs touch"):format(dir, n)))
end

describe("scandir", function()
  it("gives the names and types of what is there", function()
    in_directory(function(dir)
      assert.same({}, files.entries(dir))
      put(dir .. "/f", "")
      assert.is_true(fs.mkdir(dir .. "/d"))
      assert.is_true(fs.symlink("nothing", dir .. "/l"))
      assert.same({ f = "file", d = "directory", l = "link" }, files.entries(dir))
    end)
  end)

  it("reads a large directory in parts, in which others have their turns", function()
    in_directory(function(dir)
      fill(dir, 100000)
      local turns, n, next_entry = tide.stats().turns, 0, fs.scandir(dir)
      while next_entry() do
        n = n + 1
      end
      assert.equal(100000, n)
      assert.is_true(tide.stats().turns - turns > 10)
    end)
  end)

  it("is used in a for", function()
    in_directory(function(dir)
      fill(dir, 2000)
      local n = 0
      if _VERSION == "Lua 5.1" and not jit then
        assert.is_false((tide.pcall(function()
          for _ in fs.scandir(dir) do
            n = n + 1
          end
        end)))
        assert.equal(512, n) -- the first of them are there
      else
        for name, kind in fs.scandir(dir) do
          assert.equal("file", kind)
          n = n + tonumber(name) * 0 + 1
        end
        assert.equal(2000, n)
      end
    end)
  end)

  it("raises what it cannot read, with its code", function()
    local err = raises(tide.OSError, fs.scandir, "/no/such/thing")
    assert.equal("ENOENT", err.code)
    assert.matches("^/no/such/thing: ", err.message)
    in_directory(function(dir)
      put(dir .. "/f", "")
      assert.equal("ENOTDIR", raises(tide.OSError, fs.scandir, dir .. "/f").code)
      assert.equal("EINVAL", raises(tide.OSError, fs.scandir, dir .. "\0/f").code)
    end)
  end)

  it("may be left early, and closed", function()
    in_directory(function(dir)
      fill(dir, 2000)
      local before = files.descriptors()
      local scan = fs.scandir(dir)
      assert.is_string((scan()))
      scan:close()
      scan:close()
      assert.is_nil(scan())
      fs.stat(dir) -- closing is in line before it
      assert.equal(before, files.descriptors())
      assert.is_string((fs.scandir(dir):next()))
      support.collect()
      fs.stat(dir)
      assert.equal(before, files.descriptors())
      if support.has_close then
        for name in fs.scandir(dir) do
          if name then
            break
          end
        end
        fs.stat(dir)
        assert.equal(before, files.descriptors())
      end
    end)
  end)

  it("is closed under who waits for it", function()
    in_directory(function(dir)
      fill(dir, 2000)
      local scan = fs.scandir(dir)
      for _ = 1, 512 do
        scan()
      end
      local task = tide.task(function() return scan() or "nothing" end)
      tide.sleep(0)
      misuse("another task reads", function() scan() end)
      scan:close()
      assert.equal("nothing", task:await())
    end)
  end)

  it("goes on after a cancel", function()
    in_directory(function(dir)
      fill(dir, 3000)
      local scan, seen, n = fs.scandir(dir), {}, 0
      while true do
        local _, name = tide.move_on_after(n % 512 == 0 and 0 or 10, scan.next, scan)
        if not name and n >= 3000 then
          break
        elseif name then
          assert.is_nil(seen[name])
          seen[name], n = true, n + 1
        else
          seen[#seen + 1] = "cancelled"
          name = scan()
          if not name then
            break
          end
          seen[name], n = true, n + 1
        end
      end
      assert.equal(3000, n)
    end)
  end)

  it("is known by its class", function()
    misuse("calling 'Scandir:next' on bad self", function() fs.scandir("/").next {} end)
    misuse("calling 'Scandir:close' on bad self", function() fs.scandir("/").close {} end)
    misuse("calling 'Walk:skip' on bad self", function() fs.walk("/").skip {} end)
  end)
end)

--- a/b/c/f, a/l -> ../d, d/g
local function make_tree(dir)
  assert.is_true(fs.mkdir(dir .. "/a/b/c", { parents = true }))
  assert.is_true(fs.mkdir(dir .. "/d"))
  put(dir .. "/a/b/c/f", "")
  put(dir .. "/d/g", "")
  assert.is_true(fs.symlink("../d", dir .. "/a/l"))
end

describe("walk", function()
  it("gives all that is below, and follows no link", function()
    in_directory(function(dir)
      make_tree(dir)
      local expected = {}
      for path, kind in pairs { a = "directory", ["a/b"] = "directory", ["a/b/c"] = "directory",
        ["a/b/c/f"] = "file", ["a/l"] = "link", d = "directory", ["d/g"] = "file" } do
        expected[dir .. "/" .. path] = kind
      end
      assert.same(expected, files.tree(dir))
      assert.same(expected, files.tree(dir .. "/"))
      local path, kind, name = fs.walk(dir .. "/d")()
      assert.same({ dir .. "/d/g", "file", "g" }, { path, kind, name })
    end)
  end)

  it("leaves out what is to be skipped", function()
    in_directory(function(dir)
      make_tree(dir)
      local seen, walk = {}, fs.walk(dir)
      local path, kind, name = walk()
      while path do
        seen[name] = kind
        if name == "b" or name == "f" then
          walk:skip()
          walk:skip()
        end
        path, kind, name = walk()
      end
      local expected = { a = "directory", b = "directory", l = "link", d = "directory", g = "file" }
      assert.same(expected, seen)
    end)
  end)

  it("does not follow a link that has taken a directory's place", function()
    in_directory(function(dir)
      make_tree(dir)
      local walk = fs.walk(dir .. "/a")
      local path = walk()
      while not path:find "/b$" do
        path = walk()
      end
      assert.is_true(fs.remove(path, { recursive = true }))
      assert.is_true(fs.symlink(dir .. "/d", path))
      path = walk()
      assert.is_true(path == nil or path == dir .. "/a/l", path)
      assert.is_nil((walk()))
    end)
  end)

  it("passes over what goes meanwhile, and tells or raises what is refused", function()
    in_directory(function(dir)
      assert.equal("ENOENT", raises(tide.OSError, fs.walk, dir .. "/no").code)
      make_tree(dir)
      local walk = fs.walk(dir)
      walk()
      walk()
      assert.is_true(fs.remove(dir .. "/a", recursive))
      assert.is_true(fs.remove(dir .. "/d", recursive))
      assert.is_nil(walk())
      local told = {}
      assert.is_true(fs.mkdir(dir .. "/x"))
      assert.is_true(fs.mkdir(dir .. "/y"))
      walk = fs.walk(dir, { on_error = function(...) told[#told + 1] = support.pack(...) end })
      local gone = walk()
      walk()
      assert.is_true(fs.rmdir(gone))
      put(gone, "")
      assert.is_nil(walk())
      assert.equal(1, #told)
      assert.same({ gone, "ENOTDIR" }, { told[1][1], told[1][3] })
    end)
  end)

  it("goes on after a cancel with the directory that was to come", function()
    in_directory(function(dir)
      make_tree(dir)
      local walk, others = fs.walk(dir .. "/a"), {}
      walk()
      walk()
      for i = 1, 100 do
        others[i] = tide.task(fs.stat, "/")
      end
      local task = tide.task(walk)
      tide.sleep(0)
      task:cancel()
      raises(tide.CancelledError, task.await, task)
      tide.wait(others)
      assert.equal(dir .. "/a/b/c", (walk()))
      assert.equal(dir .. "/a/b/c/f", (walk()))
      assert.is_nil(walk())
    end)
  end)

  it("is over when it is closed while it goes down into a directory", function()
    in_directory(function(dir)
      make_tree(dir)
      local before, walk = files.descriptors(), fs.walk(dir .. "/a")
      walk()
      walk()
      local task = tide.task(walk)
      tide.sleep(0)
      walk:close()
      assert.is_nil(task:await())
      assert.is_nil(walk())
      fs.stat(dir)
      assert.equal(before, files.descriptors())
    end)
  end)

  it("gives each entry once, whoever of several tasks asks", function()
    in_directory(function(dir)
      make_tree(dir)
      local paths, walk = {}, fs.walk(dir .. "/a")
      walk()
      walk()
      local asked = { tide.task(walk), tide.task(walk) }
      for _, task in ipairs(asked) do
        local ok, path = tide.pcall(task.await, task)
        paths[#paths + 1] = ok and path
      end
      for path in walk do
        paths[#paths + 1] = path
      end
      table.sort(paths)
      assert.same({ dir .. "/a/b/c", dir .. "/a/b/c/f" }, paths)
    end)
  end)

  it("may be left early", function()
    in_directory(function(dir)
      make_tree(dir)
      local before, walk = files.descriptors(), fs.walk(dir)
      walk()
      walk:close()
      walk:close()
      assert.is_nil(walk())
      fs.stat(dir)
      assert.equal(before, files.descriptors())
    end)
  end)
end)

describe("remove, recursive", function()
  it("removes a tree, and no more than that", function()
    in_directory(function(dir)
      make_tree(dir)
      assert.is_true(fs.remove(dir .. "/a", recursive))
      assert.same({ d = "directory" }, files.entries(dir))
      assert.same({ g = "file" }, files.entries(dir .. "/d"))
      fails("ENOENT", fs.remove(dir .. "/a", recursive))
      assert.is_true(fs.remove(dir .. "/d/g", recursive))
    end)
  end)

  it("of a link removes the link", function()
    in_directory(function(dir)
      make_tree(dir)
      assert.is_true(fs.remove(dir .. "/a/l/", recursive))
      assert.same({ b = "directory" }, files.entries(dir .. "/a"))
      assert.same({ g = "file" }, files.entries(dir .. "/d"))
      assert.is_true(fs.symlink(dir, dir .. "/d/up"))
      assert.is_true(fs.remove(dir .. "/d", recursive))
      assert.same({ a = "directory" }, files.entries(dir))
    end)
  end)

  it("refuses what has no name of its own", function()
    for _, path in ipairs { "/", "//", ".", "..", "/tmp/.", "/tmp/../", "./" } do
      fails("EINVAL", fs.remove(path, recursive))
    end
  end)

  it("goes deeper than there are descriptors, or letters in a path", function()
    in_directory(function(dir)
      local top, chain = dir .. "/top", ("/" .. ("n"):rep(20)):rep(150)
      assert.is_true(fs.mkdir(top))
      for _ = 1, 20 do -- each a chain around what there is
        assert.is_true(fs.mkdir(dir .. "/next" .. chain, { parents = true }))
        assert.is_true(fs.rename(top, dir .. "/next" .. chain .. "/top"))
        assert.is_true(fs.rename(dir .. "/next", top))
      end
      assert.is_true(fs.remove(top, recursive))
      assert.same({}, files.entries(dir))
    end)
  end)

  it("is safe where others remove and make", function()
    in_directory(function(dir)
      local tree, done = dir .. "/t"
      for _ = 1, 5 do
        assert.is_true(fs.mkdir(tree .. "/a/b", { parents = true }))
        fill(tree .. "/a/b", 500)
        done = false
        tide.group(function(g)
          g:task(function()
            for i = 1, 200 do
              if done then
                break
              end
              fs.write_file(tree .. "/a/x" .. i, "")
              fs.mkdir(tree .. "/a/y" .. i)
            end
          end)
          for _ = 1, 3 do
            g:task(function()
              local ok, _, code = fs.remove(tree, recursive)
              assert.is_true(ok or code == "ENOENT" or code == "EBUSY", code)
              done = true
            end)
          end
        end)
        fs.remove(tree, recursive)
      end
    end)
  end)

  it("stops on its way when it is cancelled", function()
    in_directory(function(dir)
      fill(dir, 5000)
      local before = files.descriptors()
      local task = tide.task(fs.remove, dir, recursive)
      support.turns(3)
      task:cancel()
      local ok = tide.pcall(task.await, task)
      assert.is_true(ok or next(files.entries(dir)) ~= nil)
      assert.is_true(fs.exists(dir) or ok)
      fs.mkdir(dir)
      assert.equal(before, files.descriptors())
    end)
  end)
end)
