local tide = require "tide"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local elapsed = support.elapsed
local pair, feed, source = streams.pair, streams.feed, streams.source
local sleep = tide.sleep

local EOF = pack(nil, "end of stream", "EOF")
local TOO_LONG = pack(nil, "longer than the limit", "EMSGSIZE")

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
