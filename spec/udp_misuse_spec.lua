-- Datagrams, asked for what cannot be.
local net = require "tide.net"
local tide = require "tide"
local support = require "spec.support"
local udps = require "spec.udp_support"

require("tide.busted").configure { clock = "virtual" }

local misuse = support.misuse
local pcall, sleep = tide.pcall, tide.sleep
local new, bound, receiver = udps.new, udps.bound, udps.receiver

local HOST = udps.HOST

udps.keep(before_each, after_each)

describe("a Udp is misused at the caller's line:", function()
  it("a method on something else", function()
    local methods = getmetatable(new()).__index
    local others = { 5, "x", {}, false, io.stdout, tide.event(), tide.current_task() }
    for name, method in pairs(methods) do
      for _, other in ipairs(others) do
        misuse("'Udp:" .. name .. "'.*Udp expected", function() method(other) end)
      end
      misuse("Udp:" .. name, function() method() end)
    end
  end)

  it("options", function()
    misuse("#1 to 'tide.net.udp' %(table expected, got string%)", function() net.udp("x") end)
    misuse("'limit' to 'tide.net.udp'", function() net.udp { limit = 0 } end)
    misuse("'limit' to 'tide.net.udp'", function() net.udp { limit = "much" } end)
    misuse("'family' to 'tide.net.udp' %('inet' or", function() net.udp { family = "x" } end)
    misuse("'family' to 'tide.net.udp'", function() net.udp { family = 4 } end)
  end)

  it("hosts and ports", function()
    local udp = bound()
    for _, name in ipairs { "bind", "connect" } do
      local method = udp[name]
      local to = " to 'Udp:" .. name .. "' %("
      misuse("#1" .. to .. "a host in numbers", function() method(udp, "localhost", 1) end)
      misuse("#1" .. to .. "a host in numbers", function() method(udp, "127.0.0.1\0", 1) end)
      misuse("#1" .. to .. "host expected", function() method(udp, {}, 1) end)
      misuse("#1" .. to .. "host expected", function() method(udp) end)
      misuse("#2" .. to .. "port expected", function() method(udp, HOST) end)
      misuse("#2" .. to .. "a port is", function() method(udp, HOST, 65536) end)
    end
    misuse("#1 to 'Udp:send' %(string expected, got nil%)", function() udp:send(nil) end)
    misuse("#2 to 'Udp:send' %(a host in numbers", function() udp:send("x", "localhost", 1) end)
    misuse("#3 to 'Udp:send' %(port expected", function() udp:send("x", HOST) end)
    misuse("#2 to 'Udp:send' %(host expected", function() udp:send("x", nil, 1) end)
  end)

  it("settings", function()
    local udp = bound()
    misuse("#1 to 'Udp:set_broadcast' %(boolean", function() udp:set_broadcast() end)
    misuse("#1 to 'Udp:set_ttl' %(number", function() udp:set_ttl("x") end)
    misuse("#1 to 'Udp:set_ttl' %(whole number from 1", function() udp:set_ttl(0) end)
    misuse("#1 to 'Udp:set_ttl' %(1 to 255", function() udp:set_ttl(256) end)
    misuse("#1 to 'Udp:join' %(group expected", function() udp:join() end)
    misuse("#1 to 'Udp:join' %(an address in numbers", function() udp:join("all") end)
    misuse("#2 to 'Udp:leave' %(interface expected", function() udp:leave("239.1.1.1", 5) end)
    misuse("#2 to 'Udp:leave' %(an address in numbers", function() udp:leave("239.1.1.1", "lo") end)
  end)

  it("recv where nothing can come, and by two at once", function()
    local udp = new()
    misuse("'Udp:recv' before bind, connect or send", function() udp:recv() end)
    udp:bind(HOST, 0)
    local task = receiver(udp)
    misuse("'Udp:recv': another task receives", function() udp:recv() end)
    task:cancel()
    sleep(0)
    local again = receiver(udp)
    assert.is_false(again:done())
    again:cancel()
  end)

  it("in a callback and in a plain coroutine", function()
    local udp, port = bound()
    local err
    tide.loop():call_soon(function()
      err = select(2, pcall(function() udp:send("x", HOST, port) end))
    end)
    sleep(1)
    assert.matches("udp_misuse_spec.lua:%d+: 'Udp:send' cannot wait in a callback", err)
    misuse("cannot wait in a plain coroutine", coroutine.wrap(function() udp:recv() end))
    assert.equal(0, udp:stats().sent)
  end)

  it("recv where it cannot wait leaves no trace", function()
    local udp, port = bound()
    local ok, err = pcall(function()
      table.sort({ 1, 2, 3 }, function() udp:recv() end)
    end)
    assert.is_false(ok)
    assert.matches("Udp:recv", err)
    udp:send("x", HOST, port)
    assert.equal("x", (udp:recv()))
  end)

  it("88: after its loop was closed", { task = false }, function()
    local old = bound()
    udps.forget_all()
    tide.loop():close()
    local function each()
      for name, method in pairs(getmetatable(old).__index) do
        if name ~= "close" and name ~= "is_closing" then
          misuse("the loop is closed", function() method(old) end)
        end
      end
    end
    each()
    tide.run(each)
    assert.is_true(old:is_closing())
    old:close()
  end)

  it("88: closed while a task waits, one was woken and some is unread", { task = false }, function()
    local log = {}
    local a = bound()
    local b, port = bound()
    tide.task(function() log[#log + 1] = a:recv() end)
    tide.task(function() log[#log + 1] = b:recv() end)
    tide.task(function()
      a:send("x", HOST, port)
      a:send("y", HOST, port)
      tide.loop():call_soon(function() end)
    end)
    while b:stats().received < 2 do tide.loop():step(0) end
    tide.loop():close()
    udps.forget_all()
    a = setmetatable({ a, b }, { __mode = "v" })
    b = nil -- luacheck: ignore 311
    support.collect()
    assert.is_nil(a[1])
    assert.is_nil(a[2])
    assert.same({}, log)
  end)
end)
