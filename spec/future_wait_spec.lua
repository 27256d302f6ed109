local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local elapsed, pack, raises = support.elapsed, support.pack, support.raises

local pcall, sleep = tide.pcall, tide.sleep

--- Tasks that await the future, parked in it.
local function awaiters(future, n)
  local tasks = {}
  for i = 1, n do
    tasks[i] = tide.task(function() return i, future:await() end)
  end
  sleep(0)
  return tasks
end

describe("wait_for of a future", function()
  it("131: gives what it is set to; one that is set whatever the seconds", function()
    local future = tide.future()
    tide.loop():call_later(1, function() future:set_result(1, nil, 3) end)
    assert.same(pack(1, nil, 3), pack(tide.wait_for(future, 2)))
    assert.same(pack(1, nil, 3), pack(tide.wait_for(future, 0)))
    local failed = tide.future()
    failed:set_exception("failed")
    assert.same(pack(false, "failed"), pack(pcall(tide.wait_for, failed, -1)))
    assert.equal(0, tide.stats().timers)
  end)

  it("132: cancels it at the deadline, also if others await it", function()
    for _, seconds in ipairs { 2, 0, -1 } do
      for shared = 0, 1 do
        local future = tide.future()
        local other = awaiters(future, shared)[1]
        assert.equal(math.max(seconds, 0), elapsed(raises, tide.TimeoutError, tide.wait_for, future,
          seconds))
        assert.is_true(future:cancelled())
        if other then raises(tide.CancelledError, other.await, other) end
      end
    end
  end)

  it("127: a cancel of it by others is no timeout", function()
    local future = tide.future()
    tide.loop():call_later(1, function() future:cancel("other") end)
    assert.equal("other", raises(tide.CancelledError, tide.wait_for, future, 5).reason)
  end)

  it("135: cancelled itself cancels it, unless others await it", function()
    for shared = 0, 1 do
      local future = tide.future()
      local other = awaiters(future, shared)[1]
      assert.is_false(tide.move_on_after(1, tide.wait_for, future, 5))
      assert.equal(shared == 0, future:cancelled())
      future:set_result("set")
      if other then assert.same(pack(1, "set"), pack(other:await())) end
    end
  end)

  it("set in the turn of the deadline: one of both, and it says the same", function()
    for first = 1, 2 do
      local future = tide.future()
      local function later() tide.loop():call_later(1, function() future:set_result("set") end) end
      if first == 1 then later() end
      local task = tide.task(function() return pcall(tide.wait_for, future, 1) end)
      sleep(0)
      if first == 2 then later() end
      local ok = task:await()
      assert.equal(ok, not future:cancelled())
      sleep(1)
    end
  end)
end)

describe("shield of a future", function()
  it("52: gives its results or error, also when it is set", function()
    local future, failed = tide.future(), tide.future()
    tide.loop():call_later(1, function() future:set_result(1, 2) failed:set_exception("bad") end)
    for _ = 1, 2 do
      assert.same(pack(1, 2), pack(tide.shield(future)))
      assert.same(pack(false, "bad"), pack(pcall(tide.shield, failed)))
    end
  end)

  it("52, 137: a cancel leaves at once, the future is left alone", function()
    local future = tide.future()
    assert.equal(1, elapsed(raises, tide.TimeoutError, tide.wait_for, function()
      return tide.shield(future)
    end, 1))
    assert.is_true(future:set_result("set"))
  end)

  it("52: a cancel of the future raises in who waits", function()
    local future = tide.future()
    tide.loop():call_later(1, function() future:cancel("why") end)
    assert.equal("why", raises(tide.CancelledError, tide.shield, future).reason)
    sleep(0)
  end)
end)
