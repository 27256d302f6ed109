-- However bytes are cut into chunks, and whenever these come, the results are
-- the same.
local tide = require "tide"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { clock = "virtual", timeout = 1e9 }

local sleep = tide.sleep

--- What is between two chunks: nothing, so that many come before the reader
-- runs; a turn; or all have to wait.
local PAUSES = {
  function() end,
  function() sleep(0) end,
  function() sleep(1) end,
}

--- One cut into the bytes of text for each bit of mask that is set.
local function cut(text, mask)
  local chunks, first = {}, 1
  for i = 1, #text do
    if mask % 2 == 1 or i == #text then
      chunks[#chunks + 1] = text:sub(first, i)
      first = i + 1
    end
    mask = math.floor(mask / 2)
  end
  return chunks
end

local function outcome(value, _, code, part)
  if value ~= nil then
    return ("%q"):format(value)
  end
  return part and ("%s %q"):format(code, part) or code
end

--- What the methods of the program come to, one after the other; the last of
-- them again and again until the end.
local function results(program, options, chunks, pause)
  local from, to = streams.pair(options)
  local feeder = tide.task(function()
    for i, chunk in ipairs(chunks) do
      if i > 1 then pause() end
      from:write(chunk)
    end
    pause()
    from:shutdown()
  end)
  local list, i = {}, 0
  repeat
    i = i + 1
    local call = program[i] or program[#program]
    list[i] = outcome(to[call[1]](to, call[2], call[3]))
  until list[i]:match("^EOF") or i == 30
  feeder:await()
  from:close()
  to:close()
  return table.concat(list, " ")
end

--- All chunkings of a text, at most 10 bytes long.
local function each_chunking(text, fn)
  for mask = 0, 2 ^ (#text - 1) - 1 do
    for n, pause in ipairs(PAUSES) do
      fn(cut(text, mask), pause, ("chunks {%s}, pause %d"):format(
        table.concat(cut(text, mask), "|"):gsub("%c", "."), n))
    end
  end
end

local function chunked(title, text, options, program, expected)
  it(title, function()
    each_chunking(text, function(chunks, pause, where)
      assert.equal(expected, results(program, options, chunks, pause), where)
    end)
  end)
end

describe("in whatever chunks its bytes come", function()
  streams.close_after_each(after_each)

  chunked("readexactly gives so many", "abcdefgh", nil, { { "readexactly", 3 } },
    [["abc" "def" EOF "gh"]])

  chunked("readexactly over the limit gives so many", "abcdefgh", { limit = 1, high_water = 1 },
    { { "readexactly", 7 } }, [["abcdefg" EOF "h"]])

  chunked("read(-1) gives all", "abcdefgh", { limit = 2, high_water = 1 },
    { { "readexactly", 1 }, { "read", -1 }, { "read" } }, [["a" "bcdefgh" EOF]])

  chunked("readline gives lines", "a\n\r\nbc\r\nd", nil, { { "readline" } },
    [["a" "" "bc" "d" EOF]])

  chunked("readline gives lines with their ends", "a\nb\r\n\nc\n", nil,
    { { "readline", { keep = true } } }, [["a\
" "b]] .. ("%q"):format("\r"):sub(2, -2) .. [[\
" "\
" "c\
" EOF]])

  chunked("readline drops a line over the limit", "abc\nabcd\nx", { limit = 3 }, { { "readline" } },
    [["abc" EMSGSIZE "x" EOF]])

  chunked("readline drops a long line, all of it", "abcdefgh\nx", { limit = 2, high_water = 1 },
    { { "readline" } }, [[EMSGSIZE "x" EOF]])

  chunked("readline drops a long line at the end", "ab\nabcdef", { limit = 2 }, { { "readline" } },
    [["ab" EMSGSIZE EOF]])

  chunked("readuntil finds a separator of one byte", "ab;;c;de", nil, { { "readuntil", ";" } },
    [["ab;" ";" "c;" EOF "de"]])

  chunked("142: readuntil finds a long separator", "---a--b---", nil, { { "readuntil", "---" } },
    [["---" "a--b---" EOF ""]])

  chunked("142: readuntil finds one that its own beginning comes before", "aababaabab", nil,
    { { "readuntil", "abab" } }, [["aabab" "aabab" EOF ""]])

  chunked("142: readuntil finds of several the one that ends first", "axcdexycde", nil,
    { { "readuntil", { "cde", "xy", "e" } } }, [["axcde" "xy" "cde" EOF ""]])

  chunked("142: readuntil finds the shorter of two that end together", "1ab2b3ab", nil,
    { { "readuntil", { "ab", "b" } } }, [["1ab" "2b" "3ab" EOF ""]])

  chunked("141: readuntil keeps what is over the limit", "abcdef;g", { limit = 5 },
    { { "readuntil", ";" }, { "readuntil", ";" }, { "readuntil", ";", 6 } },
    [[EMSGSIZE EMSGSIZE "abcdef;" EOF "g"]])

  chunked("readuntil counts only what is before the separator", "abcde---f", { limit = 5 },
    { { "readuntil", "---" } }, [["abcde---" EOF "f"]])

  chunked("readuntil is over the limit of a separator too late", "abcdef---", { limit = 5 },
    { { "readuntil", "---" }, { "readexactly", 5 }, { "readuntil", "---" } },
    [[EMSGSIZE "abcde" "f---" EOF ""]])

  chunked("methods take turns", "a\nbc;defg", nil,
    { { "readline" }, { "readuntil", ";" }, { "readexactly", 2 }, { "read", -1 }, { "read" } },
    [["a" "bc;" "de" "fg" EOF]])
end)

-- ---- by chance

local ALPHABET = { "a", "b", "\n", "\r\n", ";", "--" }

local function random_text(n)
  local pieces = {}
  for i = 1, n do
    pieces[i] = ALPHABET[math.random(#ALPHABET)]
  end
  return table.concat(pieces)
end

local CALLS = {
  function() return { "readexactly", math.random(0, 9) } end,
  function() return { "readline", { limit = math.random(9) } } end,
  function() return { "readline", { keep = true, limit = 100 } } end,
  function() return { "readuntil", ";", math.random(9) } end,
  function() return { "readuntil", { "--", "a;", "\n", "b--" }, math.random(0, 9) } end,
  function() return { "readuntil", { "---", "--b", "ab" }, 100 } end,
}

local function random_program()
  local program = {}
  for i = 1, 9 do
    program[i] = CALLS[math.random(#CALLS)]()
  end
  program[#program + 1] = { "read", -1 }
  program[#program + 1] = { "readexactly", 1 }
  return program
end

local function random_chunks(text)
  local chunks, first = {}, 1
  while first <= #text do
    local n = math.random(math.random(8))
    chunks[#chunks + 1] = text:sub(first, first + n - 1)
    first = first + n
  end
  return chunks
end

describe("in chunks by chance", function()
  streams.close_after_each(after_each)

  it("random texts are read by random methods as in one piece", function()
    math.randomseed(7)
    for round = 1, support.seeds() * 2 do
      local text, program = random_text(40), random_program()
      local expected = results(program, nil, { text }, PAUSES[1])
      for _, limit in ipairs { 1, 10, 65536 } do
        for n, pause in ipairs(PAUSES) do
          local chunks = random_chunks(text)
          -- the limit of `readuntil` and `readline` is in the program
          assert.equal(expected, results(program, { limit = limit, high_water = 3 }, chunks, pause),
            ("round %d, limit %d, pause %d"):format(round, limit, n))
        end
      end
    end
  end)
end)
