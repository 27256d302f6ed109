-- park, with a cancel at every await.
local tide = require "tide"
local survives = require "spec.support".survives

require("tide.busted").configure { task = false }

local pcall = tide.pcall

describe("under explore,", function()
  survives("park without abort", { "woken" }, function(run)
    return run:guarded(function()
      local handle
      return tide.finally(function()
        run.log[1] = tide.park(function(wake)
          handle = tide.loop():call_later(1, function() wake("woken") end)
        end)
        tide.sleep(0)
        return "done"
      end, function() return handle and handle:cancel() end)
    end)
  end)

  for _, abortable in ipairs { true, false } do
    survives("park with an abort that " .. (abortable and "succeeds" or "fails"), { "woken" },
      function(run)
        local aborts, woken, handle = 0, nil, nil
        local function park()
          return tide.park(function(wake)
            run.begun = run.begun + 1
            handle = tide.loop():call_later(1, function()
              woken = wake("woken")
              run.ended = run.ended + 1
            end)
            return function()
              aborts = aborts + 1
              if not abortable then
                return false
              end
              handle:cancel()
              run.ended = run.ended + 1
            end
          end)
        end
        local ok, result = pcall(park)
        assert.is_true(aborts <= 1)
        if not ok then
          assert.is_true(run.begun == 0 or (abortable and aborts == 1), "aborted without abort")
          error(result, 0)
        end
        assert.is_true(woken)
        run.log[1] = result
        tide.sleep(0)
        return "done"
      end)
  end

  survives("a hand-over through park", {}, function(run)
    local given, taken, wake = 0, 0, nil
    local producer = tide.task(function()
      for _ = 1, 3 do
        tide.sleep(1)
        if wake and wake("item") then
          given = given + 1
        end
      end
    end)
    run.begun = 1
    return tide.finally(function()
      for _ = 1, 3 do
        assert.equal("item", tide.park(function(w)
          wake = w
          return function() end
        end))
        taken = taken + 1
      end
      producer:await()
      return "done"
    end, function()
      producer:cancel()
      pcall(producer.await, producer)
      assert.equal(given, taken) -- what was given was delivered
      run.ended = 1
    end)
  end)

  survives("park under a deadline, aborted late, woken in time,", { false, "woken", "late" },
    function(run)
      local loop, aborted = tide.loop(), false
      --- Woken after `seconds`; an abort counts only if it may.
      local function park(seconds, abortable)
        return tide.park(function(wake)
          local handle = loop:call_later(seconds, wake, abortable and "woken" or "late")
          return function()
            aborted = true
            return abortable and handle:cancel()
          end
        end)
      end
      return run:guarded(function()
        run.log[1] = tide.move_on_after(1, park, 2, true)
        assert(aborted)
        run.log[2] = select(2, tide.move_on_after(2, park, 1, true))
        run.log[3] = select(2, tide.move_on_after(1, park, 2, false))
        tide.sleep(0)
        return "done"
      end)
    end)
end)
