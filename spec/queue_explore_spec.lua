-- Queues, with a cancel at every await.
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local sleep, pcall = tide.sleep, tide.pcall

local makers = { tide.queue, tide.lifo_queue, tide.priority_queue }

--- What a run did: which items a put of took, and which a get gave.
local function new_record(q)
  return { q = q, put = {}, got = {}, order = {} }
end

local function put(record, item)
  record.q:put(item, item)
  record.put[item] = true
end

--- False at the end of the queue. An item that a get returned is delivered, also
-- if the task is cancelled right after.
local function get(record)
  local item = record.q:get()
  if item == nil then
    return false
  end
  assert(not record.got[item], "got twice")
  record.got[item] = true
  record.order[#record.order + 1] = item
  record.q:task_done()
  return true
end

local function produce(record, first, last, pause)
  for item = first, last do
    put(record, item)
    if pause then sleep(pause) end
  end
end

local function consume(record, pause)
  while get(record) do
    if pause then sleep(pause) end
  end
end

--- All that is left in the queue has been put, and nothing else is missing.
local function check_items(record, where, dropped)
  local q = record.q
  repeat
    local item = q:get_nowait()
    if item ~= nil then
      assert.is_nil(record.got[item], where .. ": doubled " .. item)
      record.got[item] = true
    end
  until item == nil
  assert.matches("<0 items, maxsize %d, 0 getters, 0 putters", tostring(q), where)
  for item in pairs(record.got) do
    assert.is_true(record.put[item] or record.begun == item, where .. ": not put " .. item)
  end
  if not dropped then
    for item in pairs(record.put) do
      assert.is_true(record.got[item], where .. ": lost " .. item)
    end
  end
end

--- Explores body(make, new), with another kind of queue for each seed. new(q)
-- gives the record of a queue.
local function explored(title, body, dropped, check)
  it(title, function()
    local turn, record = 1, nil
    local function new(q)
      record = new_record(q)
      return record
    end
    support.explore(function()
      record = nil
      return body(makers[turn], new)
    end, function(result, where)
      if record then
        check_items(record, where, dropped)
        if check and turn == 1 then
          check(record, where)
        end
      end
      if result.at == "woken" and not result.hit then -- the last one of a seed
        turn = turn % #makers + 1
      end
    end)
  end)
end

--- Items of each producer come in the order in which it put them.
local function in_order(record, where)
  local last = {}
  for _, item in ipairs(record.order) do
    local producer = math.floor(item / 10)
    assert.is_true(item > (last[producer] or 0), where .. ": out of order")
    last[producer] = item
  end
end

describe("under explore,", function()
  explored("71: a consumer is cancelled, others go on", function(make, new)
    local record = new(make(1))
    local producers = { tide.task(produce, record, 11, 13), tide.task(produce, record, 21, 23, 0) }
    local other = tide.task(function()
      for _ = 1, 3 do get(record) end
    end)
    for _ = 1, 3 do get(record) end
    for _, task in ipairs(producers) do task:await() end
    other:await()
  end)

  explored("69: a producer is cancelled, others go on", function(make, new)
    local record = new(make(1))
    local other = tide.task(produce, record, 11, 13, 0)
    local consumer = tide.task(consume, record, 0)
    for item = 21, 24 do
      record.begun = item
      put(record, item)
    end
    record.begun = nil
    other:await()
    record.q:shutdown()
    consumer:await()
  end, false, in_order)

  for maxsize = 0, 1 do
    explored("75: many at once, maxsize " .. maxsize, function(make, new)
      local record, tasks = new(make(maxsize)), {}
      for p = 1, 3 do tasks[p] = tide.task(produce, record, p * 10 + 1, p * 10 + 3, p % 2) end
      for c = 1, 2 do tide.task(consume, record, c % 2) end
      for _ = 1, 3 do tide.move_on_after(3, get, record) end
      for _, task in ipairs(tasks) do task:await() end
      record.q:join()
      record.q:shutdown()
    end)
  end

  explored("79: shut down in the middle", function(make, new)
    local record = new(make(2))
    for p = 1, 2 do
      tide.task(function()
        local ok, err = pcall(produce, record, p * 10 + 1, p * 10 + 5, 0)
        assert(ok or tide.is(err, tide.QueueShutDown) or tide.is_cancelled(err), err)
      end)
    end
    tide.task(consume, record, 0)
    tide.task(function() sleep(0) sleep(0) sleep(0) record.q:shutdown() end)
    consume(record, 0)
    record.q:join()
  end)

  explored("80: shut down at once in the middle", function(make, new)
    local record = new(make(2))
    for p = 1, 2 do
      tide.task(function()
        local ok, err = pcall(produce, record, p * 10 + 1, p * 10 + 5, 0)
        assert(ok or tide.is(err, tide.QueueShutDown) or tide.is_cancelled(err), err)
      end)
    end
    tide.task(consume, record, 0)
    tide.task(function() sleep(0) sleep(0) record.q:shutdown(true) end)
    consume(record, 0)
    record.q:join()
  end, true)

  explored("72: those who wait are cancelled around it", function(make, new)
    local record = new(make(1))
    for i = 1, 3 do
      local getter = tide.task(get, record)
      tide.task(function() sleep(i / 2) getter:cancel() end)
    end
    sleep(0)
    for item = 11, 13 do
      record.begun = item
      put(record, item)
      sleep(0.5)
    end
    record.begun = nil
    for _ = 1, 2 do tide.move_on_after(0.5, get, record) end
  end)

  explored("T28: deadlines meet puts and gets", function(make, new)
    local record = new(make(1))
    local other = tide.task(produce, record, 11, 13, 1)
    for _ = 1, 3 do tide.move_on_after(1, get, record) end
    tide.move_on_after(1, function()
      record.begun = 21
      put(record, 21)
      record.begun = 22
      put(record, 22)
    end)
    other:cancel()
    sleep(0)
  end)
end)
