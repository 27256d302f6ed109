--- Objects that a finaliser asks when they were collected before it: Lua gives
-- them to it all the same.

require "tide.busted"

local fs = require "tide.fs"
local net = require "tide.net"
local process = require "tide.process"
local signal = require "tide.signal"
local support = require "spec.support"
local tide = require "tide"

local getmetatable = debug.getmetatable

local function connect()
  local server = assert(net.listen("127.0.0.1", 0))
  local stream = assert(net.connect(server:sockname()))
  server:close()
  return stream
end

local makers = {
  { "a File", function() return fs.open "README.md" end },
  { "a Stream", connect },
  { "a Server", function() return net.listen("127.0.0.1", 0) end },
  { "a Udp", net.udp },
  { "a Watch", function() return fs.watch "spec" end },
  { "Signals", function() return signal.iter "SIGUSR1" end },
  { "a Process", function()
    local child = process.spawn { "true" }
    child:wait()
    return child
  end },
}

local function methods_of(object)
  local mt = getmetatable(object)
  return mt.methods or mt.__index
end

--- Each with arguments that it may take for good ones.
local function ask_all(object)
  local asked = 0
  for _, method in pairs(methods_of(object)) do
    for _, args in ipairs { {}, { "x" }, { 1 }, { "127.0.0.1", 1 }, { "x", "127.0.0.1", 1 } } do
      pcall(method, object, (table.unpack or unpack)(args))
    end
    asked = asked + 1
  end
  return asked, tostring(object)
end

describe("a finaliser may ask for anything", function()
  for _, it_is in ipairs(makers) do
    local name, make = it_is[1], it_is[2]
    it(name .. " that was collected before it", function()
      local asked, text
      local function drop()
        local box = {}
        box.kept = support.when_collected(function() -- made first, so called last
          asked, text = ask_all(box.object)
        end)
        box.object = assert(make())
      end
      drop()
      for _ = 1, 3 do
        support.collect()
        tide.sleep(0)
      end
      assert.is_true(asked ~= nil and asked > 0, text)
    end)
  end
end)
