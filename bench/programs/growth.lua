--- Operations that are done N times at once, to see what they cost when N grows.
--   lua bench/programs/growth.lua OPERATION N   prints nanoseconds for each
--   lua bench/programs/growth.lua list          prints the names
--   lua bench/programs/growth.lua all N         only does each once
-- Where N is small, it is done again and again for a tenth of a second.

local operations = require "bench.operations"
local testing = require "tide.testing"
local tide = require "tide"
require "bench.operations.tasks"
require "bench.operations.several"
require "bench.operations.scopes"
require "bench.operations.time"
require "bench.operations.waiters"
require "bench.operations.others"

--- Seconds that it takes once, with `n`.
local function once(op, n)
  local start
  local function begin()
    collectgarbage()
    start = os.clock()
  end
  local seconds
  local function body()
    if op.kind == "whole" then
      return op.prepare(n)
    end
    local measured = op.prepare(n)
    begin()
    measured()
    seconds = os.clock() - start
  end
  begin()
  if op.kind == "virtual" then
    testing.run(body)
  else
    tide.run(body)
  end
  return seconds or os.clock() - start
end

--- The mean of many times, but for the first, which is slow.
local function measure(op, n)
  local seconds, times = once(op, n), 1
  if seconds < 0.1 then
    seconds, times = 0, 0
    repeat
      seconds, times = seconds + once(op, n), times + 1
    until seconds > 0.1 or times == 100
  end
  return seconds / times / n * 1e9
end

if arg[1] == "list" then
  print(table.concat(operations.names, "\n"))
elseif arg[1] == "all" then
  for _, name in ipairs(operations.names) do
    once(operations.by_name[name], tonumber(arg[2]))
  end
else
  print(("%.1f"):format(measure(operations.by_name[arg[1]], tonumber(arg[2]))))
end
