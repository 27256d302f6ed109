-- Each signal is taken once, or is still there. What nobody takes goes to `kept`,
-- which is open all the time: else it would end the test.
local tide = require "tide"
local core = require "tide.core"
local signal = require "tide.signal"

local kept, signals, seen, sent

local function send(name)
  assert(core.send_signal(name))
  sent = sent + 1
end

local function count()
  repeat
    local name = signals()
    seen = seen + 1
  until name == "SIGUSR2"
end

return {
  prepare = function()
    kept, seen, sent = signal.iter("SIGUSR1", "SIGUSR2"), 0, 0
  end,
  main = function()
    signals = signal.iter("SIGUSR1", "SIGUSR2")
    tide.group(function(group)
      group:task(count)
      tide.sleep(0)
      send "SIGUSR1"
      tide.sleep(0.1)
      send "SIGUSR2"
    end)
    assert(tostring(signals) == "Signals<SIGUSR1 SIGUSR2>")
    signals:close()
    tide.group(function(group)
      group:task(signal.wait, "SIGUSR1", "SIGUSR2")
      tide.sleep(0)
      send "SIGUSR2"
    end)
    tide.move_on_after(0.1, signal.wait, "SIGUSR1")
  end,
  before = function()
    tide.run(function()
      core.send_signal "SIGUSR1"
      assert(tide.move_on_after(0.1, kept))
      while tide.move_on_after(0.1, kept) do end
    end)
    kept:close()
    if signals then
      signals:close()
    end
  end,
  after = function(ok)
    assert(seen <= sent and (not ok or seen == 2))
  end,
}
