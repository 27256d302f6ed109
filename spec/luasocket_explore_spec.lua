-- Sockets of tide.luasocket, with a cancel at every await.
local tide = require "tide"
local support = require "spec.support"
local luasocket_support = require "spec.luasocket_support"

require("tide.busted").configure { task = false }

if not luasocket_support.there("socket", "tide.luasocket under explore", describe, pending) then
  return
end

local socket = require "tide.luasocket"
local HOST = luasocket_support.HOST
local SEEDS = support.few_seeds(30)
local pcall = tide.pcall

describe("under explore,", function()
  support.explored("what is received is what was sent, and nothing is left", function()
    local got = {}
    local server = assert(socket.bind(HOST, 0))
    local _, port = server:getsockname()
    local a, b
    return tide.finally(function()
      tide.group(function(group)
        group:task(function()
          b = assert(server:accept())
          got[1] = b:receive(3)
          got[2] = b:receive()
        end)
        a = assert(socket.connect(HOST, port))
        assert(a:send "1")
        tide.sleep(0)
        assert(a:send "23ab")
        tide.sleep(0)
        assert(a:send "c\r\n")
      end)
      return table.concat(got, " ")
    end, function()
      for _, it in ipairs { server, a or server, b or server } do it:close() end
    end)
  end, function(outcome, where)
    if not outcome.hit then
      assert.equal("123 abc", outcome[1], where)
    end
  end, SEEDS)

  support.explored("a request that is cancelled has closed its connection", function()
    local server = assert(socket.bind(HOST, 0))
    local _, port = server:getsockname()
    return tide.finally(function()
      tide.group(function(group)
        group:task(function()
          local conn = assert(server:accept())
          pcall(function() -- whatever becomes of it
            repeat local line = conn:receive() until line == "" or not line
            conn:send "HTTP/1.0 200 OK\r\n\r\nhello"
          end)
          conn:close()
        end)
        assert.equal("hello", socket.http.request(("http://%s:%d/"):format(HOST, port)))
      end)
      return "done"
    end, function()
      server:close()
    end)
  end, nil, SEEDS)

  support.explored("a select that is cancelled watches nothing", function()
    local a, b = luasocket_support.pair()
    return tide.finally(function()
      tide.group(function(group)
        group:task(socket.select, { a, b }, nil, 10)
        tide.sleep(0)
        assert(b:send "x")
      end)
    end, luasocket_support.close_all)
  end, nil, SEEDS)
end)
