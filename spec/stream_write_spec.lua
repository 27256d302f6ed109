local tide = require "tide"
local support = require "spec.support"
local streams = require "spec.stream_support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises
local elapsed = support.elapsed
local pair, stuffed = streams.pair, streams.stuffed
local sleep = tide.sleep

local EOF = pack(nil, "end of stream", "EOF")
local CLOSED = pack(nil, "it is closed", "ECANCELED")
local BROKEN = pack(nil, "broken pipe", "EPIPE")

describe("Stream:write", function()
  streams.close_after_each(after_each)

  it("takes strings, numbers and lists of them, in order", function()
    local a, b = pair()
    assert.same(pack(true), pack(a:write("a", 1, { "b", 2, {} and "c" }, "", {}, 2.5, { "d" })))
    a:shutdown()
    assert.equal("a1b2c2.5d", b:read(-1))
    assert.equal("12", ("1" .. 2)) -- numbers are as `..` has them
  end)

  it("of nothing is true", function()
    local a = pair()
    assert.same(pack(true), pack(a:write()))
    assert.same(pack(true), pack(a:write("", {}, { "" })))
    assert.equal(0, a:stats().unsent)
  end)

  it("takes long lists and many arguments", function()
    local a, b = pair { high_water = 1e6 }
    local list, args = {}, {}
    for i = 1, 1000 do
      list[i] = i % 3 == 0 and tostring(i) or i
      args[i] = i % 3 == 0 and list[i] or i
    end
    local unpack = table.unpack or unpack
    a:write(list, unpack(args, 1, 700))
    a:shutdown()
    assert.equal(table.concat(list) .. table.concat(args, "", 1, 700), b:read(-1))
  end)

  it("changes neither list nor numbers", function()
    local a = pair()
    local list = { 1, "2" }
    a:write(list)
    assert.same({ 1, "2" }, list)
    assert.equal("number", type(list[1]))
  end)

  it("refuses all of it for one wrong piece, before anything goes out", function()
    local a, b = pair()
    misuse("bad argument #2 to 'Stream:write'", function() a:write("x", nil, "y") end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write({ "x", true }) end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write({ { "x" } }) end)
    misuse("bad argument #1 to 'Stream:write'", function() a:write(print) end)
    a:close()
    assert.equal("", b:read(-1))
  end)

  it("of a list that a finaliser changes meanwhile has what was in it", function()
    local pause, stepmul = collectgarbage("setpause", 1), collectgarbage("setstepmul", 10000)
    for _ = 1, 5 do
      local a, b = pair { limit = 1e6, high_water = 1e6 }
      local list, armed, changed = {}, false, false
      for i = 1, 250 do list[i] = i <= 5 and ("x%d"):format(i):rep(1000) or i + 0.123456789 end
      local all = table.concat(list)
      for _ = 1, 3 do
        support.when_collected(function()
          changed = changed or armed
          for i = 1, changed and 5 or 0 do list[i] = "y" end
          collectgarbage()
        end)
      end
      armed = true
      a:write(list)
      armed = false
      a:close()
      local got = b:read(-1)
      assert.is_true(got == all or got:sub(1, 1) == "y" and changed)
      b:close()
    end
    collectgarbage("setpause", pause)
    collectgarbage("setstepmul", stepmul)
  end)

  it("waits while more than the high-water mark is unsent", function()
    local a, b = stuffed { high_water = 3 }
    assert.equal(0, elapsed(a.write, a, "abc"))
    tide.task(function() sleep(2) b:readexactly(3) end)
    assert.equal(2, elapsed(a.write, a, "d"))
    assert.equal("abcd", b:readexactly(4))
  end)

  it("of several tasks is whole each, and in their order", function()
    local a, b = pair { high_water = 1, limit = 4 }
    local texts = {}
    for i = 1, 5 do
      texts[i] = ("%d"):format(i):rep(20)
      tide.task(a.write, a, { texts[i]:sub(1, 10), texts[i]:sub(11) })
    end
    sleep(0)
    assert.equal(table.concat(texts), b:readexactly(100))
  end)

  it("cancelled while it waits has queued its bytes all the same", function()
    local a, b = stuffed { high_water = 1 }
    assert.is_false(tide.move_on_after(1, a.write, a, "abc"))
    assert.is_false(tide.move_on_after(1, a.write, a, "def"))
    assert.equal("###abcdef", b:readexactly(9))
    assert.is_true(a:drain())
  end)

  it("in a cancelled scope queues nothing", function()
    local a, b = pair()
    local task = tide.task(function()
      tide.current_task():cancel()
      a:write("x")
    end)
    tide.wait { task }
    assert.is_true(task:cancelled())
    a:shutdown()
    assert.equal("", b:read(-1))
  end)

  it("148: after close, and after shutdown, is told each time", function()
    local a, b = pair()
    assert.is_true(a:write("abc"))
    a:shutdown()
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:write("x")))
    assert.is_true(a:drain())
    assert.equal("abc", b:read(-1))
    a:close()
    assert.same(CLOSED, pack(a:write("x")))
    assert.same(CLOSED, pack(a:write("x")))
    assert.same(CLOSED, pack(a:write("")))
    assert.same(CLOSED, pack(a:drain()))
    assert.same(CLOSED, pack(a:shutdown()))
  end)

  it("to a peer that was closed fails, at first and later", function()
    local a, b = pair()
    b:close()
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:write("x")))
    assert.same(BROKEN, pack(a:drain()))
    assert.same(EOF, pack(a:read()))
  end)

  it("148: after close says so, also where it has failed before", function()
    local a, b = stuffed { high_water = 1 }
    local writer = tide.task(function() return pack(a:write("abc")) end)
    sleep(0)
    b:close()
    assert.same(BROKEN, writer:await())
    assert.same(BROKEN, pack(a:write("x")))
    a:close()
    assert.same(CLOSED, pack(a:write("x")))
    assert.same(CLOSED, pack(a:drain()))
    assert.same(CLOSED, pack(a:shutdown()))
  end)

  it("that waits returns true when another task shuts down meanwhile", function()
    local a, b = stuffed { high_water = 1 }
    local writer = tide.task(a.write, a, "abc")
    local ender = tide.task(a.shutdown, a)
    sleep(0)
    assert.same(BROKEN, pack(a:write("x")))
    assert.is_false(writer:done() or ender:done())
    assert.equal("###abc", b:read(-1))
    assert.is_true(writer:await())
    assert.is_true(ender:await())
  end)

  it("that waits is woken by close, of either end", function()
    for i = 1, 2 do
      local ends = { stuffed { high_water = 1 } }
      local writer = tide.task(function() return pack(ends[1]:write("abc")) end)
      sleep(0)
      ends[i]:close()
      assert.same(i == 1 and CLOSED or BROKEN, writer:await())
    end
  end)

  it("is a cancel point, and gives up its turn now and then", function()
    local a, b = pair { high_water = 1e6 }
    local turns = 0
    local other = tide.task(function()
      while true do
        turns = turns + 1
        sleep(0)
      end
    end)
    for _ = 1, 300 do a:write("x") end
    b:close()
    for _ = 1, 300 do a:write("x") end
    other:cancel()
    assert.is_true(turns >= 4)
  end)
end)

describe("Stream:drain and shutdown", function()
  streams.close_after_each(after_each)

  it("wait until all is sent", function()
    local a, b = stuffed()
    assert.equal(0, elapsed(a.drain, a))
    a:write("abc")
    tide.task(function() sleep(2) b:read() end)
    assert.equal(2, elapsed(function() assert.same(pack(true), pack(a:drain())) end))
  end)

  it("shutdown tells the end after what is unsent, again is fine", function()
    local a, b = stuffed()
    a:write("abc")
    local reader = tide.task(function() sleep(2) return b:read(-1) end)
    assert.equal(2, elapsed(function() assert.same(pack(true), pack(a:shutdown())) end))
    assert.is_true(a:shutdown())
    assert.equal("###abc", reader:await())
    assert.is_false(a:is_closing())
  end)

  it("cancelled, a shutdown is on its way all the same", function()
    local a, b = stuffed()
    a:write("abc")
    assert.is_false(tide.move_on_after(1, a.shutdown, a))
    assert.same(BROKEN, pack(a:write("x")))
    assert.equal("###abc", b:read(-1))
    assert.is_true(a:shutdown())
  end)

  it("146: drain after the peer is gone returns its error and does not wait", function()
    local a, b = stuffed()
    a:write("abc")
    b:close()
    for _ = 1, 2 do
      assert.equal(0, elapsed(function() assert.same(BROKEN, pack(a:drain())) end))
    end
  end)

  it("147: ten that drain at once are all woken, also by an end", function()
    for i = 1, 3 do
      local a, b = stuffed()
      a:write("abc")
      local tasks = {}
      for n = 1, 10 do
        tasks[n] = tide.task(function() return pack(a:drain()) end)
      end
      sleep(0)
      if i == 1 then b:read() elseif i == 2 then b:close() else a:close() end
      for n = 1, 10 do
        assert.same(({ pack(true), BROKEN, CLOSED })[i], tasks[n]:await())
      end
      a:close()
      b:close()
    end
  end)

  it("woken and then cancelled, drain raises", function()
    local a, b = stuffed()
    a:write("abc")
    local task = tide.task(a.drain, a)
    sleep(0)
    assert.equal("###", b:read())
    task:cancel()
    raises(tide.CancelledError, task.await, task)
  end)
end)
