-- Open files: closing, cancels, garbage, misuse.
local fs = require "tide.fs"
local tide = require "tide"
local support = require "spec.support"
local files = require "spec.file_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local path, put, get, fails = files.path, files.put, files.get, files.fails
local open, with_text, descriptors = files.open, files.with_text, files.descriptors
local sleep = tide.sleep

files.keep(before_each, after_each)

--- A task that calls a method; it has begun.
local function calls(file, method, ...)
  local task = tide.task(file[method], file, ...)
  sleep(0)
  return task
end

--- Until the pool has done what was begun.
local function settle()
  put "settle"
  for _ = 1, 4 do fs.stat(path "settle") end
end

describe("close", function()
  it("gives the descriptor back, once", function()
    local before = descriptors()
    local file = open("f", "w")
    assert.is_false(file:is_closing())
    assert.same(pack(true), pack(file:close()))
    assert.is_true(file:is_closing())
    assert.same(pack(true), pack(file:close()))
    assert.equal(before, descriptors())
  end)

  it("makes every call say that it is closed", function()
    local file = with_text "text"
    file:close()
    fails("ECANCELED", file:read())
    fails("ECANCELED", file:readline())
    fails("ECANCELED", file:pread(1, 0))
    fails("ECANCELED", file:write "x")
    fails("ECANCELED", file:pwrite("x", 0))
    fails("ECANCELED", file:seek())
    fails("ECANCELED", file:seek("end"))
    fails("ECANCELED", file:truncate())
    fails("ECANCELED", file:sync())
    fails("ECANCELED", file:datasync())
    fails("ECANCELED", file:stat())
    fails("ECANCELED", file:fileno())
    assert.equal("File<closed>", tostring(file))
  end)

  it("loses no write that was begun, and waits for none", function()
    local before = descriptors()
    local file, tasks, expected = open("f", "w"), {}, {}
    for i = 1, 20 do
      expected[i] = ("%d;"):format(i):rep(10000)
      tasks[i] = tide.task(file.write, file, expected[i])
    end
    sleep(0)
    assert.is_true(file:close())
    for i = 1, 20 do
      assert.same(pack(true), pack(tasks[i]:await()))
    end
    assert.is_true(table.concat(expected) == get "f")
    settle()
    assert.equal(before, descriptors())
  end)

  it("wakes who reads", function()
    local file = with_text "text"
    local task = calls(file, "read")
    file:close()
    local value, _, code = task:await()
    assert.is_true(value == "text" or code == "ECANCELED")
  end)

  it("of many at once, while others read, keeps descriptors apart", function()
    local before = descriptors()
    for i = 1, 20 do put("f" .. i, ("%d"):format(i):rep(1000)) end
    tide.group(function(group)
      for i = 1, 20 do
        group:task(function()
          for _ = 1, 10 do
            local file = assert(fs.open(path("f" .. i)))
            local task = tide.task(file.pread, file, 1000, 0)
            sleep(0)
            file:close()
            local data, _, code = task:await()
            assert.is_true(data == ("%d"):format(i):rep(1000):sub(1, 1000) or code == "ECANCELED")
          end
        end)
      end
    end)
    settle()
    assert.equal(before, descriptors())
  end)

  it("is done although it is cancelled, and does not raise", function()
    local before = descriptors()
    local results
    local file = open("f", "w")
    local task = tide.task(function()
      results = pack(file:close())
      sleep(0)
    end)
    sleep(0)
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    assert.same(pack(true), results)
    settle()
    assert.equal(before, descriptors())
  end)

  it("works in a cancelled scope", function()
    local before = descriptors()
    local file = open("f", "w")
    local task = tide.task(function()
      tide.current_task():cancel()
      file:close()
      sleep(0)
    end)
    raises(tide.CancelledError, task.await, task)
    settle()
    assert.equal(before, descriptors())
  end)

  it("works where nobody can wait", function()
    local before = descriptors()
    local one, other = open("f", "w"), open("f", "w")
    tide.loop():call_soon(one.close, one)
    sleep(0)
    sleep(0)
    coroutine.wrap(other.close)(other)
    assert.is_true(one:is_closing() and other:is_closing())
    settle()
    assert.equal(before, descriptors())
  end)

  it("is what `with` calls, and <close>", function()
    local file
    tide.with(open("f", "w"), function(opened)
      file = opened
      opened:write "x"
    end)
    assert.is_true(file:is_closing())
    if support.has_close then
      file = (loadstring or load)([[
        local fs, path = ...
        local kept
        do
          local file <close> = assert(fs.open(path))
          kept = file
        end
        return kept
      ]])(fs, path "f")
      assert.is_true(file:is_closing())
    end
  end)
end)

describe("a cancel", function()
  it("leaves a read at once, and what was read to the next", function()
    local file = with_text "text"
    local task = calls(file, "readexactly", 5) -- waits for a thread
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.equal("text", file:read())
  end)

  it("5, T15: of an operation that runs comes when it is over", function()
    local file, got = open("f", "w"), nil
    local task = tide.task(function()
      got = pack(file:write(("x"):rep(1000000)))
      sleep(0)
    end)
    sleep(0)
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    if got then -- a thread had begun
      assert.same(pack(true), got)
      assert.equal(1000000, #get "f")
    else
      settle()
      assert.equal("", get "f")
    end
    assert.is_true(file:write "y")
    assert.equal("y", get("f"):sub(-1))
  end)

  it("takes one out that waits for those before it, and only that", function()
    local file, tasks = open("f", "w"), {}
    for i = 1, 9 do
      tasks[i] = tide.task(file.write, file, ("%d"):format(i))
    end
    sleep(0)
    for i = 3, 8 do tasks[i]:cancel() end
    tasks[9]:await()
    for i = 3, 8 do assert.is_true(tasks[i]:cancelled(), i) end
    assert.equal("129", get "f")
    assert.equal(3, file:seek())
  end)

  it("62: is seen by a call that has not begun, which does nothing", function()
    local file = with_text("text", "r+")
    for name, call in pairs {
      read = function() file:read() end,
      write = function() file:write "x" end,
      seek = function() file:seek("set", 3) end,
      truncate = function() file:truncate(0) end,
      open = function() fs.open(path "new", "w") end,
    } do
      local task = tide.task(function()
        tide.current_task():cancel()
        call()
      end)
      raises(tide.CancelledError, task.await, task)
      assert.is_true(task:cancelled(), name)
    end
    assert.equal("text", get "f")
    assert.equal("text", file:read())
    fails("ENOENT", fs.open(path "new"))
  end)

  it("of an open that comes too late leaves no descriptor", function()
    local before = descriptors()
    put "f"
    for _ = 1, 20 do
      local task = tide.task(function()
        fs.open(path "f")
        sleep(0)
      end)
      sleep(0)
      task:cancel()
      raises(tide.CancelledError, task.await, task)
      task = nil -- luacheck: ignore 311
    end
    support.collect()
    settle()
    assert.equal(before, descriptors())
  end)
end)

describe("reading beside writing in another task", function()
  it("goes on behind what was written", function()
    local file = with_text("0123456789", "r+")
    local reader = calls(file, "readexactly", 6)
    assert.is_true(file:write "AB")
    local data = reader:await()
    assert.is_true(data == "012345" or data == "234567", data)
    assert.equal("AB", get("f"):match "AB")
  end)

  it("loses nothing over a long time", function()
    local text = ("0123456789abcdef"):rep(20000)
    local file = with_text(text, "r+")
    tide.group(function(group)
      group:task(function()
        for i = 1, 50 do
          assert(file:pwrite("X", 16 * i))
          assert(file:stat().size == #text)
        end
      end)
      local parts = {}
      repeat
        local data = file:read(7000)
        parts[#parts + 1] = data
      until not data
      assert.is_true(table.concat(parts):gsub("X", "0") == text)
    end)
  end)
end)

describe("a File that is garbage", function()
  it("150: is closed", function()
    local before, handles = descriptors(), tide.stats().handles
    put("f", ("x"):rep(500000))
    local function use(i)
      local file = assert(fs.open(path "f", "r+"))
      if i % 2 == 0 then file:read(10) end
      if i % 3 == 0 then file:write "x" end
    end
    for i = 1, 10 do use(i) end
    support.collect()
    settle()
    assert.equal(before, descriptors())
    assert.equal(handles, tide.stats().handles)
  end)

  it("is there while a task waits for it", function()
    put("f", "text")
    local task
    do
      local file = assert(fs.open(path "f"))
      task = calls(file, "read", -1)
    end
    support.collect()
    assert.equal("text", (task:await()))
    task = nil -- luacheck: ignore 311
    support.collect()
    settle()
  end)

  it("may be closed, or read, by a finaliser at any place", function()
    put("f", ("x"):rep(300))
    for i = 1, 60 do
      local file = fs.open(path "f")
      file:read(10)
      support.when_collected(function()
        if i % 2 == 0 then file:close() else tide.pcall(file.read, file) end
      end)
      for _ = 1, i do
        local _ = {}
      end
      local data, _, code = file:readexactly(200)
      assert.is_true(code == "ECANCELED" or code == "EOF" or data == ("x"):rep(200))
      file:close()
    end
    settle()
  end)

  it("may be sought in by a finaliser at any place", function()
    local text = ("0123456789"):rep(10000)
    put("f", text)
    for i = 1, 200 do
      local file = fs.open(path "f")
      local armed, sought
      for _ = 1, 3 do
        support.when_collected(function()
          if armed and not sought then sought = tide.pcall(file.seek, file, "set", 5) end
        end)
      end
      file:read(10)
      armed = true
      local n = 20000 + i % 50 * 1000
      local data = file:readexactly(n)
      armed = false
      local from = sought and data:sub(1, 1) == "5" and 6 or 11
      assert.is_true(data == text:sub(from, from + n - 1))
      local rest = file:read(10)
      local next_one = text:sub(from + n, from + n + 9)
      assert.is_true(rest == next_one or sought and rest == text:sub(6, 15))
      file:close()
    end
    settle()
  end)
end)

describe("the loop", function()
  it("88: closed while files are open and operations run", { task = false }, function()
    tide.loop():close() -- the next one has no watches
    local before = descriptors()
    for round = 1, 10 do
      put("f", ("x"):rep(1000000))
      local file
      tide.task(function()
        file = fs.open(path "f", "r+")
        tide.task(file.read, file)
        tide.task(file.pread, file, 100, 0)
        tide.task(file.write, file, ("y"):rep(100000))
        tide.task(file.write, file, "z")
        tide.task(file.seek, file, "end")
        if round % 2 == 0 then file:close() end
        sleep(1)
      end)
      for _ = 1, round * 3 do tide.loop():step(0) end
      repeat tide.loop():step(0.001) until file
      tide.loop():close()
      assert.is_true(file:is_closing())
      misuse("the loop is closed", function() file:read() end)
      misuse("the loop is closed", function() file:write "x" end)
      misuse("the loop is closed", function() file:stat() end)
      assert.is_true(file:close())
      file = nil -- luacheck: ignore 311
      support.collect()
      assert.equal(before, descriptors())
    end
  end)

  it("is driven by a file in the main program", { task = false }, function()
    local file = assert(fs.open(path "f", "w"))
    assert.is_true(file:write "x")
    assert.is_true(file:close())
    assert.equal("x", get "f")
  end)
end)

describe("a File is misused at the caller's line:", function()
  it("a method on something else", function()
    local methods = getmetatable(open("f", "w")).__index
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event() } do
        misuse("'File:" .. name .. "'.*File expected", function() method(other) end)
      end
    end
    local stream, peer = require "tide.testing".stream_pair()
    misuse("'File:read'.*File expected", function() methods.read(stream) end)
    misuse("'Stream:read'.*Stream expected", function() stream.read(open("f", "w")) end)
    stream:close()
    peer:close()
  end)

  it("path, mode and options", function()
    misuse("#1 to 'tide.fs.open' %(path expected", function() fs.open() end)
    for _, mode in ipairs { "", "rw", "x", "rx", "w++", "wbb", "+r", "r\0", "R" } do
      misuse("#2 to 'tide.fs.open' %(no mode", function() fs.open("f", mode) end)
    end
    misuse("#2 to 'tide.fs.open' %(mode expected", function() fs.open("f", 1) end)
    misuse("#3 to 'tide.fs.open' %(table expected", function() fs.open("f", "r", 1) end)
    misuse("'mode' to 'tide.fs.open'", function() fs.open("f", "r", { mode = "x" }) end)
    misuse("'limit' to 'tide.fs.open'", function() fs.open("f", "r", { limit = 0 }) end)
  end)

  it("what its methods are given", function()
    local file = open("f", "w+")
    misuse("#1 to 'File:write' %(string, number or list", function() file:write(nil) end)
    misuse("#2 to 'File:write' %(string, number or list", function() file:write("x", true) end)
    misuse("#1 to 'File:write' %(a list has", function() file:write { {} } end)
    misuse("#1 to 'File:seek'", function() file:seek(1) end)
    misuse("#1 to 'File:seek'", function() file:seek "start" end)
    misuse("#2 to 'File:seek'", function() file:seek("set", "x") end)
    misuse("#2 to 'File:seek'", function() file:seek("set", 0.5) end)
    misuse("#1 to 'File:truncate'", function() file:truncate(-1) end)
    misuse("#1 to 'File:pread'", function() file:pread() end)
    misuse("#2 to 'File:pread'", function() file:pread(1) end)
    misuse("#1 to 'File:pwrite'", function() file:pwrite() end)
    misuse("#2 to 'File:pwrite'", function() file:pwrite("x", -1) end)
    assert.equal("", get "f")
  end)
end)
