-- Signals, with a cancel at every await.
local core = require "tide.core"
local signal = require "tide.signal"
local tide = require "tide"
local explored = require "spec.support".explored

require("tide.busted").configure { task = false }

local pcall, sleep = tide.pcall, tide.sleep

describe("under explore, a signal", function()
  local sent, seen

  --- Until the last one, or a cancel.
  local function count(signals)
    repeat
      local name = signals()
      seen[#seen + 1] = name
    until name == "SIGUSR2"
  end

  explored("that comes while it is listened to is seen once, by whoever is left", function()
    sent, seen = {}, {}
    local signals = signal.iter("SIGUSR1", "SIGUSR2")
    return tide.finally(function()
      tide.group(function(group)
        group:task(count, signals)
        group:task(function()
          for _, name in ipairs { "SIGUSR1", "SIGUSR2" } do
            sleep(0)
            core.send_signal(name)
            sent[#sent + 1] = name
            sleep(0.001)
          end
        end)
      end)
    end, function()
      while #seen < #sent do -- those that nobody has taken are there yet
        seen[#seen + 1] = signals()
      end
      signals:close()
    end)
  end, function(outcome, where)
    assert.same(sent, seen, where)
    if not outcome.hit then
      assert.equal(2, #seen, where)
    end
  end)

  explored("ends all waits for it, and nothing is left of those that were cancelled", function()
    local kept = signal.iter "SIGUSR1" -- who is cancelled leaves it to nobody else
    return tide.finally(function()
      local tasks = {}
      for i = 1, 3 do
        tasks[i] = tide.task(function()
          local name = signal.wait "SIGUSR1"
          sleep(0)
          return name
        end)
      end
      sleep(0)
      sleep(0)
      core.send_signal "SIGUSR1"
      for i = 1, 3 do
        pcall(tasks[i].await, tasks[i])
      end
    end, function()
      core.send_signal "SIGUSR1"
      kept()
      kept:close()
    end)
  end)
end)
