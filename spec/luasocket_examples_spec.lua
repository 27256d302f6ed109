-- examples/bridges, talked to.
local tide = require "tide"
local luasocket_support = require "spec.luasocket_support"

require("tide.busted").configure { timeout = 20 }

if not luasocket_support.there("socket", "examples/bridges", describe, pending) then
  return
end

local HOST, listen = luasocket_support.HOST, luasocket_support.listen

luasocket_support.keep(after_each)

describe("examples/bridges/http.lua", function()
  local http = dofile "examples/bridges/http.lua"

  it("gets all pages at once, and tells of those that do not come", function()
    local server, port = listen()
    local gone, free = listen()
    gone:close()
    local answering = luasocket_support.answer_together(function() return server:accept() end, 2)
    local url = ("http://%s:%d/"):format(HOST, port)
    local dead = ("http://%s:%d/"):format(HOST, free)
    local lines = http.get_all { url .. "1", dead, url .. "22" }
    answering:await()
    assert.same({
      url .. "1: 200, 16 bytes",
      dead .. ": connection refused",
      url .. "22: 200, 17 bytes",
      n = 3,
    }, lines)
    assert.equal(0, #tide.all_tasks() - 1)
  end)
end)
