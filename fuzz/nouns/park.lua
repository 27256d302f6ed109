--- park.

local tide = require "tide"

--- An abort function is called by the loop, in the next turn; those that are
-- there then, in the order of the cancels.
local function run_aborts(m)
  local aborts = m.aborts
  m.aborts = nil
  for _, parking in ipairs(aborts) do
    if not parking.done then
      m:record(parking.op, "abort")
      if parking.op.abort == "true" then
        parking.done = true
        m:wake(parking.task, "cancelled")
      end
    end
  end
end

local function abort(m, parking)
  if parking.op.abort == "nil" or parking.done then
    parking.done = true
    return true
  end
  if not m.aborts then
    m.aborts = {}
    m.calls[#m.calls + 1] = function() run_aborts(m) end
  end
  m.aborts[#m.aborts + 1] = parking
  return false
end

return {
  on_start = function(m)
    m.parkings = {}
  end,

  park = {
    weight = 3,
    make = function(g, op)
      op.parks = true
      op.abort = g:pick { "nil", "true", "false" }
      op.at_once = g:chance(0.1) or nil
    end,
    real = function(run, op)
      return tide.park(function(wake)
        run.wakes[op.id] = wake
        if op.at_once then
          wake("at once")
        end
        if op.abort ~= "nil" then
          return function()
            run:record(op, "abort")
            return op.abort == "true"
          end
        end
      end)
    end,
    model = function(m, task, op, k)
      return m:checkpoint(task, k, function()
        local parking = { op = op, task = task, done = op.at_once }
        m.parkings[op.id] = parking
        if op.at_once then
          task.self_cancel = false
          return k(true, "at once")
        end
        return m:park(task, function()
          return abort(m, parking)
        end, function(status)
          return m:granted(task, status, k, parking.value)
        end)
      end)
    end,
  },

  wake = {
    weight = 3,
    bounded = true,
    make = function(_, op)
      op.to_park = true
    end,
    real = function(run, op)
      local wake = run.wakes[op.to]
      return wake and tostring(wake(op.id)) or "none"
    end,
    model = function(m, _, op, k)
      local parking = m.parkings[op.to]
      if parking == nil then
        return k(true, "none")
      elseif parking.done then
        return k(true, false)
      end
      parking.done, parking.value = true, op.id
      m:wake(parking.task)
      return k(true, true)
    end,
  },
}
