local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local turns = support.turns
local misuse, pack = support.misuse, support.pack

local pcall, sleep = tide.pcall, tide.sleep

local function drained(q)
  local items = {}
  repeat
    local item = q:get_nowait()
    items[#items + 1] = item ~= nil and tostring(item) or nil
  until item == nil
  return table.concat(items, " ")
end

local Rank = {}
Rank.__lt = function(a, b)
  if Rank.spy then
    Rank.spy(a, b)
  end
  return a.rank < b.rank
end

local function rank(n)
  return setmetatable({ rank = n }, Rank)
end

--- Calls fn while comparisons of ranks call spy first.
local function spied(spy, fn)
  Rank.spy = spy
  local results = pack(pcall(fn))
  Rank.spy = nil
  return (unpack or table.unpack)(results, 1, results.n) -- luacheck: ignore
end

local function bad_comparison()
  error("bad comparison", 0)
end

describe("a priority queue", function()
  it("66: gives the lowest priority first, and returns only the item", function()
    local q = tide.priority_queue()
    for _, n in ipairs { 5, 1, 4, 2, 3 } do q:put("i" .. n, n) end
    assert.same(pack("i1"), pack(q:get()))
    assert.equal("i2 i3 i4 i5", drained(q))
  end)

  it("of equal priorities gives the one first that came first", function()
    local q = tide.priority_queue()
    for _, priority in ipairs { 1, "1", rank(1) } do
      for i = 1, 40 do q:put(i, priority) end
      for i = 1, 40 do assert.equal(i, q:get()) end
    end
  end)

  it("sorts any number of them, whatever kind they are", function()
    local kinds = {
      function(n) return n end,
      function(n) return n / 3 end,
      function(n) return ("%04d"):format(n) end,
      rank,
    }
    for _, priority in ipairs(kinds) do
      local q, seed, model, order = tide.priority_queue(), 3, {}, 0
      local function expect()
        local best = 1
        for i = 2, #model do
          if model[i][1] < model[best][1] then best = i end
        end
        local item = table.remove(model, best)
        assert.equal(item[2], q:get())
      end
      for _ = 1, 600 do
        seed = (seed * 1103515245 + 12345) % 2 ^ 31
        if seed % 5 < 3 or #model == 0 then
          order = order + 1
          local n = math.floor(seed / 64) % 50
          model[#model + 1] = { n, order }
          q:put(order, priority(n))
        else
          expect()
        end
      end
      while #model > 0 do expect() end
      assert.is_true(q:empty())
    end
  end)

  it("takes numbers of both signs and the infinite ones, but no NaN", function()
    local q = tide.priority_queue()
    for _, n in ipairs { 1 / 0, -1, 0, 2.5, -1 / 0, 2 ^ 60 } do q:put(n, n) end
    assert.equal(-1 / 0, q:get())
    assert.equal(-1, q:get())
    assert.equal(0, q:get())
    assert.equal(2.5, q:get())
    assert.equal(2 ^ 60, q:get())
    assert.equal(1 / 0, q:get())
    misuse("#2 to 'PriorityQueue:put' %(priority expected, got NaN", function() q:put(1, 0 / 0) end)
    misuse("got NaN", function() q:put_nowait(1, 0 / 0) end)
    assert.equal(0, q:qsize())
  end)

  if math.type then
    it("tells apart integers that no float can", function()
      local q, most = tide.priority_queue(), math.maxinteger
      for _, n in ipairs { most, most - 1, 2 ^ 53 + 1, most - 2, 1 } do q:put(n, n) end
      q:put("float", 2.0 ^ 63)
      assert.equal(1, q:get())
      assert.equal(2 ^ 53 + 1, q:get())
      for i = 2, 0, -1 do assert.equal(most - i, q:get()) end
      assert.equal("float", q:get())
    end)
  end

  it("needs a priority, and one that can be compared", function()
    local q = tide.priority_queue()
    for _, bad in ipairs { {}, true, print, q } do
      misuse("'PriorityQueue:put' %(number, string or value with", function() q:put(1, bad) end)
      misuse("bad argument #2 to 'PriorityQueue:put_nowait'", function() q:put_nowait(1, bad) end)
    end
    misuse("bad argument #2 to 'PriorityQueue:put'", function() q:put("x") end)
    misuse("bad argument #2 to 'PriorityQueue:put_nowait'", function() q:put_nowait("x", nil) end)
    misuse("bad argument #1 to 'PriorityQueue:put'", function() q:put(nil, 1) end)
    assert.equal(0, q:qsize())
  end)

  it("raises where two cannot be compared, and changes nothing", function()
    local q = tide.priority_queue()
    q:put("number", 1)
    misuse("compare priorities: string with number", function() q:put("string", "1") end)
    misuse("compare priorities", function() q:put_nowait("string", "1") end)
    assert.equal("number", drained(q))
    q:put("string", "1")
    misuse("compare priorities: number with string", function() q:put("number", 1) end)
    assert.equal("string", drained(q))
  end)
end)

describe("a comparison that raises", function()
  it("in put is raised there, and changes nothing", function()
    local q = tide.priority_queue(3)
    q:put("a", rank(1))
    for _, put in ipairs { q.put, q.put_nowait } do
      assert.same(pack(false, "bad comparison"),
        pack(spied(bad_comparison, function() put(q, "b", rank(0)) end)))
    end
    assert.equal(1, q:qsize())
    q:put("b", rank(0))
    q:put("c", rank(2))
    assert.is_true(q:full())
    assert.equal("b a c", drained(q))
  end)

  it("in get is raised there, changes nothing and admits nobody", function()
    local q, log = tide.priority_queue(4), {}
    for i = 1, 4 do q:put(i, rank(i)) end
    local putter = tide.task(function() q:put(0, rank(0)) log[1] = "put" end)
    turns(1)
    for _, get in ipairs { q.get, q.get_nowait } do
      assert.same(pack(false, "bad comparison"),
        pack(spied(bad_comparison, function() get(q) end)))
      turns(2)
      assert.equal(4, q:qsize())
      assert.same({}, log)
    end
    assert.equal(1, q:get())
    putter:await()
    assert.equal("0 2 3 4", drained(q))
  end)

  it("in a put that waited passes the place on", function()
    local q = tide.priority_queue(2)
    q:put("x", rank(5))
    q:put("y", rank(6))
    local bad = tide.task(q.put, q, "bad", rank(1))
    local function only_one(a, b)
      if a.rank == 1 or b.rank == 1 then bad_comparison() end
    end
    local good = tide.task(q.put, q, "good", rank(2))
    turns(1)
    spied(only_one, function()
      assert.equal("x", q:get())
      turns(1)
      assert.equal(1, q:qsize())
      turns(1)
    end)
    assert.same(pack(false, "bad comparison"), pack(pcall(bad.await, bad)))
    good:await()
    assert.equal("good y", drained(q))
  end)

  it("in a get that waited passes the item on", function()
    local q = tide.priority_queue()
    local a, b = tide.task(q.get, q), tide.task(q.get, q)
    turns(1)
    for i = 1, 4 do q:put(i, rank(i)) end
    local n = 0
    spied(function()
      n = n + 1
      if n == 1 then bad_comparison() end
    end, function() turns(1) end)
    assert.same(pack(false, "bad comparison"), pack(pcall(a.await, a)))
    assert.equal(1, b:await())
    assert.equal("2 3 4", drained(q))
  end)

  it("has the line of the put that waited, if Lua's own says none", function()
    local q, line = tide.priority_queue(2), nil
    q:put(1, 1)
    q:put(2, 2)
    local task = tide.task(function()
      line = debug.getinfo(1, "l").currentline + 1
      q:put(2, "1")
    end)
    turns(1)
    q:get()
    local _, err = pcall(task.await, task)
    assert.matches("priority_queue_spec.lua:" .. line .. ": .*compare priorities", err)
    assert.is_false(q:full())
  end)
end)

describe("a comparison that uses the queue", function()
  local changed = "a comparison of priorities changed the queue"
  local uses = { -- what is done, and how many of six items are there then
    { function(q) q:put_nowait("more", rank(0)) end, 7 },
    { function(q) q:get_nowait() end, 5 },
    { function(q) q:shutdown() end, 6 },
    { function(q) q:shutdown(true) end, 0 },
  }

  for _, name in ipairs { "put", "put_nowait", "get", "get_nowait" } do
    it("makes " .. name .. " fail", function()
      for _, use in ipairs(uses) do
        local q = tide.priority_queue()
        for i = 1, 6 do q:put(i, rank(i)) end
        local ok, err = spied(function()
          Rank.spy = nil
          use[1](q)
        end, function() q[name](q, "mine", rank(1)) end)
        assert.is_false(ok)
        assert.matches("priority_queue_spec.lua:%d+: " .. changed, err)
        assert.equal(use[2], q:qsize())
        for _ = 1, use[2] do assert.is_truthy(q:get()) end
        assert.is_true(q:empty())
      end
    end)
  end

  it("may ask it, and collect garbage", function()
    local q = tide.priority_queue()
    for i = 9, 1, -1 do
      spied(function() collectgarbage() return q:qsize(), q:full(), tostring(q) end,
        function() q:put(i, rank(i)) end)
    end
    assert.equal("1 2 3 4 5 6 7 8 9", drained(q))
  end)

  it("cannot wait", function()
    local q = tide.priority_queue()
    q:put(1, rank(1))
    local ok, err = spied(function() sleep(1) end, function() q:put(2, rank(2)) end)
    assert.is_false(ok)
    assert.matches("cannot wait", err)
    assert.equal(1, q:qsize())
  end)

  it("may close the loop of the main program, and then it raises", { task = false }, function()
    local q = tide.priority_queue()
    q:put_nowait(1, rank(1))
    local ok, err = spied(function() tide.loop():close() end,
      function() q:put(2, rank(2)) end)
    assert.is_false(ok)
    assert.matches(changed, err)
    misuse("the loop is closed", function() q:qsize() end)
  end)
end)
