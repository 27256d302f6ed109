--- Events.

local tide = require "tide"

local function make(g, op)
  op.object = g:object("event")
end

return {
  objects = {
    event = {
      real = function() return tide.event() end,
      model = function() return { waiters = {} } end,
      real_state = tostring,
      model_state = function(event) return ("Event<%s>"):format(event.set and "set" or "unset") end,
    },
  },

  event_wait = {
    weight = 3,
    make = make,
    real = function(run, op)
      return tostring(run.objects[op.object]:wait())
    end,
    model = function(m, task, op, k)
      local event = m.objects[op.object]
      return m:checkpoint(task, k, function()
        if event.set then
          return k(true, true)
        end
        return m:queue_up(task, event.waiters, function(status)
          return m:passed(task, status, k, true)
        end)
      end)
    end,
  },
  set = {
    weight = 2,
    bounded = true,
    make = make,
    real = function(run, op)
      run.objects[op.object]:set()
    end,
    model = function(m, _, op, k)
      local event = m.objects[op.object]
      event.set = true
      m:wake_all(event.waiters)
      return k(true)
    end,
  },
  clear = {
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      run.objects[op.object]:clear()
    end,
    model = function(m, _, op, k)
      m.objects[op.object].set = nil
      return k(true)
    end,
  },
}
