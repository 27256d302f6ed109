local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local elapsed = support.elapsed
local pair, stuffed, feed, source = streams.pair, streams.stuffed, streams.feed, streams.source
local pcall, sleep, run = tide.pcall, tide.sleep, testing.run

local EOF = pack(nil, "end of stream", "EOF")
local CLOSED = pack(nil, "it is closed", "ECANCELED")
local TOO_LONG = pack(nil, "longer than the limit", "EMSGSIZE")
local BROKEN = pack(nil, "broken pipe", "EPIPE")

local function cut_short(part)
  return pack(nil, "end of stream", "EOF", part)
end

describe("Stream:read", function()
  streams.close_after_each(after_each)

  it("138: read(0) returns at once, read(n) at most n bytes, read(-1) all to the end", function()
    local a, b = pair()
    assert.equal(0, elapsed(function() assert.same(pack(""), pack(b:read(0))) end))
    a:write("abcdef")
    assert.equal("ab", b:read(2))
    assert.equal("", b:read(0))
    assert.equal("cdef", b:read(100))
    feed(a, "x", "yz")
    assert.equal("xyz", b:read(-1))
    assert.same(EOF, pack(b:read(1)))
    assert.same(pack(""), pack(b:read(0)))
  end)

  it("waits for the first bytes only, and gives all that are there", function()
    local b = source(nil, "ab", "cd")
    assert.equal(1, elapsed(function() assert.equal("ab", b:read()) end))
    sleep(5)
    assert.equal("cd", b:read())
    assert.same(EOF, pack(b:read()))
    assert.same(EOF, pack(b:read()))
  end)

  it("-1 at the end, and of nothing, is the empty string each time", function()
    local b = source(nil)
    assert.same(pack(""), pack(b:read(-1)))
    assert.same(pack(""), pack(b:read(-1)))
    assert.same(EOF, pack(b:read()))
  end)

  it("-1 goes on beyond any limit", function()
    local a, b = pair { limit = 4, high_water = 4 }
    local chunk = ("0123456789"):rep(1000)
    feed(a, chunk, chunk, chunk)
    assert.equal(chunk:rep(3), b:read(-1))
  end)

  it("keeps all bytes as they are, zeros too", function()
    local a, b = pair()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local all = table.concat(bytes)
    a:write(all)
    assert.equal(all, b:readexactly(256))
  end)

  it("of one direction does not disturb the other", function()
    local a, b = pair()
    a:write("to b")
    b:write("to a")
    a:shutdown()
    assert.equal("to a", a:read())
    assert.equal("to b", b:read())
    b:write("more")
    assert.same(EOF, pack(b:read()))
    assert.equal("more", a:read())
  end)

  it("works outside of run", { task = false }, function()
    local a, b = pair()
    a:write("abc\n")
    assert.equal("abc", b:readline())
    tide.loop():call_later(0.001, function() a:close() end)
    assert.same(EOF, pack(b:read()))
    b:close()
  end)

  it("is a cancel point also where it need not wait, and takes nothing then", function()
    local a, b = pair()
    a:write("abc")
    local task = tide.task(function()
      tide.current_task():cancel("why")
      return b:read()
    end)
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    assert.equal("abc", b:read())
  end)

  it("gives up its turn now and then where it need not wait", function()
    local a, b = pair()
    a:write(("x"):rep(300))
    local turns = 0
    local other = tide.task(function()
      while true do
        turns = turns + 1
        sleep(0)
      end
    end)
    for _ = 1, 300 do assert.equal("x", b:read(1)) end
    other:cancel()
    assert.is_true(turns >= 2)
  end)
end)

describe("Stream:readexactly", function()
  streams.close_after_each(after_each)

  it("waits for all of it", function()
    local b = source(nil, "ab", "cd", "ef")
    assert.equal(3, elapsed(function() assert.equal("abcde", b:readexactly(5)) end))
    assert.equal("f", b:readexactly(1))
    assert.equal("", b:readexactly(0))
  end)

  it("143: cut short it returns nil, message, EOF and the part that came", function()
    local b = source(nil, "ab", "cd")
    assert.same(cut_short("abcd"), pack(b:readexactly(5)))
    assert.same(cut_short(""), pack(b:readexactly(5)))
    assert.same(pack(""), pack(b:readexactly(0)))
  end)

  it("140: knows no limit", function()
    local a, b = pair { limit = 3 }
    local all = ("x"):rep(1000)
    local writer = tide.task(a.write, a, all)
    assert.equal(all, b:readexactly(1000))
    assert.is_true(writer:await())
  end)

  it("of more than is unread and unsent, far over the limit, gets it", function()
    local a, b = pair()
    local all = ("0123456789abcdef"):rep(65536)
    local writer = tide.task(a.write, a, all)
    sleep(0)
    assert.is_true(all == b:readexactly(#all))
    assert.is_true(writer:await())
    assert.equal(0, b:stats().unread)
  end)
end)

describe("Stream:readuntil", function()
  streams.close_after_each(after_each)

  it("returns what comes up to the separator, with it", function()
    local b = source(nil, "one\r\ntw", "o\r\n\r\nrest")
    assert.equal("one\r\n", b:readuntil("\r\n"))
    assert.equal("two\r\n\r\n", b:readuntil("\r\n\r\n"))
    assert.same(cut_short("rest"), pack(b:readuntil("\r\n")))
    assert.same(cut_short(""), pack(b:readuntil("\r\n")))
  end)

  it("142: finds a separator across chunks, of several the one that ends first", function()
    local b = source(nil, "aaa--", "-b", "oundary;c", "dexy")
    assert.equal("aaa---boundary", b:readuntil("---boundary"))
    assert.equal(";", b:readuntil { "cde", ";" })
    -- "d" ends before "cde" does, and the whole of "cd" as early as "d"
    assert.equal("cd", b:readuntil { "cde", "d", "cd" })
    assert.equal("ex", b:readuntil { "xy", "ex", "exy" })
    assert.equal("y", b:readexactly(1))
  end)

  it("142: an empty separator is refused, and a limit before the beginning", function()
    local _, b = pair()
    misuse("bad argument #1 to 'Stream:readuntil'.*empty separator", function() b:readuntil("") end)
    misuse("empty separator", function() b:readuntil { "x", "" } end)
    misuse("no separator", function() b:readuntil {} end)
    misuse("'Stream:readuntil'.*separator", function() b:readuntil(nil) end)
    misuse("'Stream:readuntil'.*separator", function() b:readuntil { 5 } end)
    misuse("bad argument #2 to 'Stream:readuntil'", function() b:readuntil("x", -1) end)
  end)

  it("141: over the limit returns EMSGSIZE and keeps what is there", function()
    local a, b = pair { limit = 5 }
    a:write("123456")
    assert.same(TOO_LONG, pack(b:readuntil("\n")))
    assert.same(TOO_LONG, pack(b:readuntil("\n")))
    a:write("\nnext\n")
    assert.same(TOO_LONG, pack(b:readuntil("\n")))
    assert.equal("123456\n", b:readuntil("\n", 6))
    assert.equal("next\n", b:readuntil("\n"))
  end)

  it("the limit is of what comes before the separator, exactly so many pass", function()
    local a, b = pair { limit = 5 }
    a:write("12345----1234----123456----")
    assert.equal("12345----", b:readuntil("----"))
    assert.same(TOO_LONG, pack(b:readuntil("----", 3)))
    assert.equal("1234----", b:readuntil("----", 4))
    assert.same(TOO_LONG, pack(b:readuntil("----")))
    assert.equal("123456----", b:readuntil("----", 1000))
  end)

  it("waits for a separator that has begun within the limit", function()
    local b = source({ limit = 5 }, "12345--", "-", "-x")
    assert.equal("12345----", b:readuntil("----"))
    local c = source({ limit = 5 }, "12345--", "-x")
    assert.same(TOO_LONG, pack(c:readuntil("----")))
  end)

  it("with a limit of 0 there is only the separator", function()
    local a, b = pair()
    a:write("\n\nx\n")
    assert.equal("\n", b:readuntil("\n", 0))
    assert.equal("\n", b:readuntil("\n", 0))
    assert.same(TOO_LONG, pack(b:readuntil("\n", 0)))
  end)

  it("its list may be changed while it waits", function()
    local list, a, b = { ";", "," }, pair()
    local task = tide.task(function() return b:readuntil(list) end)
    sleep(0)
    list[1], list[2] = 5, nil
    support.collect()
    a:write("ab;c")
    assert.equal("ab;", task:await())
  end)
end)

describe("Stream:readline", function()
  streams.close_after_each(after_each)

  it("strips the newline and a return before it, or keeps them", function()
    local a, b = pair()
    a:write("one\ntwo\r\n\n\r\n\rthree\r\r\n")
    assert.equal("one", b:readline())
    assert.equal("two", b:readline())
    assert.equal("", b:readline())
    assert.equal("", b:readline())
    assert.equal("\rthree\r", b:readline())
    a:write("one\ntwo\r\n")
    assert.equal("one\n", b:readline { keep = true })
    assert.equal("two\r\n", b:readline { keep = true })
  end)

  it("reads its options when it is called, and never again", function()
    local a, b = pair()
    local options, reads = { keep = true }, 0
    setmetatable(options, { __index = function() reads = reads + 1 end })
    local task = tide.task(b.readline, b, options)
    sleep(0)
    local before = reads
    options.keep = nil
    a:write("line\n")
    assert.equal("line\n", task:await())
    assert.equal(before, reads)
  end)

  it("139: a last line without a newline is a line, then comes EOF", function()
    local b = source(nil, "one\ntw", "o\r")
    assert.equal("one", b:readline())
    assert.same(pack("two\r"), pack(b:readline()))
    assert.same(EOF, pack(b:readline()))
    assert.same(EOF, pack(b:readline()))
  end)

  it("140: one over the limit is dropped alone, one of exactly the limit passes", function()
    local a, b = pair { limit = 5 }
    a:write("12345\n123456\nabc\n")
    assert.equal("12345", b:readline())
    assert.same(TOO_LONG, pack(b:readline()))
    assert.equal("abc", b:readline())
    a:write("123\n1\n")
    assert.same(TOO_LONG, pack(b:readline { limit = 2 }))
    assert.equal("1", b:readline { limit = 2 })
    a:write("1234567\n")
    assert.equal("1234567", b:readline { limit = 7 })
  end)

  it("140: of one over the limit all is dropped that comes later", function()
    local b = source({ limit = 5 }, "12345", "6", "78", "9\nab", "c\n")
    assert.equal(2, elapsed(function() assert.same(TOO_LONG, pack(b:readline())) end))
    assert.equal("abc", b:readline())
    assert.same(EOF, pack(b:readline()))
  end)

  it("what comes before the reader has heard of the limit is dropped with it", function()
    for _, tail in ipairs { "yyy\nzz\n", "\nzz\n", "y" } do
      local a, b = pair { limit = 10 }
      local task = tide.task(b.readline, b)
      sleep(0)
      a:write(("x"):rep(15))
      a:write(tail)
      assert.same(TOO_LONG, pack(task:await()))
      if tail == "y" then a:write("yy\nzz\n") end
      assert.equal("zz", b:readline())
      assert.equal(0, b:stats().unread)
    end
  end)

  it("what is read next, by whatever method, is what comes after that line", function()
    local methods = {
      function(b) return b:read() end, function(b) return b:readexactly(2) end,
      function(b) return b:readuntil("b") end, function(b) return b:read(-1) end,
    }
    for _, method in ipairs(methods) do
      local b = source({ limit = 2 }, "123", "45", "6\nab")
      assert.same(TOO_LONG, pack(b:readline()))
      assert.equal("", b:read(0))
      assert.equal("ab", method(b))
      b:close()
    end
  end)

  it("one over the limit may be the last", function()
    local b = source({ limit = 2 }, "123", "45")
    assert.same(TOO_LONG, pack(b:readline()))
    assert.same(EOF, pack(b:readline()))
    b = source({ limit = 2 }, "12345")
    sleep(5)
    assert.same(TOO_LONG, pack(b:readline()))
    assert.same(EOF, pack(b:readline()))
  end)
end)

describe("Stream:lines", function()
  streams.close_after_each(after_each)

  -- 5.1 cannot wait in any `for`
  local function collect(next_line)
    local list, line = {}, next_line()
    while line do
      list[#list + 1] = line
      line = next_line()
    end
    return list
  end

  it("gives the lines up to the end", function()
    local b = source(nil, "one\ntw", "o\n\nthr", "ee")
    local next_line = b:lines()
    assert.same({ "one", "two", "", "three" }, collect(next_line))
    assert.is_nil(next_line())
  end)

  it("takes the options of readline", function()
    local b = source(nil, "one\r\ntwo")
    assert.same({ "one\r\n", "two" }, collect(b:lines { keep = true }))
  end)

  it("raises what goes wrong, and can go on", function()
    local b = source(nil, "one\ntoo long\ntwo\n")
    local next_line = b:lines { limit = 5 }
    assert.equal("one", next_line())
    assert.equal("EMSGSIZE", raises(tide.OSError, next_line).code)
    assert.equal("two", next_line())
    b:close()
    assert.equal("ECANCELED", raises(tide.OSError, next_line).code)
  end)

  it("works in a for, where that can wait", function()
    if _VERSION == "Lua 5.1" and not jit then return end -- luacheck: ignore 113
    local list = {}
    for line in source(nil, "one\ntwo\n"):lines() do list[#list + 1] = line end
    assert.same({ "one", "two" }, list)
  end)
end)

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

describe("Stream:write", function()
  streams.close_after_each(after_each)

  it("takes strings, numbers and lists of them, in order", function()
    local a, b = pair()
    assert.same(pack(true), pack(a:write("a", 1, { "b", 2, {} and "c" }, "", {}, 2.5, { "d" })))
    a:shutdown()
    assert.equal("a1b2c2.5d", b:read(-1))
    assert.equal("12", ("1" .. 2)) -- numbers are as `..` has them
  end)

  it("of nothing is true", function()
    local a = pair()
    assert.same(pack(true), pack(a:write()))
    assert.same(pack(true), pack(a:write("", {}, { "" })))
    assert.equal(0, a:stats().unsent)
  end)

  it("takes long lists and many arguments", function()
    local a, b = pair { high_water = 1e6 }
    local list, args = {}, {}
    for i = 1, 1000 do
      list[i] = i % 3 == 0 and tostring(i) or i
      args[i] = i % 3 == 0 and list[i] or i
    end
    local unpack = table.unpack or unpack
    a:write(list, unpack(args, 1, 700))
    a:shutdown()
    assert.equal(table.concat(list) .. table.concat(args, "", 1, 700), b:read(-1))
  end)

  it("changes neither list nor numbers", function()
    local a = pair()
    local list = { 1, "2" }
    a:write(list)
    assert.same({ 1, "2" }, list)
    assert.equal("number", type(list[1]))
  end)

  it("refuses all of it for one wrong piece, before anything goes out", function()
    local a, b = pair()
    misuse("bad argument #2 to 'Stream:write'", function() a:write("x", nil, "y") end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write({ "x", true }) end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write({ { "x" } }) end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write(print) end)
    a:close()
    assert.equal("", b:read(-1))
  end)

  it("waits while more than the high-water mark is unsent", function()
    local a, b = stuffed { high_water = 3 }
    assert.equal(0, elapsed(a.write, a, "abc"))
    tide.task(function() sleep(2) b:readexactly(3) end)
    assert.equal(2, elapsed(a.write, a, "d"))
    assert.equal("abcd", b:readexactly(4))
  end)

  it("of several tasks is whole each, and in their order", function()
    local a, b = pair { high_water = 1, limit = 4 }
    local texts = {}
    for i = 1, 5 do
      texts[i] = ("%d"):format(i):rep(20)
      tide.task(a.write, a, { texts[i]:sub(1, 10), texts[i]:sub(11) })
    end
    sleep(0)
    assert.equal(table.concat(texts), b:readexactly(100))
  end)

  it("cancelled while it waits has queued its bytes all the same", function()
    local a, b = stuffed { high_water = 1 }
    assert.is_false(tide.move_on_after(1, a.write, a, "abc"))
    assert.is_false(tide.move_on_after(1, a.write, a, "def"))
    assert.equal("###abcdef", b:readexactly(9))
    assert.is_true(a:drain())
  end)

  it("in a cancelled scope queues nothing", function()
    local a, b = pair()
    local task = tide.task(function()
      tide.current_task():cancel()
      a:write("x")
    end)
    tide.wait { task }
    assert.is_true(task:cancelled())
    a:shutdown()
    assert.equal("", b:read(-1))
  end)

  it("148: after close, and after shutdown, is told each time", function()
    local a, b = pair()
    assert.is_true(a:write("abc"))
    a:shutdown()
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:write("x")))
    assert.is_true(a:drain())
    assert.equal("abc", b:read(-1))
    a:close()
    assert.same(CLOSED, pack(a:write("x")))
    assert.same(CLOSED, pack(a:write("x")))
    assert.same(CLOSED, pack(a:write("")))
    assert.same(CLOSED, pack(a:drain()))
    assert.same(CLOSED, pack(a:shutdown()))
  end)

  it("to a peer that was closed fails, at first and later", function()
    local a, b = pair()
    b:close()
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:drain()))
    assert.same(EOF, pack(a:read()))
  end)

  it("that waits returns true when another task shuts down meanwhile", function()
    local a, b = stuffed { high_water = 1 }
    local writer = tide.task(a.write, a, "abc")
    local ender = tide.task(a.shutdown, a)
    sleep(0)
    assert.same(BROKEN, pack(a:write("x")))
    assert.is_false(writer:done() or ender:done())
    assert.equal("###abc", b:read(-1))
    assert.is_true(writer:await())
    assert.is_true(ender:await())
  end)

  it("that waits is woken by close, of either end", function()
    for i = 1, 2 do
      local ends = { stuffed { high_water = 1 } }
      local writer = tide.task(function() return pack(ends[1]:write("abc")) end)
      sleep(0)
      ends[i]:close()
      assert.same(i == 1 and CLOSED or BROKEN, writer:await())
    end
  end)

  it("is a cancel point, and gives up its turn now and then", function()
    local a, b = pair { high_water = 1e6 }
    local turns = 0
    local other = tide.task(function()
      while true do
        turns = turns + 1
        sleep(0)
      end
    end)
    for _ = 1, 300 do a:write("x") end
    b:close()
    for _ = 1, 300 do a:write("x") end
    other:cancel()
    assert.is_true(turns >= 4)
  end)
end)

describe("Stream:drain and shutdown", function()
  streams.close_after_each(after_each)

  it("wait until all is sent", function()
    local a, b = stuffed()
    assert.equal(0, elapsed(a.drain, a))
    a:write("abc")
    tide.task(function() sleep(2) b:read() end)
    assert.equal(2, elapsed(function() assert.same(pack(true), pack(a:drain())) end))
  end)

  it("shutdown tells the end after what is unsent, again is fine", function()
    local a, b = stuffed()
    a:write("abc")
    local reader = tide.task(function() sleep(2) return b:read(-1) end)
    assert.equal(2, elapsed(function() assert.same(pack(true), pack(a:shutdown())) end))
    assert.is_true(a:shutdown())
    assert.equal("###abc", reader:await())
    assert.is_false(a:is_closing())
  end)

  it("cancelled, a shutdown is on its way all the same", function()
    local a, b = stuffed()
    a:write("abc")
    assert.is_false(tide.move_on_after(1, a.shutdown, a))
    assert.same(BROKEN, pack(a:write("x")))
    assert.equal("###abc", b:read(-1))
    assert.is_true(a:shutdown())
  end)

  it("146: drain after the peer is gone returns its error and does not wait", function()
    local a, b = stuffed()
    a:write("abc")
    b:close()
    for _ = 1, 2 do
      assert.equal(0, elapsed(function() assert.same(BROKEN, pack(a:drain())) end))
    end
  end)

  it("147: ten that drain at once are all woken, also by an end", function()
    for i = 1, 3 do
      local a, b = stuffed()
      a:write("abc")
      local tasks = {}
      for n = 1, 10 do
        tasks[n] = tide.task(function() return pack(a:drain()) end)
      end
      sleep(0)
      if i == 1 then b:read() elseif i == 2 then b:close() else a:close() end
      for n = 1, 10 do
        assert.same(({ pack(true), BROKEN, CLOSED })[i], tasks[n]:await())
      end
      a:close()
      b:close()
    end
  end)

  it("woken and then cancelled, drain raises", function()
    local a, b = stuffed()
    a:write("abc")
    local task = tide.task(a.drain, a)
    sleep(0)
    assert.equal("###", b:read())
    task:cancel()
    raises(tide.CancelledError, task.await, task)
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
