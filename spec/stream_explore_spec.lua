-- Streams, with a cancel at every await.
local tide = require "tide"
local net = require "tide.net"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local explored = support.explored
local sleep, pcall = tide.sleep, tide.pcall

local TEXT = "one\ntwo;three\nfour;5678nine\nten"

--- Writes the text in pieces, which are cut where it hurts.
local function write_pieces(stream, text, at_once)
  local first = 1
  for i, n in ipairs { 2, 3, 1, 7, 4, 6, 100 } do
    stream:write(text:sub(first, first + n - 1))
    first = first + n
    if i % 2 == 0 then sleep(at_once and 0 or i % 3) end
  end
  stream:shutdown()
end

local READS = {
  function(b) return b:readline { keep = true } end,
  function(b) return b:readuntil { ";", "xx" } end,
  function(b) return b:readexactly(5) end,
  function(b) return b:readuntil ";" end,
  function(b) return b:read(2) end,
  function(b) return b:readexactly(3) end,
  function(b) return b:read(-1) end,
}

--- What one read gives is noted before the next await.
local function read_pieces(stream, got)
  for _, read in ipairs(READS) do
    local data, _, _, part = read(stream)
    got[#got + 1] = data or part
  end
end

--- Calls fn(a, b, ...), then rest(a, b, ...), whatever happened; closes both.
local function with_pair(options, fn, rest, ...)
  local a, b = testing.stream_pair(options)
  return tide.finally(fn, function()
    tide.finally(rest, function()
      a:close()
      b:close()
    end, a, b)
  end, a, b, ...)
end

describe("under explore, a stream", function()
  local got, rest, written

  for _, options in ipairs { {}, { limit = 3, high_water = 2 } } do
    local size = options.limit and ", by little and little" or ""

    explored("loses nothing of what a cancelled reader would have got" .. size, function()
      got, rest = {}, nil
      with_pair(options, function(a, b)
        tide.task(write_pieces, a, TEXT)
        read_pieces(b, got)
      end, function(a, b)
        if a:stats().bytes_written == 0 then sleep(1) end
        rest = b:read(-1)
      end)
    end, function(outcome, where)
      assert.equal(TEXT, table.concat(got) .. rest, where)
      if outcome.ok then
        assert.equal("", rest, where)
      end
    end)

    explored("has all of a write or nothing of it" .. size, function()
      got, written = nil, 0
      with_pair(options, function(a, b)
        local reader = tide.task(function()
          sleep(1)
          got = b:read(-1)
        end)
        for i = 1, 6 do
          a:write({ "<", i, ">" }, i % 2 == 0 and "" or "-")
          written = i
          if i % 3 == 0 then a:drain() end
        end
        a:shutdown()
        reader:await()
      end, function(a)
        a:shutdown()
        sleep(2)
      end)
    end, function(outcome, where)
      local all = "<1>-<2><3>-<4><5>-<6>"
      if not got then -- its reader was cancelled with who awaited it
        return
      end
      assert.equal(all:sub(1, #got), got, where)
      assert.matches("[>-]$", "-" .. got, where)
      local seen = select(2, got:gsub(">", ""))
      assert.is_true(seen == written or seen == written + 1, where .. ": " .. got)
      if outcome.ok then
        assert.equal(all, got, where)
      end
    end)
  end

  explored("gives each line to one of those that take turns at it", function()
    got, rest = {}, nil
    with_pair({ limit = 8 }, function(a, b)
      local turn = tide.lock()
      local function consume()
        local line
        repeat
          line = turn:with(function()
            local it = b:readline { keep = true }
            got[#got + 1] = it
            return it
          end)
          sleep(0)
        until not line
      end
      tide.task(write_pieces, a, "a\nb\nc\nd\ne\nf\ng\n")
      tide.gather(consume, consume, consume)
    end, function(a, b)
      if a:stats().bytes_written == 0 then sleep(1) end
      rest = b:read(-1)
    end)
  end, function(_, where)
    assert.equal("a\nb\nc\nd\ne\nf\ng\n", table.concat(got) .. rest, where)
  end)

  explored("drops a line that is too long as a whole, or keeps it", function()
    got, rest = {}, nil
    with_pair({ limit = 4 }, function(a, b)
      tide.task(function()
        for _, piece in ipairs { "ab\n12", "34", "567", "8\nc", "d\n" } do
          a:write(piece)
          sleep(0)
        end
        a:shutdown()
      end)
      for i = 1, 3 do
        local line, _, code = b:readline()
        got[i] = line or code
      end
    end, function(a, b)
      if a:stats().bytes_written == 0 then sleep(1) end
      rest = b:read(-1)
    end)
  end, function(_, where)
    local all = table.concat(got, " ") .. "|" .. rest
    local expected = {
      ["|ab\n12345678\ncd\n"] = true, ["ab|12345678\ncd\n"] = true,
      ["ab EMSGSIZE|cd\n"] = true, ["ab EMSGSIZE cd|"] = true,
    }
    assert.is_true(expected[all], where .. ": " .. all)
  end)

  explored("is closed whatever its reader and its writer do", function()
    with_pair({ high_water = 1, limit = 1 }, function(a, b)
      tide.group(function(group)
        group:task(function() return a:write(("x"):rep(9)) and a:drain() end)
        group:task(function() pcall(b.readuntil, b, "\n", 99) end)
        sleep(1)
        b:close()
        sleep(0)
      end)
    end, function() end)
  end)
end)

-- Here time is real where the system is waited for, so there are few seeds.
describe("under explore, over TCP", function()
  --- Explores body() in some orders; nothing may be left.
  local function tried(title, body, check)
    it(title, function()
      for seed = 1, 3 do
        testing.explore(body, function(outcome)
          local where = ("seed %d, await %d, %s"):format(seed, outcome.k, outcome.at)
          assert.is_nil(support.left(), where)
          if check then check(outcome, where) end
        end, { seed = seed })
      end
    end)
  end

  local got, rest

  tried("connect, accept, writing and reading leave nothing open", function()
    got = nil
    local server = assert(net.listen("127.0.0.1", 0))
    tide.finally(function()
      tide.group(function(group)
        group:task(function()
          tide.with(assert(server:accept()), function(conn)
            conn:write(conn:read(-1))
            conn:shutdown()
          end)
        end)
        tide.with(assert(net.connect("127.0.0.1", select(2, server:sockname()))), function(conn)
          conn:write("abc")
          conn:shutdown()
          got = conn:read(-1)
        end)
      end)
    end, function() server:close() end)
  end, function(outcome, where)
    if outcome.ok then assert.equal("abc", got, where) end
  end)

  tried("a connection that a cancelled accept would have got is there for the next", function()
    got = 0
    local server = assert(net.listen("127.0.0.1", 0))
    local function accept()
      local conn = server:accept()
      if conn then
        got = got + 1
        conn:close()
      end
    end
    tide.finally(function()
      local client = tide.task(function()
        for _ = 1, 3 do
          assert(net.connect("127.0.0.1", select(2, server:sockname()))):close()
        end
      end)
      tide.finally(function()
        for _ = 1, 3 do accept() end
      end, function()
        client:await()
        while got < 3 do accept() end
      end)
    end, function() server:close() end)
  end, function(_, where)
    assert.equal(3, got, where)
  end)

  tried("nothing is lost of what a cancelled reader would have got", function()
    got, rest = {}, nil
    local server = assert(net.listen("127.0.0.1", 0))
    local conn, client
    tide.finally(function()
      tide.shield(function()
        client = net.connect("127.0.0.1", select(2, server:sockname()))
        conn = server:accept()
        tide.task(write_pieces, client, TEXT, true)
      end)
      read_pieces(conn, got)
    end, function()
      rest = conn:read(-1)
      server:close()
      conn:close()
      client:close()
    end)
  end, function(_, where)
    assert.equal(TEXT, table.concat(got) .. rest, where)
  end)
end)
