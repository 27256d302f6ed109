local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local pair, stuffed, feed = streams.pair, streams.stuffed, streams.feed
local pcall, sleep, run = tide.pcall, tide.sleep, testing.run

local EOF = pack(nil, "end of stream", "EOF")
local CLOSED = pack(nil, "it is closed", "ECANCELED")

describe("a stream's reader", function()
  streams.close_after_each(after_each)

  it("is one: a second is an error, and does not disturb the first", function()
    local a, b = pair()
    local task = tide.task(b.readline, b)
    sleep(0)
    for _, name in ipairs { "read", "readexactly", "readuntil", "readline" } do
      local argument = name == "readexactly" and 1 or name == "readuntil" and "x" or nil
      misuse("'Stream:" .. name .. "': another task reads", function() b[name](b, argument) end)
    end
    a:write("abc\n")
    misuse("another task reads", function() b:read() end) -- it was woken only
    assert.equal("abc", task:await())
    a:write("x")
    assert.equal("x", b:read())
  end)

  it("145: reading pauses over twice the limit, and goes on when that much is taken", function()
    local a, b = pair { limit = 10, high_water = 5 }
    a:write("x")
    assert.equal("x", b:read()) -- it has begun to read
    assert.is_true(a:write(("1"):rep(20)))
    assert.same({ 20, 0 }, { b:stats().unread, a:stats().unsent })
    assert.is_true(a:write("2"))
    assert.same({ 21, 0 }, { b:stats().unread, a:stats().unsent })
    assert.is_true(a:write("34567")) -- no more than the high-water mark
    assert.same({ 21, 5 }, { b:stats().unread, a:stats().unsent })
    local writer = tide.task(a.write, a, "8")
    sleep(0)
    assert.equal(10, #b:readexactly(10))
    sleep(1)
    assert.is_false(writer:done())
    assert.equal(1, #b:readexactly(1)) -- no more than the limit is left
    assert.is_true(writer:await())
    assert.same({ 16, 0 }, { b:stats().unread, a:stats().unsent })
    assert.equal("1111111112345678", b:read())
  end)

  it("144: is woken by a failure; one that was cancelled is nobody's concern", function()
    for cancelled = 1, 2 do
      local a, b = pair()
      local task = tide.task(function() return pack(b:read()) end)
      sleep(0)
      if cancelled == 2 then task:cancel() end
      a:close()
      assert.same(EOF, pack(tide.task(function()
        tide.wait { task }
        return b:read()
      end):await()))
      assert.equal(cancelled == 2, task:cancelled())
      assert.same(EOF, cancelled == 1 and task:await() or EOF)
    end
  end)

  it("cancelled while it waits leaves all to the next, also another method", function()
    local a, b = pair()
    feed(a, "ab", "c\nd")
    assert.is_false(tide.move_on_after(1.5, b.readline, b))
    assert.is_false(tide.move_on_after(0.1, b.readexactly, b, 3))
    assert.is_false(tide.move_on_after(0.1, b.readuntil, b, "c"))
    assert.equal("ab", b:read())
    assert.equal("c", b:readline())
    assert.equal("d", b:readline())
  end)

  it("woken and then cancelled returns what it got; the next await raises", function()
    local a, b = pair()
    local got
    local task = tide.task(function()
      got = b:readline()
      sleep(0)
    end)
    sleep(0)
    a:write("line\nrest")
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.equal("line", got)
    assert.equal("rest", b:read())
  end)

  it("149: that waits is woken by close; what is unread is dropped", function()
    local a, b = pair()
    a:write("abc")
    assert.equal("a", b:read(1))
    local log = {}
    local task = tide.task(function()
      log[1] = pack(b:readexactly(5))
    end)
    sleep(0)
    b:close()
    task:await()
    assert.same({ CLOSED }, log)
    assert.same(CLOSED, pack(b:read()))
    assert.same(CLOSED, pack(b:readline()))
    assert.same(CLOSED, pack(b:readuntil("x")))
    assert.same(CLOSED, pack(b:read(-1)))
    assert.same(EOF, pack(a:read()))
  end)

  it("that was woken gets what is its own, although it is closed meanwhile", function()
    local a, b = pair()
    local task = tide.task(b.readline, b)
    sleep(0)
    a:write("line\nrest")
    b:close()
    assert.equal("line", task:await())
    assert.same(CLOSED, pack(b:read()))
  end)

  it("waits for ever if nobody writes: a deadlock that names it", { task = false }, function()
    local a, b = testing.stream_pair()
    local err = raises(tide.DeadlockError, run, function()
      tide.task(b.read, b):await()
    end)
    assert.matches("in read", tostring(err))
    a:close()
    b:close()
  end)
end)

describe("a stream", function()
  streams.close_after_each(after_each)

  it("is closed at once, again is fine, and drops what is unsent", function()
    local a, b = stuffed()
    a:write("abc")
    assert.is_false(a:is_closing())
    assert.equal("Stream<open>", tostring(a))
    for _ = 1, 2 do assert.same(pack(), pack(a:close())) end
    assert.is_true(a:is_closing())
    assert.equal("Stream<closed>", tostring(a))
    assert.equal("###", b:read())
    assert.same(EOF, pack(b:read()))
    assert.equal("Stream<open>", tostring(b))
  end)

  it("is closed in a cancelled scope, too", function()
    local a = pair()
    tide.task(function()
      tide.current_task():cancel()
      a:close()
    end)
    sleep(0)
    assert.is_true(a:is_closing())
  end)

  it("is closed by <close> and by tide.with", function()
    local a, b = pair()
    tide.with(a, function() end)
    assert.is_true(a:is_closing())
    getmetatable(b).__close(b)
    assert.is_true(b:is_closing())
  end)

  it("tells what went through it", function()
    local a, b = pair()
    assert.same({ bytes_read = 0, bytes_written = 0, unread = 0, unsent = 0 }, a:stats())
    a:write("abcde")
    assert.same({ bytes_read = 0, bytes_written = 5, unread = 0, unsent = 0 }, a:stats())
    assert.same({ bytes_read = 5, bytes_written = 0, unread = 5, unsent = 0 }, b:stats())
    b:read(2)
    assert.same({ bytes_read = 5, bytes_written = 0, unread = 3, unsent = 0 }, b:stats())
    a, b = stuffed()
    a:write("abcde")
    assert.same({ bytes_read = 0, bytes_written = 3, unread = 0, unsent = 5 }, a:stats())
    b:read()
    assert.same({ bytes_read = 0, bytes_written = 8, unread = 0, unsent = 0 }, a:stats())
    assert.same({ bytes_read = 8, bytes_written = 0, unread = 5, unsent = 0 }, b:stats())
  end)

  it("in memory has no names and no descriptor", function()
    local a = pair()
    for _, name in ipairs { "sockname", "peername", "fileno" } do
      local value, message, code = a[name](a)
      assert.is_nil(value)
      assert.is_string(message)
      assert.equal("ENOTSUP", code)
    end
    a:close()
    for _, name in ipairs { "sockname", "peername", "fileno" } do
      assert.same(CLOSED, pack(a[name](a)))
    end
  end)

  it("150: that nobody closed is closed when it is garbage", function()
    support.collect()
    local a, b = testing.stream_pair()
    local before = tide.stats().handles
    a:write("abc")
    a = nil -- luacheck: ignore 311
    support.collect()
    assert.equal(before - 1, tide.stats().handles)
    assert.equal("abc", b:read(-1))
    b:close()
  end)

  it("150: that nobody closed is let go after its loop, too", { task = false }, function()
    local weak = setmetatable({}, { __mode = "v" })
    run(function()
      local a, b = testing.stream_pair()
      weak[1], weak[2] = a, b
      a:write("abc")
      b:read(1)
    end)
    tide.loop():close()
    support.collect()
    assert.same({}, weak)
  end)

  it("lives as long as a task waits in it", function()
    local a, b = pair()
    local weak = setmetatable({ b }, { __mode = "v" })
    local task = tide.task(b.read, b)
    b = nil -- luacheck: ignore 311
    sleep(0)
    support.collect()
    assert.is_truthy(weak[1])
    a:write("x")
    assert.equal("x", task:await())
  end)

  it("is read and written in a tide.coroutine", function()
    local a, b = pair()
    tide.task(function() sleep(1) a:write("line\n") end)
    assert.equal("line", tide.coroutine.wrap(function() return b:readline() end)())
  end)
end)

describe("a stream is misused at the caller's line:", function()
  streams.close_after_each(after_each)

  it("a method on something else", function()
    local a = pair()
    local methods = getmetatable(a).__index
    for name, method in pairs(methods) do
      for _, other in ipairs { 5, "x", {}, false, io.stdout, tide.event() } do
        misuse("'Stream:" .. name .. "'.*Stream expected", function() method(other) end)
      end
      misuse("Stream:" .. name, function() method() end)
    end
  end)

  it("how much to read", function()
    local a = pair()
    misuse("bad argument #1 to 'Stream:read'", function() a:read(-2) end)
    misuse("bad argument #1 to 'Stream:read'", function() a:read(1.5) end)
    misuse("bad argument #1 to 'Stream:read'", function() a:read("all") end)
    misuse("bad argument #1 to 'Stream:read'", function() a:read(0 / 0) end)
    misuse("bad argument #1 to 'Stream:readexactly'", function() a:readexactly() end)
    misuse("bad argument #1 to 'Stream:readexactly'", function() a:readexactly(-1) end)
    misuse("bad argument #1 to 'Stream:readline'", function() a:readline("*l") end)
    misuse("bad option 'limit' to 'Stream:readline'", function() a:readline { limit = 0 } end)
    misuse("bad option 'limit' to 'Stream:readline'", function() a:readline { limit = "x" } end)
  end)

  it("its options", function()
    misuse("'testing.stream_pair'.*table", function() testing.stream_pair(5) end)
    local new = testing.stream_pair
    misuse("bad option 'limit' to 'testing.stream_pair'", function() new { limit = {} } end)
    misuse("bad option 'high_water'", function() new { high_water = -1 } end)
  end)

  it("awaits in a callback and in a plain coroutine", function()
    local a = pair()
    local errors = {}
    tide.loop():call_soon(function()
      for _, name in ipairs { "read", "readline", "write", "drain", "shutdown" } do
        errors[#errors + 1] = select(2, pcall(function() a[name](a) end))
      end
    end)
    sleep(0)
    sleep(0)
    assert.equal(5, #errors)
    for _, err in ipairs(errors) do
      assert.matches("stream_spec.lua:%d+: 'Stream:%l+' cannot wait in a callback", err)
    end
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() a:read() end))
  end)

  it("after its loop was closed; close and is_closing work", { task = false }, function()
    local old = testing.stream_pair()
    tide.loop():close()
    run(function()
      local methods = getmetatable(old).__index
      for name, method in pairs(methods) do
        if name == "close" or name == "is_closing" then
          method(old)
        elseif name ~= "lines" then
          local argument = name == "readexactly" and 1 or name == "readuntil" and "x" or nil
          local message = "'Stream:" .. name .. "': the loop is closed"
          misuse(message, function() method(old, argument) end)
        end
      end
      misuse("the loop is closed", function() old:lines()() end)
    end)
    assert.is_true(old:is_closing())
  end)
end)
