-- The entry of an await may end the waits of others, whose deadlines it finds to
-- have passed: nothing that was so before holds after it.
local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall, sleep = tide.pcall, tide.sleep

--- Works until the clock has moved on: others' deadlines pass meanwhile.
local function busy(seconds)
  local loop = tide.loop()
  local till = loop:time() + seconds
  while loop:time() < till do end -- luacheck: ignore 542
end

--- One waits under a deadline that passes while another is busy, which then waits
-- for the same: what the second got of it within a while, or "nothing".
local function after_deadline(wait)
  return testing.run(function()
    local first = tide.task(function() return tide.move_on_after(0.002, wait) end)
    local second = tide.task(function()
      return tide.timeout(60, function()
        sleep(0)
        busy(0.004)
        return wait()
      end)
    end)
    local ok, result = pcall(tide.wait_for, second, 0.3)
    assert.is_false(first:await())
    return ok and result or tide.is(result, tide.TimeoutError) and "nothing" or result
  end, { clock = "real" })
end

describe("an await whose entry ends the wait of another", function()
  it("of a future, which was cancelled by that, raises at once", function()
    local future = tide.future()
    local err = after_deadline(function() return future:await() end)
    assert.is_true(tide.is_cancelled(err))
    assert.is_true(future:cancelled())
  end)

  it("of a shielded future is told of that as well", function()
    local future = tide.future()
    local shielded = false
    local err = after_deadline(function()
      if shielded then
        return tide.shield(future)
      end
      shielded = true
      return future:await()
    end)
    assert.is_true(tide.is_cancelled(err))
  end)

  it("at a barrier does not count who has left", function()
    local barrier = tide.barrier(2)
    assert.equal("nothing", after_deadline(function() return barrier:wait() end))
    assert.equal(0, barrier:n_waiting())
  end)

  it("in a gather of a future raises at once", function()
    local future = tide.future()
    assert.is_true(tide.is_cancelled(after_deadline(function() return tide.gather(future) end)))
  end)

  it("for a semaphore, lock or queue waits for what is not there", function()
    local semaphore, queue = tide.semaphore(0), tide.queue()
    assert.equal("nothing", after_deadline(function() return semaphore:acquire() end))
    assert.equal("nothing", after_deadline(function() return queue:get() end))
    assert.equal("Semaphore<value 0, 0 waiting>", tostring(semaphore))
  end)
end)
