--- Groups and scopes, side by side and one in the other.

local operations = require "bench.operations"
local tide = require "tide"

local real, virtual = operations.real, operations.virtual
local spawn, await_all, nothing = operations.spawn, operations.await_all, operations.nothing
local one, fail = operations.one, operations.fail

real["group"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:task(one)
      end
    end)
  end
end

real["group, cancelled"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:task(tide.sleep, 60)
      end
      tide.sleep(0)
      g:cancel()
    end)
  end
end

real["group, all fail"] = function(n)
  return function()
    tide.pcall(tide.group, function(g)
      for _ = 1, n do
        g:task(fail)
      end
    end)
  end
end

real["group, started"] = function(n)
  return function()
    tide.group(function(g)
      for _ = 1, n do
        g:start(function(started) started() end)
      end
    end)
  end
end

local function nest(depth, innermost)
  tide.group(function(g)
    if depth == 1 then
      return innermost()
    end
    g:task(nest, depth - 1, innermost)
  end)
end

real["groups, one in the other"] = function(n)
  return function() tide.task(nest, n, nothing):await() end
end

real["groups nested, cancelled"] = function(n)
  local deep = tide.event()
  local task = tide.task(nest, n, function()
    deep:set()
    tide.sleep(60)
  end)
  deep:wait()
  return function()
    task:cancel()
    tide.wait { task }
  end
end

real["scopes of one task"] = function(n)
  return function()
    for _ = 1, n do
      tide.scope(nothing)
    end
  end
end

--- In functions there is no room for so many; but for `<close>` they are objects.
local function open_scopes(n, cancel)
  local scopes, err = {}, nil
  for i = 1, n do
    scopes[i] = tide.scope { deadline = tide.loop():time() + 60 + math.random() }
  end
  if cancel then
    scopes[1]:cancel()
    err = select(2, tide.pcall(tide.sleep, 0))
  end
  local close = getmetatable(scopes[1]).__close
  for i = n, 1, -1 do
    local ok, raised = pcall(close, scopes[i], err)
    err = not ok and raised or err
  end
end

if _VERSION >= "Lua 5.4" then
  real["scopes, one in the other"] = function(n)
    return function() open_scopes(n) end
  end

  real["scopes nested, cancelled"] = function(n)
    return function() open_scopes(n, true) end
  end
end

real["timeouts, in time"] = function(n)
  local function body()
    tide.timeout(60 + math.random(), tide.sleep, 0)
  end
  return function() await_all(spawn(n, body)) end
end

virtual["timeouts, too late"] = function(n)
  local function body()
    tide.move_on_after(math.random() * 60, tide.sleep, 3600)
  end
  return function() await_all(spawn(n, body)) end
end
