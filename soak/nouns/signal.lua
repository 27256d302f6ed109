--- Signals: each is seen by all who listen. SIGWINCH does nothing by itself.

local tide = require "tide"
local core = require "tide.core"
local signal = require "tide.signal"

return function(load)
  load:worker(function()
    tide.with(signal.iter "SIGWINCH", function(signals)
      load:nap()
      core.send_signal "SIGWINCH"
      assert(signals() == "SIGWINCH", "it did not come")
    end)
  end)
  load:worker(function()
    tide.move_on_after(0.01, signal.wait, "SIGWINCH", "SIGURG")
  end)
end
