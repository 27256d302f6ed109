-- Semaphores, with a cancel at every await.
local tide = require "tide"
local explored = require "spec.support".explored

require("tide.busted").configure { task = false }

local sleep = tide.sleep

--- Explores `body(sem, asked, got)`: all permits come back; with one permit they
-- were got in the order in which they were asked for.
local function keeps_permits(title, permits, body)
  local sem, asked, got
  explored(title, function()
    sem, asked, got = tide.bounded_semaphore(permits), {}, {}
    return body(sem, asked, got)
  end, function(outcome, where)
    assert.equal(("Semaphore<value %d, 0 waiting>"):format(permits), tostring(sem), where)
    local place = 0
    for _, name in ipairs(permits == 1 and got or {}) do
      assert.is_true(asked[name] > place, where .. ": out of order")
      place = asked[name]
    end
    if outcome.ok then
      assert.equal(asked.n, #got, where)
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
    keeps_permits("100, 101: tasks contend for " .. permits, permits, function(sem, asked, got)
      local tasks = {}
      for i = 1, 6 do
        tasks[i] = tide.task(contend, sem, asked, got, i, i % 3)
      end
      contend(sem, asked, got, "main", 1)
      for _, task in ipairs(tasks) do task:await() end
    end)
  end

  keeps_permits("86: the others are cancelled while they wait", 1, function(sem, asked, got)
    local counted = { n = 0 }
    for i = 1, 4 do
      local task = tide.task(contend, sem, counted, {}, i, 1)
      tide.task(function() sleep(i / 2) task:cancel() end)
    end
    contend(sem, asked, got, "main", 1)
    contend(sem, asked, got, "main again", 1)
    sleep(5)
  end)

  keeps_permits("101: a deadline and a release meet", 1, function(sem, asked, got)
    local other = tide.task(sem.with, sem, sleep, 2)
    sleep(0)
    asked.n = 0
    tide.move_on_after(2, sem.with, sem, sleep, 1)
    contend(sem, asked, got, "main", 1)
    other:await()
  end)

  keeps_permits("T40, 101: deadlines end some of the waits", 2, function(sem, asked, got)
    asked.n = 0
    local tasks = {}
    for i = 1, 5 do
      tasks[i] = tide.task(tide.move_on_after, i / 2, sem.with, sem, sleep, 1)
    end
    tide.move_on_after(1, tide.timeout, 1, sem.with, sem, sleep, 2)
    contend(sem, asked, got, "main", 1)
    for _, task in ipairs(tasks) do task:await() end
  end)

  keeps_permits("86, T40: a shielded wait gets its permit", 1, function(sem, asked, got)
    local holder = tide.task(sem.with, sem, sleep, 1)
    sleep(0)
    tide.finally(sleep, function()
      contend(sem, asked, got, "cleanup", 1)
      assert(got[#got] == "cleanup")
    end, 0)
    contend(sem, asked, got, "main", 1)
    holder:await()
  end)
end)
