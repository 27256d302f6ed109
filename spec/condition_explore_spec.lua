-- Conditions, with a cancel at every await.
local tide = require "tide"
local explore = require("spec.support").explore

require("tide.busted").configure { task = false }

local sleep, pcall = tide.sleep, tide.pcall

local IDLE = "Condition<unlocked, 0 waiting>"

--- cond:wait(), after which the task owns the lock, whatever happened.
local function wait(cond)
  local ok, err = pcall(cond.wait, cond)
  local me = tide.current_task():get_name()
  assert(tostring(cond):find("locked by " .. me .. ",", 1, true))
  if not ok then
    error(err, 0)
  end
end

describe("under explore, a condition", function()
  it("94: makes a queue of one place: all that was put is got, once and in order", function()
    local cond, item, put, got
    local function give(n)
      cond:with(function()
        while item do wait(cond) end
        item = n
        put = n
        cond:notify_all()
      end)
    end
    local function take()
      cond:with(function()
        while not item do wait(cond) end
        got[#got + 1] = item
        item = nil
        cond:notify_all()
      end)
    end
    explore(function()
      cond, item, put, got = tide.condition(), nil, 0, {}
      local giver = tide.task(function()
        for n = 1, 4 do give(n) sleep(n % 2) end
      end)
      local taker = tide.task(take)
      take()
      take()
      taker:await()
      take()
      giver:await()
    end, function(result, where)
      assert.equal(IDLE, tostring(cond), where)
      assert.equal(put, #got + (item and 1 or 0), where)
      for n, value in ipairs(got) do
        assert.equal(n, value, where)
      end
      if result.ok then
        assert.equal(4, #got, where)
      end
    end)
  end)

  it("T44, 95: a notification wakes one, even if the first to wait leaves", function()
    local cond, notified, left
    local function once()
      cond:with(function()
        local ok, err = pcall(wait, cond)
        if not ok then
          left = left + 1
          error(err, 0)
        end
        notified = notified + 1
        sleep(1)
      end)
    end
    explore(function()
      cond, notified, left = tide.condition(), 0, 0
      local others = { tide.task(once), tide.task(once) }
      tide.task(function()
        for _ = 1, 3 do
          sleep(1)
          tide.shield(cond.with, cond, cond.notify, cond)
        end
      end)
      once()
      for _, task in ipairs(others) do task:await() end
    end, function(result, where)
      assert.equal(IDLE, tostring(cond), where)
      assert.is_true(notified + left <= 3, where)
      if result.ok then
        assert.same({ 3, 0 }, { notified, left }, where)
      end
    end)
  end)

  it("95: deadlines meet notifications, and others contend for the lock", function()
    local cond, timeouts, wakes
    explore(function()
      cond, timeouts, wakes = tide.condition(), 0, 0
      local others = {}
      for i = 1, 3 do
        others[i] = tide.task(function()
          sleep(i)
          cond:with(function()
            cond:notify()
            sleep(1)
          end)
        end)
      end
      cond:with(function()
        for _ = 1, 3 do
          if tide.move_on_after(1, wait, cond) then
            wakes = wakes + 1
          else
            timeouts = timeouts + 1
          end
        end
      end)
      for _, task in ipairs(others) do task:await() end
    end, function(result, where)
      assert.equal(IDLE, tostring(cond), where)
      if result.ok then
        assert.equal(3, timeouts + wakes, where)
      end
    end)
  end)
end)
