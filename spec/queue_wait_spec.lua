-- Who waits in get and put.
local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"
local queues = require "spec.queue_support"

require("tide.busted").configure { clock = "virtual" }

local pack, raises = support.pack, support.raises

local run, sleep = testing.run, tide.sleep
local turns, getter, putter = support.turns, queues.getter, queues.putter
local waiters, said, drained = queues.waiters, queues.said, queues.drained

local makers = { tide.queue, tide.lifo_queue, tide.priority_queue }

describe("a getter", function()
  it("waits, and is served in the order of coming", function()
    for _, make in ipairs(makers) do
      local q, log = make(), {}
      waiters(getter, q, log, "a b c")
      q:put(1, 1)
      q:put(2, 2)
      assert.equal("", said(log)) -- never inside put
      turns(1)
      assert.matches("^a=%d b=%d$", said(log))
      q:put(3, 3)
      turns(1)
      assert.matches("c=3$", said(log))
    end
  end)

  it("has its item from the put on: nobody sees it, and it takes up no place", function()
    for _, make in ipairs(makers) do
      local q, log = make(1), {}
      waiters(getter, q, log, "a")
      q:put("first", 1)
      assert.same({ 0, true, false }, { q:qsize(), q:empty(), q:full() })
      assert.same(pack(nil, "empty"), pack(q:get_nowait()))
      assert.is_true(q:put_nowait("second", 2))
      assert.is_true(q:full())
      waiters(getter, q, log, "late")
      turns(2)
      assert.equal(2, #log)
      assert.is_true(q:empty())
    end
  end)

  it("71: woken and then cancelled returns its item, and its next await raises", function()
    for _, make in ipairs(makers) do
      local q, log = make(), {}
      local task = tide.task(function()
        local item = q:get()
        log[#log + 1] = item
        raises(tide.CancelledError, q.get, q)
        log[#log + 1] = "raised"
      end)
      turns(1)
      waiters(getter, q, log, "next")
      q:put("item", 1)
      task:cancel()
      turns(2)
      assert.equal("item raised", said(log))
      q:put("other", 1)
      turns(1)
      assert.equal("item raised next=other", said(log))
    end
  end)

  it("70, 72: cancelled before the put leaves it to the next", function()
    for gone = 1, 3 do
      local q, log, expected = tide.queue(), {}, {}
      local tasks = waiters(getter, q, log, "1 2 3")
      tasks[gone]:cancel()
      q:put("x")
      q:put("y")
      for i = 1, 3 do
        if i ~= gone then
          expected[#expected + 1] = i .. (#expected == 0 and "=x" or "=y")
        end
      end
      turns(2)
      assert.same(expected, log)
      assert.is_true(q:empty())
    end
  end)

  it("86: both orders of cancel and put in one turn", function()
    local q, log = tide.queue(), {}
    local tasks = waiters(getter, q, log, "a b")
    tasks[1]:cancel()
    q:put(1)
    turns(2)
    assert.equal("b=1", said(log))
    log = {}
    tasks = waiters(getter, q, log, "a b")
    q:put(1)
    tasks[1]:cancel()
    turns(2)
    assert.equal("a=1", said(log))
    tasks[2]:cancel()
  end)

  it("a deadline that meets a put loses nothing", function()
    for _, make in ipairs(makers) do
      for first = 1, 2 do
        local q = make()
        local function put() tide.loop():call_later(1, function() q:put_nowait("x", 1) end) end
        if first == 1 then put() end
        local task = tide.task(function() return tide.move_on_after(1, q.get, q) end)
        turns(1)
        if first == 2 then put() end
        local ok, item = task:await()
        turns(1)
        assert.equal(ok and 0 or 1, q:qsize())
        assert.equal(ok and "x" or nil, item)
      end
    end
  end)

  it("71: that is given up after a put, in a shield, leaves the item to the next",
  { task = false }, function()
    for _, make in ipairs(makers) do
      local q, reports = nil, 0
      run(function()
        q = make()
        tide.loop():set_grace(0)
        tide.loop():set_exception_handler(function() reports = reports + 1 end)
        tide.task(tide.shield, q.get, q)
        turns(1)
      end)
      assert.matches("0 getters", tostring(q))
      assert.equal(1, reports)
      run(function()
        q:put("x", 1)
        assert.equal("x", q:get())
      end)
      tide.loop():close()
    end
  end)
end)

describe("a putter", function()
  it("69: waits while it is full, and is admitted in the order of coming", function()
    for _, make in ipairs { tide.queue, tide.priority_queue } do
      local q, log = make(1), {}
      waiters(putter, q, log, "a b c")
      assert.equal("a", said(log))
      assert.equal("a", q:get())
      assert.same(pack(nil, "full"), pack(q:put_nowait("late", 0))) -- nobody overtakes
      turns(1)
      assert.equal("a b", said(log))
      assert.equal("b", q:get())
      turns(1)
      assert.equal("a b c", said(log))
      assert.equal("c", q:get())
    end
  end)

  it("69: its item is in the queue as soon as there is a place", function()
    local q, log = tide.queue(1), {}
    waiters(putter, q, log, "a b c")
    assert.equal("a b c", drained(q)) -- without a switch
    assert.equal("a", said(log))
    turns(1)
    assert.equal("a b c", said(log))
  end)

  it("of a LIFO queue is admitted first come first served, too", function()
    local q, log = tide.lifo_queue(2), {}
    waiters(putter, q, log, "a b c d")
    assert.equal("b c d a", drained(q))
    turns(1)
    assert.equal("a b c d", said(log))
  end)

  it("admitted and then cancelled has put its item; its next await raises", function()
    for _, make in ipairs(makers) do
      local q, log = make(1), {}
      q:put("first", 1)
      local task = tide.task(function()
        q:put("second", 1)
        log[#log + 1] = "put"
        sleep(0)
      end)
      turns(1)
      assert.equal("first", q:get())
      task:cancel()
      turns(2)
      assert.equal("put", said(log))
      assert.is_true(task:cancelled())
      assert.equal("second", q:get())
    end
  end)

  it("70: cancelled before leaves without a trace, and the others in order", function()
    for _, make in ipairs { tide.queue, tide.priority_queue } do
      for gone = 2, 4 do
        local q, log, expected = make(1), {}, {}
        local tasks = waiters(putter, q, log, "1 2 3 4")
        tasks[gone]:cancel()
        for i = 1, 4 do
          if i ~= gone then
            expected[#expected + 1] = tostring(i)
          end
        end
        local got = {}
        for i = 1, 3 do
          got[i] = q:get()
          turns(1)
        end
        assert.same(expected, got)
        assert.is_true(tasks[gone]:cancelled())
        assert.same(pack(nil, "empty"), pack(q:get_nowait()))
      end
    end
  end)

  it("86: both orders of cancel and get in one turn", function()
    for _, make in ipairs(makers) do
      local q, log = make(1), {}
      local tasks = waiters(putter, q, log, "a b c")
      tasks[2]:cancel()
      assert.equal("a", q:get())
      turns(2)
      assert.equal("c", q:get())
      log = {}
      tasks = waiters(putter, q, log, "a b c")
      assert.equal("a", q:get())
      tasks[2]:cancel()
      turns(2)
      assert.equal("b", q:get())
      turns(1)
      assert.equal("c", q:get())
      assert.equal("a b c", said(log))
    end
  end)

  it("T28: a deadline that meets a get puts once or not at all", function()
    for _, make in ipairs(makers) do
      for first = 1, 2 do
        local q = make(1)
        q:put("old", 1)
        local function get() tide.loop():call_later(1, function() q:get_nowait() end) end
        if first == 1 then get() end
        local task = tide.task(function() return tide.move_on_after(1, q.put, q, "new", 1) end)
        turns(1)
        if first == 2 then get() end
        local ok = task:await()
        turns(1)
        assert.equal(ok and "new" or "", drained(q))
      end
    end
  end)
end)

describe("a putter that is given up", function()
  it("drops its item", { task = false }, function()
    for _, make in ipairs(makers) do
      local q, weak = nil, setmetatable({}, { __mode = "k" })
      run(function()
        q = make(1)
        tide.loop():set_grace(0)
        tide.loop():set_exception_handler(function() end)
        q:put("x", 1)
        tide.task(function()
          local item = {}
          weak[item] = true
          tide.shield(q.put, q, item, 1)
        end)
        turns(1)
      end)
      assert.matches("1 item, maxsize 1, 0 getters, 0 putters", tostring(q))
      run(function() end)
      support.collect()
      assert.is_nil(next(weak))
      tide.loop():close()
    end
  end)
end)
