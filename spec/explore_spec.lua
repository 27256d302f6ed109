local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall, explore = tide.pcall, testing.explore

describe("explore", function()
  it("cancels at each await's entry, when it is parked, and when it is woken", function()
    local places, results = {}, {}
    local runs = explore(function()
      tide.sleep(1)
      tide.next_tick()
      return "end", nil, 3
    end, function(result)
      places[#places + 1] = ("%s %d %s"):format(result.at, result.k, tostring(result.ok))
      results[#results + 1] = { result[1], result[2], result[3] }
      assert.equal(result.ok and 3 or 1, result.n)
      assert.equal(not result.ok, result.hit)
      assert.equal(not result.ok, tide.is_cancelled(result[1]))
    end)
    assert.equal(9, runs)
    assert.same({
      "enter 1 false", "enter 2 false", "enter 3 true", "parked 1 false", "parked 2 false",
      "parked 3 true", "woken 1 false", "woken 2 false", "woken 3 true",
    }, places)
    assert.same({ "end", nil, 3 }, results[9])
  end)

  it("tells entered, parked and woken apart", function()
    local seen = {}
    explore(function()
      local started, aborted, got
      local ok = pcall(function()
        got = tide.park(function(wake)
          started = true
          tide.loop():call_later(1, function() wake("woken") end)
          return function() aborted = true end
        end)
      end)
      if not ok then
        seen[#seen + 1] = started and (aborted and "aborted" or "started") or "not started"
      else
        seen[#seen + 1] = got
      end
      tide.sleep(0)
    end)
    -- at its entry; not (the sleep, then nothing); parked; ...; woken: granted is delivered
    assert.same({ "not started", "woken", "woken", "aborted", "woken", "woken", "woken", "woken",
      "woken" }, seen)
  end)

  it("calls check when all is cleaned up, and counts awaits in shields and cleanups", function()
    local ended, at = {}, {}
    explore(function()
      tide.finally(function()
        tide.shield(tide.sleep, 1)
      end, function()
        tide.sleep(1)
        ended[#ended + 1] = true
      end)
      tide.sleep(1)
    end, function(result)
      at[#at + 1] = result.k
      assert.equal(#at, #ended) -- shielded: every run gets there
      assert.equal(0, tide.stats().tasks)
    end)
    assert.same({ 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4 }, at)
  end)

  it("without an await there is one run each, cancelled nowhere", function()
    local hits = 0
    assert.equal(3, explore(function() return 1 end, function(result)
      hits = hits + (result.hit and 1 or 0)
      assert.is_true(result.ok)
    end))
    assert.equal(0, hits)
    assert.equal(3, explore(function() end))
  end)

  it("raises an error of fn that is no cancel, with the number of the await", function()
    local ok, err = pcall(explore, function()
      tide.sleep(1)
      local slept = pcall(tide.sleep, 1)
      assert(slept, "not prepared")
    end)
    assert.is_false(ok)
    assert.matches("await 2", err)
    assert.matches("enter", err)
    assert.matches("not prepared", err)
    ok, err = pcall(explore, function() error("always") end)
    assert.is_false(ok)
    assert.matches("always", err)
  end)

  it("says so when it had cancelled nothing", function()
    local ok, err = pcall(explore, function() error("broken", 0) end)
    assert.is_false(ok)
    assert.equal("explore: not cancelled: broken", err)
  end)

  it("raises an error of check, and is over then: the clock is real again", function()
    local err = {}
    local runs = 0
    local ok, got = pcall(explore, function() tide.sleep(1) end, function()
      runs = runs + 1
      error(err, 0)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
    assert.equal(1, runs)
    local before = tide.loop():time()
    while tide.loop():time() == before do end -- luacheck: ignore 542
  end)

  it("finds a cleanup that is forgotten", function()
    local leaked = {}
    explore(function()
      local open = true
      leaked[#leaked + 1] = function() return open end
      tide.sleep(1)
      open = false
    end)
    local found = 0
    for _, is_open in ipairs(leaked) do
      found = found + (is_open() and 1 or 0)
    end
    assert.same({ 6, 3 }, { #leaked, found })
  end)

  it("is misused at the caller's line", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local ok, err = pcall(function() explore(5) end)
    assert.is_false(ok)
    assert.matches("explore_spec%.lua:" .. line .. ": .*#1 to 'testing.explore'", err)
    ok, err = pcall(function() explore(print, 5) end)
    assert.is_false(ok)
    assert.matches("explore_spec%.lua:" .. line + 3 .. ": .*#2 to 'testing.explore'", err)
  end)
end)
