--- Standard input and output: looked at, and waited for. Who has started this
-- may be at a terminal, of which nothing is read, and sees nothing of it.

local stdio = require "tide.stdio"
local tide = require "tide"

return function(load)
  load:worker(function()
    load:nap()
    assert(stdio.stdout:write "")
    assert(stdio.stderr:stats().unsent == 0, "it is not sent")
  end, 1)

  load:worker(function()
    load:nap()
    if not stdio.stdin:is_terminal() then
      tide.move_on_after(0.001, stdio.stdin.read, stdio.stdin, 1)
    end
  end, 1)
end
