local net = require "tide.net"
local tide = require "tide"
local poll_support = require "spec.poll_support"
local support = require "spec.support"

require("tide.busted").configure {}

if not poll_support.there("tide.poll", describe, pending) then
  return
end

local misuse, pack = support.misuse, support.pack
local empty, fill = poll_support.empty, poll_support.fill
local look, pair, pair_at = poll_support.look, poll_support.pair, poll_support.pair_at
local pcall, poll, sleep = tide.pcall, tide.poll, tide.sleep

poll_support.keep(before_each, after_each)

--- A task that polls, and has begun to wait.
local function polling(fd, events)
  local task = tide.task(function() return pack(poll(fd, events)) end)
  sleep(0)
  return task
end

local function fails(code, value, message, ...)
  assert.is_nil(value)
  assert.is_string(message)
  assert.same(pack(code), pack(...))
end

describe("tide.poll", function()
  it("waits until there is something to read, and leaves it there", function()
    local a, b = pair()
    local task = polling(a:getfd(), "r")
    look()
    assert.is_false(task:done())
    b:send "x"
    assert.same(pack "r", task:await())
    assert.same(pack "r", pack(poll(a:getfd(), "r")))
    assert.equal("x", a:receive(1))
  end)

  it("tells for which of two it is ready", function()
    local a, b = pair()
    assert.same(pack "w", pack(poll(a:getfd(), "w")))
    assert.same(pack "w", pack(poll(a:getfd(), "rw")))
    b:send "x"
    poll(a:getfd(), "r")
    assert.same(pack "rw", pack(poll(a:getfd(), "rw")))
  end)

  it("a descriptor that is full is not ready for writing until it is read", function()
    local a, b = pair()
    local size = fill(a)
    local writer = polling(a:getfd(), "w")
    look()
    assert.is_false(writer:done())
    empty(b, size)
    assert.same(pack "w", writer:await())
  end)

  it("one task waits to read and one to write", function()
    local a, b = pair()
    local reader = polling(a:getfd(), "r")
    assert.same(pack "w", pack(poll(a:getfd(), "w")))
    look()
    assert.is_false(reader:done())
    b:send "x"
    assert.same(pack "r", reader:await())
  end)

  it("a second one for the same is refused, and the first goes on", function()
    for _, first in ipairs { "r", "rw" } do
      local a, b = pair()
      if first == "rw" then
        fill(a)
      end
      local reader = polling(a, first)
      for _, second in ipairs { "r", "rw" } do
        misuse("'tide.poll': another task waits", function() poll(a, second) end)
      end
      b:send "x"
      assert.same(pack "r", reader:await())
    end
  end)

  it("two turns of waiting are two waits", function()
    local a, b = pair()
    for _ = 1, 3 do
      local reader = polling(a:getfd(), "r")
      b:send "x"
      assert.same(pack "r", reader:await())
      assert.equal("x", a:receive(1))
    end
  end)

  it("the peer's end counts as readable, and so does it with both", function()
    local a, b = pair()
    local reader = polling(a:getfd(), "r")
    b:shutdown "send"
    assert.same(pack "r", reader:await())
    assert.same(pack "rw", pack(poll(a:getfd(), "rw")))
  end)

  it("a reset counts as both", function()
    local a, b = pair()
    a:send "unread"
    poll(b:getfd(), "r")
    local reader = polling(a:getfd(), "r")
    b:close() -- with something unread
    assert.same(pack "r", reader:await())
    assert.same(pack "rw", pack(poll(a:getfd(), "rw")))
  end)

  it("is fine with a stream of tide's own that is being read", function()
    local server = assert(net.listen("127.0.0.1", 0))
    local a = assert(net.connect("127.0.0.1", select(2, server:sockname())))
    local b = assert(server:accept())
    local text = tide.task(a.read, a)
    assert.same(pack "w", pack(poll(a, "w")))
    local reader = polling(a:fileno(), "r")
    b:write "x"
    assert.equal("x", text:await())
    assert.same(pack "r", reader:await())
    for _, it in ipairs { server, a, b } do it:close() end
    fails("EBADF", poll(a, "r"))
    sleep(0)
  end)

  it("many that are ready at once are all told of", function()
    local tasks, peers = {}, {}
    for i = 1, 150 do
      local a, b = pair()
      tasks[i], peers[i] = polling(a:getfd(), "r"), b
    end
    for _, b in ipairs(peers) do b:send "x" end
    for _, task in ipairs(tasks) do
      assert.same(pack "r", task:await())
    end
  end)

  it("a bad descriptor is a failure", function()
    fails("EBADF", poll(2 ^ 20, "r"))
    fails("EBADF", poll(2 ^ 40, "r"))
    local a = pair()
    local fd = a:getfd()
    a:close()
    fails("EBADF", poll(fd, "rw"))
  end)

  it("takes what has a method getfd, or fileno", function()
    local a, b = pair()
    b:send "x"
    assert.same(pack "r", pack(poll(a, "r")))
    assert.same(pack "w", pack(poll({ getfd = function() return a:getfd() end }, "w")))
    local proxy = setmetatable({}, { __index = { getfd = function() return a:getfd() end } })
    assert.same(pack "rw", pack(poll(proxy, "rw")))
  end)

  it("what has read ahead says so by its method dirty, and is ready", function()
    local a, b = pair()
    b:send "1\n2\n"
    assert.equal("r", (poll(a, "r")))
    assert.equal("1", a:receive())
    assert.same(pack "r", pack(poll(a, "r")))
    assert.same(pack "r", pack(poll(a, "rw")))
    assert.same(pack "w", pack(poll(a, "w")))
    assert.equal("2", a:receive())
    assert.same(pack "w", pack(poll(a, "rw")))
  end)

  it("what is closed says so by no number, or one below 0", function()
    local a = pair()
    a:close()
    fails("EBADF", poll(a, "r"))
    fails("EBADF", poll({ getfd = function() return -1 end }, "r"))
  end)

  it("refuses what is no descriptor, and other events", function()
    for _, bad in ipairs { -1, 1.5, 0 / 0, math.huge } do
      misuse("#1 to 'tide.poll' %(whole number from 0 up expected%)", function() poll(bad, "r") end)
    end
    for _, bad in ipairs { "x", true, {}, io.stdout, print } do
      misuse("bad argument #1 to 'tide.poll' %(descriptor expected", function() poll(bad, "r") end)
    end
    local odd = { getfd = function() return {} end }
    misuse("the method 'getfd' returned no descriptor", function() poll(odd, "r") end)
    for _, bad in ipairs { "", "x", "wr", 1, {} } do
      misuse("#2 to 'tide.poll' %(\"r\", \"w\" or \"rw\" expected%)", function() poll(1, bad) end)
    end
    misuse("bad argument #2 to 'tide.poll'", function() poll(1) end)
  end)

  it("a cancel leaves nothing, and the next one may wait", function()
    local a, b = pair()
    local before = tide.stats().handles
    for _, events in ipairs { "r", "r", "rw" } do
      local reader = polling(a:getfd(), "r")
      assert.equal(before + 1, tide.stats().handles)
      reader:cancel()
      pcall(reader.await, reader)
      assert.is_true(reader:cancelled())
      assert.equal(before, tide.stats().handles)
      b:send "x"
      assert.matches("r", (poll(a:getfd(), events)))
      assert.equal("x", a:receive(1))
    end
  end)

  it("who writes goes on waiting when who reads is cancelled", function()
    local a, b = pair()
    local size = fill(a)
    local reader, writer = polling(a:getfd(), "r"), polling(a:getfd(), "w")
    reader:cancel()
    look()
    assert.is_true(reader:cancelled())
    assert.is_false(writer:done())
    empty(b, size)
    assert.same(pack "w", writer:await())
  end)

  it("woken and then cancelled it raises: nothing was taken", function()
    local a, b = pair()
    local reader = tide.task(function() return poll(a:getfd(), "r") end)
    local other = polling(b:getfd(), "r")
    a:send "1"
    b:send "2"
    tide.task(function()
      other:await()
      reader:cancel()
    end)
    pcall(reader.await, reader)
    assert.equal("2", a:receive(1))
    assert.equal("1", b:receive(1))
  end)

  it("a cancelled scope cancels it although it is ready", function()
    local a = pair()
    local ok, reason = tide.scope(function(scope)
      scope:cancel "no more"
      poll(a:getfd(), "w")
    end)
    assert.same({ false, "no more" }, { ok, reason })
  end)

  it("gives up its turn now and then, also where it never waits", { task = false }, function()
    local out = support.child([[
      local tide = require "tide"
      tide.run(function()
        local count = 0
        tide.task(function() for _ = 1, 3 do count = count + 1 tide.sleep(0) end end)
        for _ = 1, 1000 do assert(tide.poll(0, "r") == "r") end
        print(tide.poll(0, "rw"), count)
      end)]])
    assert.equal("rw\t3\n", out)
  end)

  it("works in the main program", { task = false }, function()
    tide.run(function()
      local a, b = pair()
      b:send "x"
      assert.equal("r", poll(a:getfd(), "r"))
    end)
    assert.same({ "EBADF" }, { (select(3, poll(2 ^ 20, "r"))) })
  end)

  it("is refused in a plain coroutine and in callbacks", function()
    local ok, err = coroutine.resume(coroutine.create(function() poll(1, "r") end))
    assert.is_false(ok)
    assert.matches("'tide.poll' cannot wait in a plain coroutine", err)
    local reports = support.reports(function()
      tide.loop():call_soon(poll, 1, "r")
      sleep(0)
    end)
    assert.matches("'tide.poll' cannot wait in a callback", tostring(reports[1].error))
  end)

  it("goes on in a new loop after the last was closed", { task = false }, function()
    for _ = 1, 2 do
      tide.run(function()
        local a, b = pair()
        b:send "x"
        assert.equal("r", poll(a:getfd(), "r"))
        polling(a:getfd(), "w")
        polling(b:getfd(), "r")
      end)
      tide.loop():close()
    end
    tide.poll_forget(5)
  end)
end)

describe("a descriptor that its owner closes", function()
  it("and that nobody waits for is not missed: its number is another's", function()
    local a, b = pair()
    for _ = 1, 3 do
      local fd = a:getfd()
      local reader = polling(fd, "r")
      look()
      assert.is_false(reader:done())
      b:send "x"
      assert.same(pack "r", reader:await())
      a:close()
      b:close()
      a, b = pair_at(fd)
    end
  end)

  it("is told to who waits by poll_forget", function()
    local a = pair()
    local before = tide.stats().handles
    local reader = polling(a:getfd(), "r")
    local writer = polling(a:getfd(), "w")
    look()
    assert.same(pack(), pack(tide.poll_forget(a)))
    fails("ECANCELED", (table.unpack or unpack)(reader:await(), 1, 3))
    assert.same(pack "w", writer:await())
    assert.equal(before, tide.stats().handles)
    local both = polling(a:getfd(), "r")
    tide.poll_forget(a:getfd())
    tide.poll_forget(a:getfd())
    fails("ECANCELED", (table.unpack or unpack)(both:await(), 1, 3))
    assert.same(pack "w", pack(poll(a, "rw")))
  end)

  it("is told to who waits when tide is the owner", function()
    local server = assert(net.listen("127.0.0.1", 0))
    local client = assert(net.connect("127.0.0.1", select(2, server:sockname())))
    local udp = assert(net.udp())
    assert(udp:bind("127.0.0.1", 0))
    for _, object in ipairs { assert(server:accept()), client, udp } do
      local reader = polling(object, "r")
      object:close()
      fails("ECANCELED", (table.unpack or unpack)(reader:await(), 1, 3))
    end
    server:close()
  end)

  it("is told to who waits when another is waited for by its number", function()
    for _, events in ipairs { "r", "w" } do
      local a = pair()
      local fd = a:getfd()
      local reader = polling(fd, "r")
      a:close()
      local c, d = pair_at(fd)
      local second = polling(fd, events)
      fails("EBADF", (table.unpack or unpack)(reader:await(), 1, 3))
      d:send "x"
      assert.same(pack(events), second:await())
      c:close()
    end
  end)

  it("is told to who waits when it is waited for once more", function()
    local a = pair()
    local fd = a:getfd()
    local reader = polling(fd, "r")
    a:close()
    fails("EBADF", poll(fd, "w"))
    fails("EBADF", (table.unpack or unpack)(reader:await(), 1, 3))
  end)

  it("poll_forget refuses what is no descriptor, and takes what is closed", function()
    misuse("#1 to 'tide.poll_forget' %(whole number", function() tide.poll_forget(-1) end)
    misuse("#1 to 'tide.poll_forget' %(descriptor", function() tide.poll_forget() end)
    tide.poll_forget { getfd = function() return -1 end }
    tide.poll_forget(2 ^ 20)
  end)
end)
