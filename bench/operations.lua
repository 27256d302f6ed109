--- The operations whose growth is measured, defined in bench/operations, and what
-- they are made of. An operation prepares and returns the function that is
-- measured.

local tide = require "tide"

local operations = {}

function operations.nothing() end
function operations.one() return 1 end
function operations.fail() error("failed", 0) end

function operations.spawn(n, fn, ...)
  local tasks = {}
  for i = 1, n do
    tasks[i] = tide.task(fn, ...)
  end
  return tasks
end

--- N tasks that run up to where they wait.
function operations.waiting(n, fn, ...)
  local tasks = operations.spawn(n, fn, ...)
  tide.sleep(0)
  return tasks
end

function operations.await_all(tasks)
  for i = 1, #tasks do
    tasks[i]:await()
  end
end

--- The middle of the list first, its ends last.
function operations.cancel_from_middle(list)
  local middle = math.floor(#list / 2)
  for i = 1, middle do
    list[middle + i]:cancel()
    list[middle + 1 - i]:cancel()
  end
  if #list > 2 * middle then
    list[#list]:cancel()
  end
end

operations.names = {} -- in the order in which they are defined
operations.by_name = {}

--- A table whose fields become operations of a kind: a "real" one runs on the
-- real clock, a "virtual" one on one that jumps; of a "whole" one all of the run
-- is measured, not a function that it returns.
local function definer(kind)
  return setmetatable({}, { __newindex = function(_, name, prepare)
    table.insert(operations.names, name)
    operations.by_name[name] = { kind = kind, prepare = prepare }
  end })
end

operations.real = definer "real"
operations.virtual = definer "virtual"
operations.whole = definer "whole"

return operations
