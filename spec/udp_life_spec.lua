-- Sockets for datagrams: closing, cancels, garbage.
local tide = require "tide"
local support = require "spec.support"
local udps = require "spec.udp_support"

require("tide.busted").configure { clock = "virtual" }

local raises = support.raises
local pcall, sleep = tide.pcall, tide.sleep
local new, bound, poll, fails, receiver = udps.new, udps.bound, udps.poll, udps.fails, udps.receiver

local HOST = udps.HOST

udps.keep(before_each, after_each)

describe("close", function()
  it("wakes who receives", function()
    local udp = bound()
    local task = receiver(udp)
    udp:close()
    local value, message, code = task:await()
    assert.same({ nil, "it is closed", "ECANCELED" }, { value, message, code })
  end)

  it("leaves a datagram to who was woken for it", function()
    local udp, port = bound()
    local task = receiver(udp)
    tide.task(function() -- runs in the turn in which the receiver is woken
      new():send("mine", HOST, port)
      poll()
    end)
    local seen
    repeat
      sleep(0)
      seen = udp:stats().received
    until seen > 0 or task:done()
    udp:close()
    assert.equal("mine", (task:await()))
  end)

  it("drops what is unread, and every call says that it is closed", function()
    local udp, port = bound()
    udp:send("x", HOST, port)
    udp:send("y", HOST, port)
    udp:recv()
    poll()
    udp:close()
    assert.equal(0, udp:stats().unread)
    fails("ECANCELED", udp:recv())
    fails("ECANCELED", udp:send("x", HOST, port))
    fails("ECANCELED", udp:send(("x"):rep(70000)))
    fails("ECANCELED", udp:bind(HOST, 0))
    fails("ECANCELED", udp:connect(HOST, 9))
    fails("ECANCELED", udp:disconnect())
    fails("ECANCELED", udp:sockname())
    fails("ECANCELED", udp:peername())
    fails("ECANCELED", udp:fileno())
    fails("ECANCELED", udp:set_ttl(1))
    fails("ECANCELED", udp:set_broadcast(true))
    fails("ECANCELED", udp:join("239.255.7.9"))
    fails("ECANCELED", udp:leave("239.255.7.9"))
  end)
end)

describe("a cancel", function()
  it("leaves recv at once, and the datagram to the next", function()
    local udp, port = bound()
    local task = receiver(udp)
    task:cancel("why")
    assert.equal("why", raises(tide.CancelledError, task.await, task).reason)
    udp:send("x", HOST, port)
    assert.equal("x", (udp:recv()))
  end)

  it("5: of a recv that was woken comes too late: it returns", function()
    local udp, port = bound()
    local got
    local task = tide.task(function()
      got = udp:recv()
      sleep(0)
    end)
    sleep(0)
    udp:send("mine", HOST, port)
    repeat sleep(0) until udp:stats().received > 0
    task:cancel()
    raises(tide.CancelledError, task.await, task)
    assert.equal("mine", got)
  end)

  it("62: is seen by recv and send that need not wait, which do nothing", function()
    local udp, port = bound()
    udp:send("kept", HOST, port)
    for _, call in ipairs { function() udp:recv() end, function() udp:send("x", HOST, port) end } do
      local task = tide.task(function()
        tide.current_task():cancel()
        call()
      end)
      raises(tide.CancelledError, task.await, task)
    end
    assert.equal("kept", (udp:recv()))
    assert.equal(1, udp:stats().sent)
  end)
end)

describe("a finaliser", function()
  it("may receive or close at any place: nothing comes twice", function()
    for i = 1, 100 do
      local udp, port = bound()
      local over, got = false, {}
      local function receive()
        local data = udp:recv()
        got[#got + 1] = data and data:sub(1, 1)
      end
      for n = 1, 4 do udp:send(("%d"):format(n):rep(200 + i), HOST, port) end
      receive() -- the others are there, too: nobody waits from here on
      support.when_collected(function()
        if not over then
          pcall(receive)
          if i % 2 == 0 then udp:close() end
        end
      end)
      for _ = 1, i % 50 do
        local _ = {}
      end
      receive()
      receive()
      over = true
      assert.is_true(#got >= 3 or udp:is_closing())
      table.sort(got)
      for n = 2, #got do assert.is_true(got[n - 1] < got[n]) end
      udp:close()
      udps.forget_all()
    end
  end)
end)

describe("awaiting", function()
  it("gives up a turn now and then, sending, receiving and failing", function()
    for _, what in ipairs { "send", "fail", "recv" } do
      local udp, port = bound()
      local others, rounds, going = 0, 0, true
      local other = tide.task(function()
        while going do
          others = others + 1
          sleep(0)
        end
      end)
      for _ = 1, 300 do
        rounds = rounds + 1
        if what == "fail" then
          fails("EMSGSIZE", udp:send(("x"):rep(70000), HOST, port))
        else
          assert.is_true(udp:send("x", HOST, port))
          if what == "recv" then udp:recv() end
        end
      end
      going = false
      other:await()
      assert.is_true(others >= 2, what)
      udp:close()
    end
  end)
end)

describe("a Udp that is garbage", function()
  it("is closed, unless a task waits for it", function()
    local port, task
    do
      local udp
      udp, port = bound()
      udps.forget()
      task = receiver(udp)
    end
    support.collect()
    sleep(0)
    local sender = new()
    sender:send("x", HOST, port)
    assert.equal("x", (task:await()))
    task = nil -- luacheck: ignore 311
    support.collect()
    sleep(0)
    support.collect()
    assert.is_true(sender:bind(HOST, 0) ~= false)
    local again = new()
    assert.is_true(again:bind(HOST, port))
  end)

  it("has no datagrams left to free, read or not", function()
    for _ = 1, 3 do
      local udp, port = bound()
      udps.forget()
      for _ = 1, 5 do udp:send("x", HOST, port) end
      udp:recv()
      poll()
    end
    support.collect()
    sleep(0)
  end)
end)
