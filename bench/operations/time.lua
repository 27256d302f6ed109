--- Sleeps, timers, turns.

local operations = require "bench.operations"
local tide = require "tide"

local real, virtual = operations.real, operations.virtual
local spawn, await_all, nothing = operations.spawn, operations.await_all, operations.nothing
local cancel_from_middle = operations.cancel_from_middle

virtual["sleepers, distinct deadlines"] = function(n)
  local function body()
    tide.sleep(math.random() * 60)
  end
  return function() await_all(spawn(n, body)) end
end

real["timers, cancelled"] = function(n)
  return function()
    local loop, handles = tide.loop(), {}
    for i = 1, n do
      handles[i] = loop:call_later(60 + math.random(), nothing)
    end
    cancel_from_middle(handles)
  end
end

virtual["timers, called"] = function(n)
  return function()
    local loop = tide.loop()
    for _ = 1, n do
      loop:call_later(math.random() * 60, nothing)
    end
    tide.sleep(61)
  end
end

real["call_soon"] = function(n)
  return function()
    local loop = tide.loop()
    for _ = 1, n do
      loop:call_soon(nothing)
    end
    tide.sleep(0)
  end
end

real["next_tick"] = function(n)
  return function() await_all(spawn(n, tide.next_tick)) end
end
