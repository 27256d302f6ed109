--- Barriers.

local tide = require "tide"

local BROKEN = "BrokenBarrierError"

local function make(g, op)
  op.object = g:object("barrier", function(object)
    object.n = g:int(1, 3)
  end)
end

local function end_waits(m, barrier, broken)
  m:wake_all(barrier.waiters)
  barrier.broken = broken
end

--- The place is the task's own from the moment that it is let pass.
local function place(k, task)
  if task.place == nil then
    return k(false, { class = BROKEN })
  end
  return k(true, task.place)
end

return {
  objects = {
    barrier = {
      real = function(object) return tide.barrier(object.n) end,
      model = function(_, object) return { parties = object.n, waiters = {} } end,
      real_state = tostring,
      model_state = function(barrier)
        return ("Barrier<%s%d of %d waiting>"):format(barrier.broken and "broken, " or "",
          #barrier.waiters, barrier.parties)
      end,
    },
  },

  barrier_wait = {
    weight = 4,
    make = make,
    real = function(run, op)
      return run.objects[op.object]:wait()
    end,
    model = function(m, task, op, k)
      local barrier = m.objects[op.object]
      return m:checkpoint(task, k, function()
        task.place = nil
        if barrier.broken then
          return k(false, { class = BROKEN })
        elseif #barrier.waiters + 1 < barrier.parties then
          return m:queue_up(task, barrier.waiters, function(status)
            if status == "cancelled" then
              return k(false, m:delivery(task))
            end
            return place(k, task)
          end)
        end
        for i, waiter in ipairs(barrier.waiters) do
          waiter.place = i - 1
        end
        task.place = #barrier.waiters
        m:wake_all(barrier.waiters)
        return place(k, task)
      end)
    end,
  },
  barrier_reset = {
    weight = 0.5,
    bounded = true,
    make = make,
    real = function(run, op)
      run.objects[op.object]:reset()
    end,
    model = function(m, _, op, k)
      end_waits(m, m.objects[op.object], nil)
      return k(true)
    end,
  },
  barrier_abort = {
    weight = 0.5,
    bounded = true,
    make = make,
    real = function(run, op)
      run.objects[op.object]:abort()
    end,
    model = function(m, _, op, k)
      end_waits(m, m.objects[op.object], true)
      return k(true)
    end,
  },
}
