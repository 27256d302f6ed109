--- Condition:with and wait_for: the parts of a condition that call functions.

local core = require "tide.core"
local hold = require "tide.hold"

core.own_chunk()

local Condition = core.Condition
local begin = Condition.wait_for -- the checks, and a cancel point

--- Acquires the lock, calls `fn(...)`, releases whatever happened; its results.
Condition.with = hold("Condition:with", core.check_condition)

--- Waits until `predicate()`, which is called with the lock held, gives a value
-- that is true: returns it.
function Condition:wait_for(predicate)
  begin(self, predicate)
  local value = predicate()
  while not value do
    self:wait()
    value = predicate()
  end
  return value
end

return { condition = core.condition }
