--- Semaphores.

local tide = require "tide"

local function release(m, semaphore, n)
  local room = semaphore.bound and semaphore.bound - semaphore.value
  if room and n > room then
    return false
  end
  for _ = 1, n do
    if semaphore.waiters[1] then
      m:wake(table.remove(semaphore.waiters, 1))
    else
      semaphore.value = semaphore.value + 1
    end
  end
  return true
end

local function try(semaphore)
  local free = semaphore.value > 0 and #semaphore.waiters == 0
  if free then
    semaphore.value = semaphore.value - 1
  end
  return free
end

local function acquire(m, task, semaphore, k)
  return m:checkpoint(task, k, function()
    if try(semaphore) then
      return k(true)
    end
    return m:queue_up(task, semaphore.waiters, function(status)
      return m:granted(task, status, k)
    end)
  end)
end

local function make(g, op)
  op.object = g:object("semaphore", function(object)
    object.n, object.bounded = g:int(0, 2), g:chance(0.3)
  end)
end

return {
  objects = {
    semaphore = {
      real = function(object)
        return tide[object.bounded and "bounded_semaphore" or "semaphore"](object.n)
      end,
      model = function(_, object)
        return { value = object.n, bound = object.bounded and object.n, waiters = {} }
      end,
      real_state = tostring,
      model_state = function(semaphore)
        return ("Semaphore<value %d, %d waiting>"):format(semaphore.value, #semaphore.waiters)
      end,
    },
  },

  acquire = {
    weight = 3,
    make = make,
    real = function(run, op)
      run.objects[op.object]:acquire()
    end,
    model = function(m, task, op, k)
      return acquire(m, task, m.objects[op.object], k)
    end,
  },
  acquire_nowait = {
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      return tostring(run.objects[op.object]:acquire_nowait())
    end,
    model = function(m, _, op, k)
      return k(true, try(m.objects[op.object]) or nil)
    end,
  },
  release = {
    misuses = true,
    weight = 2,
    bounded = true,
    make = function(g, op)
      make(g, op)
      op.n = g:pick { 1, 1, 1, 2 }
    end,
    real = function(run, op)
      run.objects[op.object]:release(op.n)
    end,
    model = function(m, _, op, k)
      if release(m, m.objects[op.object], op.n) then
        return k(true)
      end
      return k(false, m.misuse())
    end,
  },
  with_permit = {
    misuses = true,
    weight = 3,
    make = function(g, op)
      make(g, op)
      op.body = g:body(op)
    end,
    real = function(run, op)
      return run.objects[op.object]:with(run.body, run, op)
    end,
    model = function(m, task, op, k)
      local semaphore = m.objects[op.object]
      return acquire(m, task, semaphore, function(ok, err)
        if not ok then
          return k(false, err)
        end
        return m:body(task, op.body, function(done, other)
          if not release(m, semaphore, 1) then
            return k(false, m.misuse())
          elseif done then
            return k(true, op.id)
          end
          return k(false, other)
        end)
      end)
    end,
  },
}
