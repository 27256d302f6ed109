local tide = require "tide"

require("tide.busted").configure { clock = "virtual" }

local co, pcall = tide.coroutine, tide.pcall
local is_51 = _VERSION == "Lua 5.1" and not rawget(_G, "jit")
describe("an await where Lua cannot suspend", function()
  local places = {
    sort = { "sort", function(await)
      table.sort({ 3, 2, 1 }, function(a, b) await() return a < b end)
    end },
    gsub = { "gsub", function(await) string.gsub("a", "a", await) end },
    tostring = { "tostring", function(await)
      return tostring(setmetatable({}, { __tostring = function() await() return "" end }))
    end, rawget(_G, "jit") },
    index = { nil, function(await)
      return setmetatable({}, { __index = function() await() end }).x
    end, not is_51 },
  }

  for name, place in pairs(places) do
    if not place[3] then -- where this Lua can suspend, nothing is refused
      it(name .. ": the error says so and leaves no trace", function()
        for _, await in ipairs { function() tide.sleep(1) end, tide.next_tick,
          function() tide.park(function() end) end,
          function() tide.task(tide.sleep, 1):await() end } do
          local ok, err = pcall(place[2], await)
          assert.is_false(ok)
          assert.matches("cannot wait", err)
          assert.matches(place[1] or "metamethod", err)
          assert.equal("x", tide.sleep(1, "x"))
        end
        assert.equal(0, tide.stats().timers)
        assert.equal(0, tide.stats().wakers)
      end)

      it(name .. ": also for a tide.coroutine resumed there", function()
        local inner = co.create(function() tide.sleep(1) end)
        local ok, err
        pcall(place[2], function() if not err then ok, err = co.resume(inner) end return "a" end)
        assert.is_false(ok)
        assert.matches("cannot wait", err)
        assert.equal("dead", co.status(inner))
        local fresh = co.wrap(function() return tide.sleep(1, "y") end)
        assert.equal("y", fresh())
      end)
    end
  end

  it("in a plain coroutine the error says how to make it", function()
    local ok, err = pcall(coroutine.wrap(function() tide.sleep(1) end))
    assert.is_false(ok)
    assert.matches("'tide.sleep' cannot wait in a plain coroutine", err)
    assert.matches("tide.coroutine", err)
    assert.equal("x", tide.sleep(1, "x"))
  end)

  it("in a plain coroutine of the main program too", { task = false }, function()
    local ok, err = pcall(coroutine.wrap(function() tide.sleep(1) end))
    assert.is_false(ok)
    assert.matches("cannot wait in a plain coroutine", err)
  end)

  it("a tide.coroutine inside a plain one is refused, and the plain one goes on", function()
    local plain = coroutine.wrap(function()
      local inner = co.wrap(function() co.yield(1) tide.sleep(1) end)
      coroutine.yield(inner())
      local ok, err = pcall(inner)
      coroutine.yield(ok, err)
    end)
    assert.equal(1, plain())
    local ok, err = plain()
    assert.is_false(ok)
    assert.matches("cannot wait in a plain coroutine", err)
    tide.sleep(1)
  end)
end)
