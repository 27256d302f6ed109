-- Datagrams, with a cancel at every await.
local net = require "tide.net"
local tide = require "tide"
local explored = require("spec.support").explored

require("tide.busted").configure { task = false }

local pcall = tide.pcall

local HOST = "127.0.0.1"
local COUNT = 4

describe("under explore,", function()
  local sent, got, errors

  --- Receives until the last datagram is there or it is cancelled.
  local function receive(udp)
    while true do
      local data = udp:recv()
      if not data then
        errors = errors + 1
        return
      end
      got[#got + 1] = data
      if data == tostring(COUNT) then
        return
      end
    end
  end

  local function send(udp, port)
    for i = 1, COUNT do
      assert(udp:send(tostring(i), HOST, port))
      sent = i
      tide.sleep(0)
    end
  end

  --- What nobody has taken is there yet.
  local function drain(udp)
    while #got < sent do
      got[#got + 1] = assert(udp:recv())
    end
  end

  explored("each datagram is received once, by whoever is left", function()
    sent, got, errors = 0, {}, 0
    local a, b = assert(net.udp()), assert(net.udp())
    assert(a:bind(HOST, 0))
    local _, port = a:sockname()
    return tide.finally(function()
      tide.group(function(group)
        group:task(receive, a)
        group:task(send, b, port)
      end)
      return "done"
    end, function()
      pcall(drain, a)
      a:close()
      b:close()
      tide.sleep(0)
    end)
  end, function(outcome, where)
    assert.equal(0, errors, where)
    for i, data in ipairs(got) do
      assert.equal(tostring(i), data, where)
    end
    -- a send that was cancelled may have been the last of its task
    assert.is_true(#got >= sent, where)
    if not outcome.hit then
      assert.equal(COUNT, #got, where)
    end
  end)

  explored("close wakes who receives, whenever it comes", function()
    errors, got = 0, {}
    local a, b = assert(net.udp()), assert(net.udp())
    assert(a:bind(HOST, 0))
    local _, port = a:sockname()
    return tide.finally(function()
      tide.group(function(group)
        group:task(receive, a)
        group:task(function()
          tide.sleep(0)
          b:send("1", HOST, port)
          tide.sleep(0)
          a:close()
        end)
      end)
    end, function()
      a:close()
      b:close()
      tide.sleep(0)
    end)
  end, function(outcome, where)
    if not outcome.hit then
      assert.equal(1, errors, where)
    end
  end)
end)
