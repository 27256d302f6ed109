-- Semaphores, with a cancel at every await.
local tide = require "tide"
local testing = require "tide.testing"

local explore, sleep = testing.explore, tide.sleep
local SEEDS = 20

--- A cancel at every await of `body(sem, log)`, with 20 seeds: all permits come
-- back, and nothing is left; what `log` says came in the order of the requests.
local function explored(title, permits, body)
  it(title, function()
    for seed = 1, SEEDS do
      local sem, asked, got
      explore(function()
        sem, asked, got = tide.bounded_semaphore(permits), {}, {}
        return body(sem, asked, got)
      end, function(result)
        local where = ("seed %d, await %d, %s"):format(seed, result.k, result.at)
        assert.equal(("Semaphore<value %d, 0 waiting>"):format(permits), tostring(sem), where)
        for _, what in ipairs { "tasks", "ready", "sleeping", "timers", "wakers", "handles" } do
          assert.equal(0, tide.stats()[what], where .. ": " .. what)
        end
        if permits == 1 then
          local place = 0
          for _, name in ipairs(got) do
            assert.is_true(asked[name] > place, where .. ": out of order")
            place = asked[name]
          end
        end
        if result.ok then
          assert.equal(asked.n, #got, where)
        end
      end, { seed = seed })
    end
  end)
end

--- Takes a permit, notes when it asked and when it got it, and holds it a while.
local function contend(sem, asked, got, name, seconds)
  asked.n = (asked.n or 0) + 1
  asked[name] = asked.n
  sem:with(function()
    got[#got + 1] = name
    sleep(seconds)
  end)
end

describe("under explore,", function()
  for permits = 1, 3 do
    explored("100, 101: tasks contend for " .. permits, permits, function(sem, asked, got)
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = tide.task(contend, sem, asked, got, i, i % 3)
      end
      contend(sem, asked, got, "main", 1)
      for _, task in ipairs(tasks) do task:await() end
    end)
  end

  explored("86: the others are cancelled while they wait", 1, function(sem, asked, got)
    local counted = { n = 0 }
    for i = 1, 4 do
      local task = tide.task(contend, sem, counted, {}, i, 1)
      tide.task(function() sleep(i / 2) task:cancel() end)
    end
    contend(sem, asked, got, "main", 1)
    contend(sem, asked, got, "main again", 1)
    sleep(5)
  end)

  explored("101: a deadline and a release meet", 1, function(sem, asked, got)
    local other = tide.task(sem.with, sem, sleep, 2)
    sleep(0)
    asked.n = 0
    tide.move_on_after(2, sem.with, sem, sleep, 1)
    contend(sem, asked, got, "main", 1)
    other:await()
  end)
end)
