-- What tools/rock runs against an installed rock: enough to see that the C
-- module, the Lua modules and libuv have found each other.
local tide = require "tide"

local started = os.clock()
local result = tide.run(function(n)
  tide.sleep(0.01)
  return n + 1
end, 41)
assert(result == 42, "run gives the function's result")
assert(type(tide._VERSION) == "string", "_VERSION is a string")
assert(os.clock() - started < 1, "sleeping costs no CPU time")
