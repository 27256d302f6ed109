-- Several primitives in one program, with a cancel at every await.
local tide = require "tide"
local explored = require("spec.support").explored

require("tide.busted").configure { task = false }

local sleep, pcall = tide.sleep, tide.pcall

--- get, after which the item counts as had, whatever comes next.
local function take(queue, had)
  local item = queue:get()
  if item ~= nil then
    had[#had + 1] = item
  end
  return item
end

local function drain(queue, had)
  local item = queue:get_nowait()
  while item ~= nil do
    had[#had + 1] = item
    item = queue:get_nowait()
  end
end

--- Each of the numbers 1 to n once, in any order.
local function check_all(n, had, where)
  table.sort(had)
  assert.equal(n, #had, where)
  for i, item in ipairs(had) do
    assert.equal(i, item, where)
  end
end

describe("under explore,", function()
  local queue, semaphore, put, had

  explored("T30: producers and workers under a semaphore, in a group, lose nothing", function()
    queue, semaphore, put, had = tide.queue(1), tide.bounded_semaphore(2), 0, {}
    tide.group(function(group)
      for _ = 1, 3 do
        group:task(function()
          while take(queue, had) do
            semaphore:with(sleep, 1)
            queue:task_done()
          end
        end)
      end
      tide.gather(function()
        for _ = 1, 2 do
          put = put + 1
          if not pcall(queue.put, queue, put) then
            put = put - 1
          end
        end
      end, function() sleep(1) end)
      queue:join()
      queue:shutdown()
    end)
  end, function(outcome, where)
    drain(queue, had)
    check_all(put, had, where)
    assert.equal("Semaphore<value 2, 0 waiting>", tostring(semaphore), where)
    assert.is_true(not outcome.ok or put == 2, where)
  end)

  explored("T28: a get under a deadline that meets a put loses nothing", function()
    queue, put, had = tide.queue(), 0, {}
    local producer = tide.task(function()
      for i = 1, 3 do
        sleep(1)
        queue:put(i)
        put = i
      end
    end)
    for _ = 1, 3 do
      tide.move_on_after(1, take, queue, had)
    end
    producer:await()
  end, function(outcome, where)
    drain(queue, had)
    check_all(put, had, where)
    assert.is_true(not outcome.ok or put == 3, where)
  end)

  local lock, open

  explored("gathered tasks under a lock, one of which fails, leave it free", function()
    lock, open = tide.lock(), 0
    local function hold(seconds, fails)
      return function()
        lock:with(function()
          open = open + 1
          tide.finally(sleep, function() open = open - 1 end, seconds)
          if fails then
            error("bad", 0)
          end
        end)
      end
    end
    local ok, err = pcall(tide.gather, hold(1), hold(1, true), hold(60))
    if err ~= "bad" then
      error(err, 0)
    end
    return ok
  end, function(outcome, where)
    assert.equal(0, open, where)
    assert.equal("Lock<unlocked, 0 waiting>", tostring(lock), where)
    assert.is_true(not outcome.ok or outcome[1] == false, where)
  end)

  local event, served

  explored("T17: a server started in a group serves until it is cancelled", function()
    queue, event, served = tide.queue(), tide.event(), { opened = 0, closed = 0 }
    tide.group(function(group)
      local requests = group:start(function(started)
        served.opened = served.opened + 1
        tide.finally(function()
          sleep(1)
          started(queue)
          while true do
            served[#served + 1] = queue:get()
            event:set()
          end
        end, function()
          sleep(1)
          served.closed = served.closed + 1
        end)
      end)
      requests:put("a request")
      tide.timeout(5, event.wait, event)
      group:cancel()
    end)
  end, function(outcome, where)
    assert.equal(served.opened, served.closed, where)
    assert.is_true(not outcome.ok or served[1] == "a request", where)
  end)

  local generator

  explored("a generator that reads a queue, in nested timeouts, is closed", function()
    queue, had, open = tide.queue(), {}, 0
    generator = tide.generator(function(yield)
      open = open + 1
      local ok, err = pcall(function()
        local item = take(queue, had)
        while item do
          yield(item)
          item = take(queue, had)
        end
      end)
      open = open - 1
      if not ok then
        error(err, 0)
      end
    end)
    return tide.finally(function()
      local feeder = tide.task(function()
        for i = 1, 3 do
          queue:put(i)
          sleep(1)
        end
        queue:shutdown()
      end)
      local first = tide.timeout(10, tide.timeout, 5, generator)
      while generator() do
        sleep(0)
      end
      feeder:await()
      return first
    end, function() generator:close() end)
  end, function(outcome, where)
    assert.equal(0, open, where)
    assert.is_true(not outcome.ok or outcome[1] == 1, where)
    for i, item in ipairs(had) do
      assert.equal(i, item, where)
    end
  end)

  local condition, stock, sold

  explored("a condition's buyers race against a deadline, and the stock adds up", function()
    condition, stock, sold = tide.condition(), 0, 0
    local function buy()
      condition:with(function()
        condition:wait_for(function() return stock > 0 end)
        stock = stock - 1
        sold = sold + 1
      end)
    end
    local buyers = tide.task(tide.gather, { buy, buy }, { return_exceptions = true })
    for _ = 1, 2 do
      tide.shield(condition.with, condition, function()
        stock = stock + 1
        condition:notify()
      end)
      sleep(1)
    end
    tide.race(function() return buy() end, function() sleep(2) end)
    buyers:await()
  end, function(outcome, where)
    assert.equal("Condition<unlocked, 0 waiting>", tostring(condition), where)
    assert.is_true(stock >= 0 and stock + sold <= 2, where)
    assert.is_true(not outcome.ok or sold == 2, where)
  end)

  local barrier, phases

  explored("a barrier keeps the workers of a group in step", function()
    barrier, phases = tide.barrier(3), { 0, 0, 0 }
    tide.group(function(group)
      for i = 1, 3 do
        group:task(function()
          for phase = 1, 2 do
            sleep(i % 2)
            phases[i] = phase
            barrier:wait()
            for _, other in ipairs(phases) do
              assert(other >= phase)
            end
          end
        end)
      end
      sleep(0)
    end)
  end, function(outcome, where)
    assert.equal("Barrier<0 of 3 waiting>", tostring(barrier), where)
    -- a cancel that comes at a group's edge is raised after it
    assert.is_true(outcome.hit or phases[1] + phases[2] + phases[3] == 6, where)
  end)

  local made, ended

  explored("as_completed and race over workers end them all", function()
    made, ended, semaphore = 0, 0, tide.bounded_semaphore(1)
    local function worker(seconds)
      return function()
        made = made + 1
        return tide.finally(function()
          return semaphore:with(sleep, seconds, seconds)
        end, function() ended = ended + 1 end)
      end
    end
    local completed, sum = tide.as_completed({ worker(1), worker(0), worker(2) }), 0
    for _ = 1, 3 do
      sum = sum + completed():result()
    end
    tide.race(worker(1), worker(5))
    return sum
  end, function(outcome, where)
    assert.equal(made, ended, where)
    assert.equal("Semaphore<value 1, 0 waiting>", tostring(semaphore), where)
    assert.is_true(not outcome.ok or outcome[1] == 3, where)
  end)
end)
