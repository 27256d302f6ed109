local fs = require "tide.fs"
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local files = require "spec.file_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, raises, pack = support.misuse, support.raises, support.pack
local path, put, fails, opens = files.path, files.put, files.fails, files.opens
local sleep = tide.sleep

files.keep(before_each, after_each)

local function watch(name, options)
  return opens(fs.watch(path(name), options))
end

--- The changes up to that of `last`, which is one of them: "kind name", ...
local function upto(w, last)
  local seen = {}
  repeat
    local kind, name = assert(w:next())
    seen[#seen + 1] = kind .. " " .. tostring(name)
  until name == last
  return table.concat(seen, ", ")
end

local function waiter(w)
  local task = tide.task(w.next, w)
  sleep(0)
  return task
end

describe("a watch of a directory", function()
  it("is told of many changes in a row, one by one, which are no flood", function()
    put "f"
    local w, file = watch(), assert(io.open(path "f", "a"))
    file:setvbuf "no"
    local kind, i = "change", 0
    while kind == "change" and i < 17000 do
      file:write "x"
      kind, i = w:next(), i + 1
    end
    file:close()
    assert.equal("change", kind)
  end)

  it("tells what comes, changes and goes, by name", function()
    put "old"
    local w = watch()
    put "new"
    assert.same(pack("rename", "new"), pack(w:next()))
    put("old", "text")
    assert.same(pack("change", "old"), pack(w:next()))
    os.rename(path "old", path "renamed")
    assert.same(pack("rename", "old"), pack(w:next()))
    assert.same(pack("rename", "renamed"), pack(w:next()))
    os.remove(path "new")
    assert.same(pack("rename", "new"), pack(w:next()))
  end)

  it("wakes who waits", function()
    local w = watch()
    local task = waiter(w)
    assert.is_false(task:done())
    put "a"
    assert.same(pack("rename", "a"), pack(task:await()))
  end)

  it("has one entry for all changes of a name", function()
    local w = watch()
    for i = 1, 100 do
      put("a", ("x"):rep(i))
      put("b", ("x"):rep(i), "ab")
    end
    put "last"
    assert.equal("rename a, rename b, rename last", upto(w, "last"))
    put("a", "x")
    put("a", "x", "ab")
    os.remove(path "last")
    assert.equal("change a, rename last", upto(w, "last"))
  end)

  it("tells any name that a file can have", function()
    local w = watch()
    for _, name in ipairs { "a b", "a\nb", "\255\254", "\195", ("n"):rep(255), "-", "'" } do
      put(name)
      assert.same(pack("rename", name), pack(w:next()))
    end
  end)

  it("tells that there were too many, and goes on", function()
    local w = watch(nil, { limit = 10 })
    for i = 1, 10 do put("a" .. i) end
    assert.same(pack("rename", "a1"), pack(w:next()))
    assert.equal(9, w:stats().pending)
    for i = 1, 100 do put("b" .. i) end
    put "poll"
    repeat
      local kind, name = w:next()
    until kind == "overflow" or name == "poll" -- the nine before it, perhaps
    for i = 1, 30 do put("c" .. i) end
    put "last"
    local seen = upto(w, "last")
    assert.matches("overflow nil", seen)
    assert.is_true(w:stats().dropped > 100)
    put "a"
    assert.same(pack("rename", "a"), pack(w:next()))
  end)

  it("keeps 1,024 names if it is not told otherwise", function()
    local w = watch()
    for i = 1, 1024 do put("a" .. i) end
    assert.equal("rename", (w:next()))
    assert.same({ pending = 1023, dropped = 0 }, w:stats())
    for i = 1, 1025 do put("b" .. i) end
    for _ = 1, 1023 do w:next() end
    assert.equal("overflow", (w:next()))
  end)

  it("tells when it is removed, after the rest, and ends", function()
    assert(os.execute("mkdir " .. path "d"))
    local w = watch "d"
    put "d/a"
    os.execute("rm -r " .. path "d")
    local seen = {}
    for _ = 1, 10 do
      local kind, name = w:next()
      if not kind then break end
      seen[#seen + 1] = kind .. " " .. tostring(name)
    end
    assert.equal("rename a, removed nil", table.concat(seen, ", "))
    fails("ENOENT", w:next())
    fails("ENOENT", w:next())
    assert.is_false(w:is_closing())
  end)

  it("wakes who waits when it is removed, or moved away", function()
    for _, command in ipairs { "rmdir %s", "mv %s %s2" } do
      assert(os.execute("mkdir " .. path "d"))
      local w = watch "d"
      local task = waiter(w)
      os.execute((command:gsub("%%s", (path "d"))))
      assert.same(pack("removed", nil), pack(task:await()))
    end
  end)

  it("goes on with one that has taken its place", function()
    assert(os.execute("mkdir " .. path "d"))
    local w = watch "d"
    os.execute(("rmdir %s; mkdir %s"):format(path "d", path "d"))
    assert.same(pack("overflow", nil), pack(w:next()))
    put "d/a"
    assert.same(pack("rename", "a"), pack(w:next()))
    os.execute(("mv %s %s; mkdir %s"):format(path "d", path "e", path "d"))
    assert.same(pack("overflow", nil), pack(w:next()))
    put "e/b"
    put "d/c"
    assert.same(pack("rename", "c"), pack(w:next()))
  end)

  it("is not confused by a name that is its own", function()
    assert(os.execute("mkdir " .. path "d"))
    local w = watch "d"
    for _ = 1, 3 do
      put "d/d"
      assert.same(pack("rename", "d"), pack(w:next()))
      os.remove(path "d/d")
      assert.same(pack("rename", "d"), pack(w:next()))
    end
    put "d/a"
    assert.same(pack("rename", "a"), pack(w:next()))
  end)

  it("takes a path with slashes at its end", function()
    assert(os.execute("mkdir " .. path "d"))
    local w = watch "d//"
    put "d/a"
    assert.same(pack("rename", "a"), pack(w:next()))
    os.execute("rm -r " .. path "d")
    assert.equal("rename a, removed nil", upto(w, nil))
  end)

  it("can be had more than once", function()
    local one, other = watch(), watch()
    put "a"
    assert.same(pack("rename", "a"), pack(one:next()))
    assert.same(pack("rename", "a"), pack(other:next()))
    one:close()
    put "b"
    assert.same(pack("rename", "b"), pack(other:next()))
  end)
end)

describe("a watch of a file", function()
  it("tells its changes, and that another has taken its place", function()
    put "f"
    local w = watch "f"
    put("f", "text")
    assert.same(pack("change", "f"), pack(w:next()))
    put("f", "more", "ab")
    assert.same(pack("change", "f"), pack(w:next()))
    put("g", "other")
    os.rename(path "g", path "f")
    assert.same(pack("rename", "f"), pack(w:next()))
    put("f", "text")
    assert.same(pack("change", "f"), pack(w:next()))
  end)

  it("sees a replacement while the old one is open elsewhere", function()
    put "f"
    local w = watch "f"
    local old = assert(io.open(path "f"))
    put("g", "other")
    os.rename(path "g", path "f")
    assert.same(pack("rename", "f"), pack(w:next()))
    old:close()
    put("f", "text")
    local kind
    repeat kind = w:next() until kind == "change"
  end)

  it("tells its end", function()
    put "f"
    local w = watch "f"
    os.remove(path "f")
    assert.same(pack("removed", nil), pack(w:next()))
    fails("ENOENT", w:next())
  end)
end)

-- libuv has one for all paths of what they lead to, and calls it by the first.
describe("what is watched by several paths", function()
  it("is a directory whose end each watch tells", function()
    fs.mkdir(path "d")
    fs.symlink("d", path "l")
    local first, second = watch "l", watch "d"
    first:close()
    fs.rename(path "d", path "other")
    assert.same(pack("removed", nil), pack(second:next()))
    fails("ENOENT", second:next())
  end)

  it("is a file that each watch calls by its own name", function()
    put "a"
    fs.link(path "a", path "b")
    local a, b = watch "a", watch "b"
    put("a", "text")
    assert.same(pack("change", "a"), pack(a:next()))
    assert.same(pack("change", "b"), pack(b:next()))
    os.remove(path "b")
    assert.same(pack("removed", nil), pack(b:next()))
    assert.same(pack("change", "a"), pack(a:next()))
    os.remove(path "a")
    assert.same(pack("removed", nil), pack(a:next()))
  end)
end)

describe("a watch", function()
  it("that cannot be is an error", function()
    fails("ENOENT", fs.watch(path "nothing"))
    assert.equal(path "nothing" .. ": no such file or directory",
      select(2, fs.watch(path "nothing")))
    fails("ENOENT", fs.watch "")
    fails("EINVAL", fs.watch(path() .. "\0x"))
    put "f"
    fails("ENOTDIR", fs.watch(path "f/x"))
  end)

  it("is closed by another task: who waits is told", function()
    local w = watch()
    local task = waiter(w)
    assert.is_false(w:is_closing())
    w:close()
    w:close()
    assert.is_true(w:is_closing())
    assert.same(pack(nil, "it is closed", "ECANCELED"), pack(task:await()))
    fails("ECANCELED", w:next())
  end)

  it("drops what nobody took when it is closed", function()
    local w = watch()
    put "a"
    put "b"
    assert.equal("a", select(2, w:next()))
    w:close()
    assert.equal(0, w:stats().pending)
    fails("ECANCELED", w:next())
  end)

  it("leaves it to who was woken", function()
    local w = watch()
    local task = waiter(w)
    put "a"
    repeat sleep(0) until w:stats().pending > 0
    assert.is_false(task:done())
    w:close()
    assert.same(pack("rename", "a"), pack(task:await()))
    fails("ECANCELED", w:next())
  end)

  it("is left by a cancel, and loses nothing", function()
    local w = watch()
    local task = waiter(w)
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    put "a"
    assert.same(pack("rename", "a"), pack(w:next()))
  end)

  it("is for one task at a time", function()
    local w = watch()
    local task = waiter(w)
    misuse("'Watch:next': another task waits", function() w:next() end)
    put "a"
    assert.equal("rename", (task:await()))
  end)

  it("is collected without close", function()
    local before = tide.stats().handles
    fs.watch(path())
    support.collect()
    sleep(0)
    assert.equal(before, tide.stats().handles)
  end)

  it("keeps a run waiting only while somebody waits for it", { task = false }, function()
    local w = watch()
    raises(tide.DeadlockError, testing.run, function() tide.event():wait() end)
    put "a"
    assert.equal("a", testing.run(function() return (select(2, w:next())) end))
  end)

  it("may be closed by a finaliser at any place", function()
    for i = 1, 60 do
      local w = fs.watch(path())
      put("a" .. ("x"):rep(100) .. i)
      put "b"
      local first = select(2, w:next())
      support.when_collected(function()
        w:close()
      end)
      for _ = 1, i do
        local _ = {}
      end
      local kind, name = w:next()
      assert.is_true(first ~= name and (kind == "rename" or name == "it is closed" or name == "b"))
      w:close()
    end
  end)

  it("is told by tostring", function()
    local w = watch()
    assert.equal("Watch<open>", tostring(w))
    w:close()
    assert.equal("Watch<closed>", tostring(w))
  end)

  it("5: that was woken, then cancelled, returns", function()
    local w, got = watch(), nil
    local task = tide.task(function()
      got = w:next()
      sleep(0)
    end)
    sleep(0)
    put "a"
    repeat sleep(0) until w:stats().pending > 0
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    assert.equal("rename", got)
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = assert(fs.watch(path()))
    tide.loop():close()
    for name, method in pairs(getmetatable(old).__index) do
      if name ~= "close" and name ~= "is_closing" then
        misuse("the loop is closed", function() method(old) end)
      end
    end
    assert.is_true(old:is_closing())
    old:close()
  end)

  it("88: closed while a task waits and something is there", { task = false }, function()
    local log = {}
    local a, b = assert(fs.watch(path())), assert(fs.watch(path()))
    tide.task(function() log[#log + 1] = a:next() end)
    tide.task(function() put "a" end)
    while b:stats().pending == 0 do tide.loop():step(0) end
    tide.loop():close()
    a = setmetatable({ a, b }, { __mode = "v" })
    b = nil -- luacheck: ignore 311
    support.collect()
    assert.is_nil(a[1])
    assert.is_nil(a[2])
  end)
end)

-- A `for` of PUC Lua 5.1 cannot wait.
if _VERSION ~= "Lua 5.1" or jit then -- luacheck: ignore 113
  describe("for", function()
    it("goes through the changes until it is closed", function()
      local seen, w = {}, watch()
      put "a"
      put "b"
      for kind, name in w do
        seen[#seen + 1] = kind .. " " .. name
        if name == "b" then w:close() end
      end
      assert.same({ "rename a", "rename b" }, seen)
    end)
  end)
end

describe("a Watch is misused at the caller's line:", function()
  it("a method on something else", function()
    local methods = getmetatable(watch()).__index
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event() } do
        misuse("'Watch:" .. name .. "'.*Watch expected", function() method(other) end)
      end
    end
  end)

  it("path and options", function()
    misuse("#1 to 'tide.fs.watch' %(path expected, got nil%)", function() fs.watch() end)
    misuse("#1 to 'tide.fs.watch' %(path expected, got table%)", function() fs.watch {} end)
    misuse("#2 to 'tide.fs.watch' %(table expected, got string%)", function() fs.watch("", "") end)
    misuse("'limit' to 'tide.fs.watch'", function() fs.watch("x", { limit = 0 }) end)
  end)
end)
