-- Locks, with a cancel at every await.
local tide = require "tide"
local explore = require("spec.support").explore

require("tide.busted").configure { task = false }

local sleep, pcall = tide.sleep, tide.pcall

--- Holds the lock for a while, notes when it asked and when it got it, and that
-- nobody else has it meanwhile.
local function contend(lock, asked, got, name, seconds)
  asked.n = (asked.n or 0) + 1
  asked[name] = asked.n
  lock:with(function()
    assert(got.owner == nil)
    got.owner = name
    got[#got + 1] = name
    local ok, err = pcall(sleep, seconds)
    got.owner = nil
    if not ok then
      error(err, 0)
    end
  end)
end

--- body(lock, asked, got) contends for a lock that is free again in the end, and
-- that was had in the order of the requests, by `all` tasks if none left.
local function contention(title, all, body)
  it(title, function()
    local lock, asked, got
    explore(function()
      lock, asked, got = tide.lock(), {}, {}
      body(lock, asked, got)
    end, function(result, where)
      assert.equal("Lock<unlocked, 0 waiting>", tostring(lock), where)
      local last = 0
      for _, name in ipairs(got) do
        assert(asked[name] > last, where)
        last = asked[name]
      end
      if result.ok then
        assert.is_true(all(#got), where)
      end
    end)
  end)
end

local function exactly(n)
  return function(got) return got == n end
end

describe("under explore, a lock", function()
  contention("T43: is one task's at a time, in order", exactly(7), function(lock, asked, got)
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = tide.task(contend, lock, asked, got, i, i % 3)
    end
    contend(lock, asked, got, "main", 1)
    contend(lock, asked, got, "main again", 0)
    for _, task in ipairs(tasks) do task:await() end
  end)

  contention("86: goes on to the next if the others are cancelled while they wait",
    function(got) return got >= 2 end,
    function(lock, asked, got)
      for i = 1, 4 do
        local task = tide.task(contend, lock, asked, got, i, 1)
        tide.task(function() sleep(i / 2) task:cancel() end)
      end
      contend(lock, asked, got, "main", 1)
      contend(lock, asked, got, "main again", 1)
      sleep(5)
    end)

  contention("86: is not lost when a deadline and a release meet",
    function(got) return got == 2 or got == 3 end,
    function(lock, asked, got)
      local other = tide.task(contend, lock, asked, got, "other", 2)
      sleep(0)
      tide.move_on_after(2, contend, lock, asked, got, "main", 1)
      contend(lock, asked, got, "main again", 1)
      other:await()
    end)

  it("T42: broken leaves nobody asleep", function()
    local lock, ended, n
    local function use()
      local ok, err = pcall(lock.with, lock, sleep, 1)
      ended = ended + 1
      assert(ok or tide.is(err, tide.BrokenLockError) or tide.is_cancelled(err))
      if tide.is_cancelled(err) then
        error(err, 0)
      end
    end
    explore(function()
      lock, ended, n = tide.lock(), 0, 0
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = tide.task(function()
          n = n + 1
          use()
        end)
      end
      tide.task(function() pcall(lock.acquire, lock) sleep(1) end)
      use()
      use()
      for _, task in ipairs(tasks) do task:await() end
    end, function(result, where)
      assert.is_true(ended >= n, where)
      if result.ok then
        assert.equal(6, ended, where)
        assert.equal("Lock<broken>", tostring(lock), where)
      end
    end)
  end)
end)
