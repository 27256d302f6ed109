--- Vars, generators, coroutines, callbacks.

local operations = require "bench.operations"
local tide = require "tide"

local real = operations.real
local spawn, await_all = operations.spawn, operations.await_all

real["vars set in one task"] = function(n)
  return function()
    for _ = 1, n do
      tide.var():set(1)
    end
  end
end

real["a var set in each task"] = function(n)
  local var = tide.var()
  return function() await_all(spawn(n, function() var:set(1) end)) end
end

real["generator"] = function(n)
  return function()
    local iterate = tide.generator(function(yield)
      for i = 1, n do
        yield(i)
      end
    end)
    while iterate() do end -- luacheck: ignore 542
  end
end

real["coroutines that await"] = function(n)
  return function()
    await_all(spawn(n, function() tide.coroutine.wrap(function() tide.sleep(0) end)() end))
  end
end

real["from_callback"] = function(n)
  local call = tide.from_callback(function(f) f(nil, 1) end)
  return function() await_all(spawn(n, call)) end
end
