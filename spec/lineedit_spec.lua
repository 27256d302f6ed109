local lineedit = require "tide.lineedit"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local task_it = support.task_it

--- What stands for a terminal: gives the keys, piece by piece.
local function new_input(pieces, columns)
  local input = { raws = {} }
  function input.read() return table.remove(pieces, 1) end
  function input.readline() return table.remove(pieces, 1) end
  function input.set_raw(_, on) input.raws[#input.raws + 1] = on end
  function input.window_size() return columns or 80, 24 end
  return input
end

--- fn() with what it writes to stdout as its second result, not printed.
local function captured(fn)
  local stdout, text = io.stdout, {}
  io.stdout = { -- luacheck: ignore 122
    write = function(_, ...) text[#text + 1] = table.concat { ... } end,
    flush = function() end,
  }
  local results = support.pack(pcall(fn))
  io.stdout = stdout -- luacheck: ignore 122
  assert(results[1], results[2])
  return results, table.concat(text)
end

--- The lines that an editor makes of these keys, and what it shows.
local function edit(pieces, columns)
  local editor = lineedit.editor(new_input(pieces, columns), function() end)
  local lines = {}
  local _, shown = captured(function()
    repeat
      local line, why = editor:read("> ")
      lines[#lines + 1] = line or why
    until why == "eof"
  end)
  return lines, shown
end

local LEFT, RIGHT, UP, DOWN = "\27[D", "\27[C", "\27[A", "\27[B"

describe("the line editor", function()
  task_it("takes keys until Enter", function()
    assert.same({ "abc", "", "eof" }, edit { "a", "bc", "\r", "\n" })
  end)

  task_it("moves and cuts", function()
    for keys, expected in pairs {
      ["bc\1a\5d"] = "abcd",
      ["ad" .. LEFT .. "b\6" .. LEFT .. "c"] = "abcd",
      ["ac\2b"] = "abc",
      ["abx\127c"] = "abc",
      ["abx\8c"] = "abc",
      ["\127a"] = "a",
      ["xab\1\4"] = "ab",
      ["xab\27[H\27[3~"] = "ab",
      ["ab\27[3~"] = "ab",
      ["ab\27[1~x\27[4~y"] = "xaby",
      ["ab\27OHx\27OFy"] = "xaby",
      ["abcd" .. LEFT .. LEFT .. "\11"] = "ab",
      ["abcd" .. LEFT .. LEFT .. "\21"] = "cd",
      ["one two_2\23x"] = "one x",
      ["one two  \23\23x"] = "x",
      ["one two\27bx\27b\27b\27fy"] = "oney xtwo",
      ["one two\27[1;5Dx\27[1;5Cy"] = "one xtwoy",
      ["a" .. LEFT .. LEFT .. "b" .. RIGHT .. RIGHT .. "c"] = "bac",
      ["a\12b"] = "ab",
      ["a\27[5~\7\29b"] = "ab", -- what it does not know does nothing
      ["a\tb"] = "a\tb",
    } do
      assert.equal(expected, edit({ keys .. "\r" })[1])
    end
  end)

  task_it("takes each UTF-8 character as one, and what is none byte by byte", function()
    assert.equal("é", edit({ "aé\2\8\r" })[1])
    assert.equal("日", edit({ "日本\127\r" })[1])
    assert.equal("😀x", edit({ "x\1😀\r" })[1])
    assert.equal("a", edit({ "a\255\127\r" })[1])
    assert.equal("é", edit({ "\195", "\169\r" })[1])
  end)

  task_it("takes a key that comes in pieces", function()
    assert.equal("ba", edit({ "a\27", "[", "1", "~b\r" })[1])
    assert.equal("ba", edit({ "a\27", "OHb\r" })[1])
  end)

  task_it("remembers lines, and the new one while it looks back", function()
    assert.same({ "one", "two", "one", "two", "new", "eof" }, edit {
      "one\r", "two\r", UP .. UP .. UP .. "\r", UP .. UP .. "\r",
      "new" .. UP .. UP .. DOWN .. DOWN .. DOWN .. "\r" })
  end)

  task_it("remembers neither blank lines nor the same twice", function()
    assert.same({ "one", "one", " ", "one", "eof" },
      edit { "zero\8\8\8\8one\r", "one\r", " \r", UP .. UP .. "\r" })
  end)

  task_it("an old line may be changed", function()
    assert.same({ "one", "one!", "one!", "eof" }, edit { "one\r", UP .. "!\r", UP .. "\r" })
  end)

  task_it("several lines at once are several lines", function()
    assert.same({ "one", "two", "three", "eof" }, edit { "one\ntwo\rth", "ree\r" })
  end)

  task_it("Ctrl-C drops the line, Ctrl-D on an empty one is the end", function()
    assert.same({ "interrupt", "b", "eof" }, edit { "a\3b\r\4" })
    assert.same({ "b", "eof" }, edit { "ab\1\4\r", "\4" })
  end)

  task_it("shows what fits around the cursor", function()
    local _, shown = edit({ "abcdefghij", "\1", "\r" }, 8)
    assert.matches("\r> fghij\27%[K\r\27%[7C", shown)
    assert.matches("\r> abcde\27%[K\r\27%[2C", shown)
    _, shown = edit({ "日本語", "\r" }, 8)
    assert.matches("\r> 本語\27%[K\r\27%[6C", shown)
    _, shown = edit({ "a\tb\r" }, 80)
    assert.matches("\r> a b\27", shown)
  end)

  task_it("a prompt may have colours and several lines", function()
    local _, shown = captured(function()
      return lineedit.editor(new_input { "ab", "\r" }, print):read("one\n\27[1;32mé>\27[0m ")
    end)
    assert.matches("^one\n\r\27%[1;32mé>\27%[0m \27%[K\r\27%[3C\r[^\r]*ab\27%[K\r\27%[5C", shown)
  end)

  task_it("the mode of the terminal is put back, after errors, too", function()
    local input = new_input { "a\r" }
    captured(function() lineedit.editor(input):read("> ") end)
    assert.same({ true, false }, input.raws)
    input = new_input {}
    input.read = function() error("oops", 0) end
    captured(function()
      local ok, err = pcall(function() lineedit.editor(input):read("> ") end)
      assert(not ok and err == "oops")
    end)
    assert.same({ true, false }, input.raws)
  end)

  task_it("Ctrl-\\ shows what is to be shown above the line", function()
    local dumped = 0
    local editor = lineedit.editor(new_input { "ab\28c\r" }, function() dumped = dumped + 1 end)
    local results = captured(function() return editor:read("> ") end)
    assert.equal("abc", results[2])
    assert.equal(1, dumped)
  end)
end)

describe("plain lines", function()
  local function read(pieces)
    local reader, lines = lineedit.plain(new_input(pieces)), {}
    local _, text = captured(function()
      repeat
        local line, why = reader:read("> ")
        lines[#lines + 1] = line or why
      until why == "eof"
    end)
    return lines, text
  end

  task_it("come as they are", function()
    local lines, text = read { "one", "two", "", "three" }
    assert.same({ "one", "two", "", "three", "eof" }, lines)
    assert.equal("> > > > > \n", text)
    assert.same({ "eof" }, (read {}))
  end)
end)
