local fs = require "tide.fs"
local tide = require "tide"
local support = require "spec.support"
local files = require "spec.file_support"

require("tide.busted").configure { clock = "virtual" }

local pack = support.pack
local path, put, get, fails, opens = files.path, files.put, files.get, files.fails, files.opens
local open, with_text = files.open, files.with_text

files.keep(before_each, after_each)

--- Lines with their number, again and again: no block is like another.
local LINES, numbered = 31249, {}
for i = 1, LINES do
  numbered[i] = ("%015d\n"):format(i)
end
numbered = table.concat(numbered)

--- Not one block, and not a whole number of them.
local function long_text(bytes)
  return numbered:rep(math.ceil(bytes / #numbered)):sub(1, bytes)
end

describe("reading a file", function()
  it("gives what is there, then its end", function()
    local file = with_text "hello"
    assert.same(pack("hello"), pack(file:read()))
    assert.same(pack(nil, "end of stream", "EOF"), pack(file:read()))
    assert.same(pack(nil, "end of stream", "EOF"), pack(file:read(5)))
    assert.same(pack(""), pack(file:read(-1)))
    assert.same(pack(""), pack(file:read(0)))
  end)

  it("has the methods of streams", function()
    local file = with_text "one\ntwo\r\nthree;four"
    assert.equal("one", file:readline())
    assert.equal("two\r\n", file:readline { keep = true })
    assert.equal("three;", file:readuntil ";")
    assert.equal("fo", file:readexactly(2))
    assert.same(pack(nil, "end of stream", "EOF", "ur"), pack(file:readexactly(3)))
    assert.same(pack(nil, "end of stream", "EOF", ""), pack(file:readuntil "x"))
    assert.same(pack(nil, "end of stream", "EOF"), pack(file:readline()))
  end)

  it("goes through lines, the last one without an end, too", function()
    local lines, step = {}, with_text("a\n\nb"):lines()
    repeat
      local line = step()
      lines[#lines + 1] = line
    until not line
    assert.same({ "a", "", "b" }, lines)
  end)

  it("knows zeros, and lines longer than the limit", function()
    put("f", ("x"):rep(100) .. "\na\0b\n")
    local file = open("f", "r", { limit = 10 })
    fails("EMSGSIZE", file:readline())
    assert.equal("a\0b", file:readline())
  end)

  it("gives every byte of a long file once, in pieces of any size", function()
    local text = long_text(3000017)
    put("f", text)
    for _, size in ipairs { 1000, 65536, 65537, 1000000, 5000000 } do
      local file, parts = open "f", {}
      while true do
        local data = file:read(size)
        if not data then break end
        assert.is_true(#data <= size)
        parts[#parts + 1] = data
      end
      assert.is_true(text == table.concat(parts), size)
      file:close()
    end
  end)

  it("gives lines across its blocks, and all at once", function()
    local text = long_text(#numbered)
    local file, n = with_text(text), 0
    while true do
      local line = file:readline()
      if not line then break end
      n = n + 1
      if n ~= tonumber(line) then
        assert.equal(n, line)
      end
    end
    assert.equal(LINES, n)
    file:seek "set"
    assert.is_true(text == file:read(-1))
    file:seek "set"
    assert.is_true(text == file:readexactly(#text))
    file:seek "set"
    assert.same({ nil, "EOF", true },
      (function(value, _, code, part) return { value, code, part == text } end)(
        file:readexactly(#text + 1)))
  end)

  it("goes on where a file has grown since its end", function()
    local file = with_text "a\nb"
    assert.equal("a", file:readline())
    assert.equal("b", file:readline())
    assert.is_nil(file:readline())
    put("f", "c\nd\n", "ab")
    assert.equal("c", file:readline())
    assert.equal("d", file:readline())
    assert.is_nil(file:readline())
    put("f", "e", "ab")
    assert.equal("e", file:read())
  end)

  it("does not end where it did a while ago", function()
    for _, size in ipairs { 65536, 65536 * 3, 65536 * 7, 65536 * 15 } do
      local text = long_text(size)
      local file = with_text(text)
      assert.is_true(text == file:readexactly(size))
      for _ = 1, 4 do fs.stat "/" end -- its thread is at rest
      put("f", "more", "ab")
      assert.equal("more", file:read())
    end
  end)

  it("is in order wherever it is sought, in memory or not", function()
    local text = long_text(700000)
    local file, at = with_text(text), 0
    for i = 1, 300 do
      local size = (i * 7919) % 90000 + 1
      if i % 3 == 0 then
        at = (i * 104729) % 700000
        assert.equal(at, file:seek("set", at))
      end
      assert.equal(text:sub(at + 1, at + size), file:pread(size, at) or "")
      local data = i % 2 == 0 and file:read(size) or select(-1, file:readexactly(size))
      data = data ~= "EOF" and data or ""
      assert.equal(text:sub(at + 1, at + #data), data)
      at = at + #data
      assert.equal(at, file:seek())
    end
  end)

  it("never keeps others from their turn for long", function()
    local file, turns, stop = with_text "text", 0, false
    local other = tide.task(function()
      while not stop do
        turns = turns + 1
        tide.sleep(0)
      end
    end)
    for _ = 1, 1000 do
      assert.equal("text", file:pread(4, 0))
      file:seek "set"
      assert.equal("text", file:read(4))
    end
    stop = true
    other:await()
    assert.is_true(turns >= 10)
  end)

  it("ends where one has shrunk", function()
    local file = with_text(long_text(300000))
    assert.equal(16, #file:read(16))
    put("f", "short")
    while file:read() do end -- luacheck: ignore 542
    assert.equal("short", file:pread(10, 0))
  end)

  it("of one that is not for reading, or no file, is an error each time", function()
    local file = open("f", "w")
    fails("EBADF", file:read())
    fails("EBADF", file:readline())
    assert.is_true(file:write("x"))
    local directory = opens(fs.open(path()))
    fails("EISDIR", directory:read())
    fails("EISDIR", directory:read(-1))
  end)

  it("works where there are no positions", function()
    local zero = opens(fs.open "/dev/zero")
    assert.equal(("\0"):rep(100), zero:readexactly(100))
    fails("ESPIPE", zero:seek "set")
    local null = opens(fs.open("/dev/null", "r+"))
    assert.is_nil(null:read())
    assert.is_true(null:write "x")
  end)

  it("is for one task at a time", function()
    local file = with_text "hello"
    local task = tide.task(file.readexactly, file, 6) -- waits for a thread
    tide.sleep(0)
    support.misuse("'File:read': another task reads", function() file:read() end)
    assert.equal("hello", (select(4, task:await())))
  end)
end)

describe("writing to a file", function()
  it("takes strings, numbers and lists, and has written them when it returns", function()
    local file = open("f", "w")
    assert.same(pack(true), pack(file:write("a", 1, { "b", 2, {} and "c" }, "")))
    assert.equal("a1b2c", get "f")
    assert.same(pack(true), pack(file:write()))
    assert.same(pack(true), pack(file:write {}))
    assert.is_true(file:write(2.5))
    assert.equal("a1b2c2.5", get "f")
  end)

  it("of much is whole", function()
    local text = long_text(9000001)
    local file = open("f", "w")
    assert.is_true(file:write(text))
    assert.is_true(text == get "f")
  end)

  it("by many tasks at once: each call is whole, in their order", function()
    local file, expected = open("f", "w"), {}
    tide.group(function(group)
      for i = 1, 50 do
        expected[i] = ("%d;"):format(i):rep(i * 100)
        group:task(function() assert(file:write(expected[i])) end)
      end
    end)
    assert.is_true(table.concat(expected) == get "f")
  end)

  it("appends in the modes that do", function()
    put("f", "one ")
    local file = open("f", "a")
    assert.is_true(file:write "two ")
    put("f", "other ", "ab")
    file:seek "set"
    assert.is_true(file:write "three")
    assert.equal("one two other three", get "f")
    assert.equal(19, file:seek())
  end)

  it("begins at the end where all is appended and nothing read", function()
    put("f", "one ")
    local file = open("f", "a")
    assert.equal(4, file:seek())
    assert.is_true(file:truncate())
    assert.equal("one ", get "f")
  end)

  it("of one that is open for reading alone is an error", function()
    local file = with_text "x"
    local ok, message, code, written = file:write "y"
    assert.same({ nil, "string", "EBADF", 0 }, { ok, type(message), code, written })
    fails("EINVAL", file:truncate(0))
    assert.equal("x", file:read())
  end)

  local full = io.open "/dev/full"
  if full then
    full:close()
  end
  local full_it = support.it_if(full, "/dev/full", it, pending)

  full_it("tells how much was written when there is no room", function()
    local file = opens(fs.open("/dev/full", "w"))
    local ok, _, code, written = file:write "x"
    assert.same({ nil, "ENOSPC", 0 }, { ok, code, written })
    assert.is_true(file:close())
  end)
end)

describe("reading and writing together", function()
  it("have one position, as in C", function()
    local file = with_text("0123456789", "r+")
    assert.equal("012", file:read(3))
    assert.equal(3, file:seek())
    assert.is_true(file:write "AB")
    assert.equal(5, file:seek())
    assert.equal("56", file:read(2))
    assert.is_true(file:write "C")
    assert.equal("89", file:read())
    assert.equal("012AB56C89", get "f")
  end)

  it("after a line that was read", function()
    local file = with_text("one\ntwo\nthree\n", "r+")
    assert.equal("one", file:readline())
    assert.is_true(file:write "TWO")
    assert.equal("", file:readline())
    assert.equal("three", file:readline())
    assert.equal("one\nTWO\nthree\n", get "f")
  end)

  it("at random places do what a string does", function()
    local model, position = {}, 0
    local file = with_text("", "w+")
    math.randomseed(42)
    for step = 1, 300 do
      local what, n = math.random(5), math.random(40)
      if what <= 2 then
        local letter = string.char(96 + step % 26)
        assert(file:write(letter:rep(n)))
        for i = #model + 1, position do model[i] = "\0" end
        for i = position + 1, position + n do model[i] = letter end
        position = position + n
      elseif what == 3 then
        local data = file:read(n) or ""
        local last = math.min(#model, position + #data)
        assert.equal(table.concat(model, "", position + 1, last), data)
        assert.equal(math.min(n, math.max(0, #model - position)), #data)
        position = position + #data
      elseif what == 4 then
        position = math.random(0, #model + 3)
        assert.equal(position, file:seek("set", position))
      else
        position = math.random(0, #model)
        assert.equal(position, file:seek("end", position - #model))
      end
      assert.equal(position, file:seek())
    end
    assert.equal(table.concat(model), get "f")
  end)
end)

describe("seek", function()
  it("tells and sets the position", function()
    local file = with_text "0123456789"
    assert.equal(0, file:seek())
    assert.equal(4, file:seek("set", 4))
    assert.equal("45", file:read(2))
    assert.equal(5, file:seek("cur", -1))
    assert.equal("5", file:read(1))
    assert.equal(8, file:seek("end", -2))
    assert.equal("89", file:read())
    assert.equal(10, file:seek("end"))
    assert.equal(0, file:seek "set")
    assert.equal(20, file:seek("cur", 20))
    assert.is_nil(file:read())
  end)

  it("to what is before the beginning is an error, and moves nothing", function()
    local file = with_text "0123"
    file:read(2)
    fails("EINVAL", file:seek("set", -1))
    fails("EINVAL", file:seek("cur", -3))
    fails("EINVAL", file:seek("end", -5))
    assert.equal("23", file:read())
  end)
end)

describe("truncate", function()
  it("cuts, and fills with zeros", function()
    local file = with_text("0123456789", "r+")
    assert.same(pack(true), pack(file:truncate(4)))
    assert.equal("0123", get "f")
    assert.is_true(file:truncate(6))
    assert.equal("0123\0\0", get "f")
    file:read(2)
    assert.is_true(file:truncate())
    assert.equal("01", get "f")
    assert.equal(2, file:seek())
  end)
end)

describe("pread and pwrite", function()
  it("leave the position alone", function()
    local file = with_text("0123456789", "r+")
    assert.equal("012", file:read(3))
    assert.equal("789", file:pread(10, 7))
    assert.same(pack(true), pack(file:pwrite("AB", 8)))
    assert.equal("34567", file:read(5))
    assert.equal("AB", file:pread(2, 8))
    fails("EOF", file:pread(1, 10))
    assert.equal("", file:pread(0, 100))
    assert.is_true(file:pwrite({ "x", 1 }, 12))
    assert.equal("01234567AB\0\0x1", get "f")
  end)

  it("are seen by what is read next", function()
    local file = with_text("0123456789", "r+")
    assert.equal("01", file:read(2))
    assert.is_true(file:pwrite("AB", 2))
    assert.equal("AB4567", file:read(6))
    local text = long_text(65536 * 7)
    file = with_text(text, "r+")
    file:readexactly(65536 * 3)
    for _ = 1, 4 do fs.stat "/" end -- something is read ahead
    assert.is_true(file:pwrite("!", 65536 * 3))
    assert.equal("!" .. text:sub(65536 * 3 + 2), file:read(-1))
  end)

  it("run at the same time", function()
    local text = long_text(1000000)
    local file = with_text(text)
    tide.group(function(group)
      for i = 0, 99 do
        group:task(function()
          assert.is_true(text:sub(i * 10000 + 1, i * 10000 + 10000) == file:pread(10000, i * 10000))
        end)
      end
    end)
    assert.equal(16, #file:read(16))
  end)

  it("of much are whole", function()
    local text = long_text(9000001)
    local file = open("f", "w+")
    assert.is_true(file:pwrite(text, 3))
    assert.is_true(text == file:pread(10000000, 3))
  end)
end)

describe("stat, sync and fileno", function()
  it("are those of the file", function()
    local file = open("f", "w", { mode = tonumber("640", 8) })
    file:write "12345"
    local stat = file:stat()
    assert.equal("file", stat.type)
    assert.equal(5, stat.size)
    assert.equal(tonumber("640", 8), stat.mode)
    assert.same(pack(true), pack(file:sync()))
    assert.same(pack(true), pack(file:datasync()))
    assert.is_true(file:fileno() > 2)
  end)
end)

describe("open", function()
  it("has the modes of io.open, and x", function()
    fails("ENOENT", fs.open(path "f"))
    fails("ENOENT", fs.open(path "f", "r+"))
    open("f", "wbx"):write "one"
    fails("EEXIST", fs.open(path "f", "wx"))
    fails("EEXIST", fs.open(path "f", "axb"))
    assert.equal("one", open("f", "rb"):read())
    local file = open("f", "r+b")
    file:write "O"
    assert.equal("ne", file:read())
    assert.equal("One", open("f", "a+"):read())
    assert.is_nil(open("f", "w+"):read())
    assert.equal("", get "f")
  end)

  it("tells the path in its errors", function()
    local _, message = fs.open(path "nothing")
    assert.equal(path "nothing" .. ": no such file or directory", message)
    fails("EINVAL", fs.open(path "a\0b"))
    fails("EISDIR", fs.open(path(), "w"))
    fails("ENOTDIR", fs.open(put "f" .. "/x"))
  end)

  it("is not inherited by children", function()
    local file = with_text "x"
    local pipe = io.popen(("ls -l /proc/self/fd 2>/dev/null | grep -c '%s' "):format(path "f"))
    assert.equal("0", pipe:read())
    pipe:close()
    assert.is_true(file:close())
  end)
end)
