--- sleep, next_tick.

local tide = require "tide"

return {
  sleep = {
    weight = 6,
    bounded = true,
    make = function(g, op)
      op.ms = g:pick { 0, 0, 0, 1, 1, 1, 2, 2, 3, 5 }
    end,
    real = function(_, op)
      return tide.sleep(op.ms / 1000, "slept")
    end,
    model = function(m, task, op, k)
      return m:checkpoint(task, k, function()
        local function go(status)
          return m:passed(task, status, k, "slept")
        end
        if op.ms == 0 then
          return m:give_turn(task, go)
        end
        local timer = m:set_timer(m.now + op.ms, function() m:wake(task) end)
        return m:park(task, function()
          m:clear_timer(timer)
          return true
        end, go)
      end)
    end,
  },

  next_tick = {
    weight = 1,
    bounded = true,
    real = function()
      return tide.next_tick()
    end,
    model = function(m, task, _, k)
      return m:checkpoint(task, k, function()
        return m:queue_up(task, m.ticks, function(status)
          return m:passed(task, status, k)
        end)
      end)
    end,
  },
}
