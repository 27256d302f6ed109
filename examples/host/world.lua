-- What the scripts know of each other. A reload leaves it as it is: `require`
-- runs it once.
local tide = require "tide"

return {
  alarm = tide.event(), -- set: all guards to the gate
  gate = tide.queue(), -- the guards that are there
  market = tide.queue(8), -- apples; who has more than eight waits
  sold = 0,
  torches = 0, -- lit by goblins
  letters = tide.queue(), -- from the network's thread
}
