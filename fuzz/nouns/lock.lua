--- Locks, and conditions on locks of their own.

local tide = require "tide"

local BROKEN = "BrokenLockError"

local function new_lock()
  return { waiters = {}, conditions = {} }
end

--- The locks of a task for which others wait, the last to change first: in that
-- order they break when it ends.
local function track(m, lock)
  if lock.tracked then
    m.remove(lock.tracked.locks, lock)
    lock.tracked = nil
  end
  if lock.owner and (#lock.waiters > 0 or #lock.conditions > 0) then
    table.insert(lock.owner.locks, 1, lock)
    lock.tracked = lock.owner
  end
end

local function release(m, lock)
  lock.owner = table.remove(lock.waiters, 1)
  if lock.owner then
    m:wake(lock.owner)
  end
  track(m, lock)
end

local function is_broken(lock)
  return lock.owner and lock.owner.ended
end

local function unqueue(m, task, lock)
  m.remove(lock.waiters, task)
  track(m, lock)
end

local function break_locks(m, task)
  while task.locks[1] do
    local lock = task.locks[1]
    while lock.conditions[1] do
      local condition = table.remove(lock.conditions, 1)
      m:wake_all(condition.waiters)
    end
    while lock.waiters[1] do
      local waiter = table.remove(lock.waiters, 1)
      m:wake(waiter, not waiter.in_condition and "refused" or nil)
    end
    track(m, lock)
  end
end

--- How a wait for the lock ends.
local function acquired(m, task, lock, status, k, value)
  if status == "cancelled" then
    return k(false, m:delivery(task))
  elseif lock.owner ~= task and is_broken(lock) then
    return k(false, { class = BROKEN })
  end
  return k(true, value)
end

local function acquire(m, task, lock, k)
  if lock.owner == task then
    return k(false, m.misuse())
  end
  return m:checkpoint(task, k, function()
    if lock.owner == nil then
      lock.owner = task
      track(m, lock)
      return k(true)
    elseif is_broken(lock) then
      return k(false, { class = BROKEN })
    end
    lock.waiters[#lock.waiters + 1] = task
    track(m, lock)
    return m:park(task, function()
      unqueue(m, task, lock)
      return true
    end, function(status)
      return acquired(m, task, lock, status, k)
    end)
  end)
end

--- nil, or the error of who is not the owner.
local function check_owner(m, task, lock)
  if lock.owner == task then
    return nil
  end
  return is_broken(lock) and { class = BROKEN } or m.misuse()
end

local function with(m, task, lock, op, k)
  return acquire(m, task, lock, function(ok, err)
    if not ok then
      return k(false, err)
    end
    return m:body(task, op.body, function(done, other)
      local wrong = check_owner(m, task, lock)
      if not wrong then
        release(m, lock)
      elseif done then
        return k(false, wrong)
      end
      if done then
        return k(true, op.id)
      end
      return k(false, other)
    end)
  end)
end

-- ---- conditions

--- In the list of the lock while tasks wait in it: the last to come first.
local function track_condition(m, condition)
  local lock = condition.lock
  local listed = lock.conditions[1] ~= nil
  if listed == (#condition.waiters > 0) then
    return
  elseif listed then
    lock.conditions[1] = nil
  else
    lock.conditions[1] = condition
  end
  track(m, lock)
end

--- From the condition's list to the end of the lock's.
local function queue_for_lock(m, task, lock)
  lock.waiters[#lock.waiters + 1] = task
  if lock.owner == nil then
    release(m, lock)
  else
    track(m, lock)
  end
end

local function notify(m, condition, n)
  while n > 0 and condition.waiters[1] do
    local task = table.remove(condition.waiters, 1)
    track_condition(m, condition)
    task.in_condition = "notified"
    queue_for_lock(m, task, condition.lock)
    n = n - 1
  end
end

--- A cancelled waiter leaves the condition, and stays for the lock.
local function abort_wait(m, task, condition)
  local lock = condition.lock
  task.leaving = true
  task.stays_for = function() return { lock.owner } end
  if task.in_condition == "waiting" then
    m.remove(condition.waiters, task)
    track_condition(m, condition)
    task.in_condition = "leaving"
    queue_for_lock(m, task, lock)
  end
  return false
end

local function wait(m, task, condition, k)
  local wrong = check_owner(m, task, condition.lock)
  if wrong then
    return k(false, wrong)
  end
  return m:checkpoint(task, k, function()
    condition.waiters[#condition.waiters + 1] = task
    m:park(task, function()
      return abort_wait(m, task, condition)
    end, function(status)
      local left = task.in_condition == "leaving"
      task.in_condition = nil
      return acquired(m, task, condition.lock, status, function(ok, value)
        if ok and left then
          return k(false, m:delivery(task))
        end
        return k(ok, value)
      end, true)
    end)
    task.in_condition = "waiting"
    track_condition(m, condition)
    release(m, condition.lock)
  end)
end

-- ---- operations

local function a_lock(g, op)
  op.object = g:object("lock")
end

local function a_condition(g, op)
  op.object = g.condition or g:object("condition")
end

local function lock_text(noun, lock, waiters)
  local state = is_broken(lock) and "broken" or lock.owner and "locked" or "unlocked"
  return ("%s %s %d"):format(noun, state, #waiters)
end

--- Without the name of the owner.
local function real_text(lock)
  local text = tostring(lock)
  local noun, state = text:match("^(%a+)<(%a+)")
  return ("%s %s %s"):format(noun, state, text:match("(%d+) waiting") or 0)
end

return {
  on_start = function(m)
    m.break_locks = break_locks
  end,

  objects = {
    lock = {
      real = function() return tide.lock() end,
      model = new_lock,
      real_state = real_text,
      model_state = function(lock) return lock_text("Lock", lock, lock.waiters) end,
    },
    condition = {
      real = function() return tide.condition() end,
      model = function() return { lock = new_lock(), waiters = {} } end,
      real_state = real_text,
      model_state = function(condition)
        return lock_text("Condition", condition.lock, condition.waiters)
      end,
    },
  },

  lock_acquire = {
    misuses = true,
    weight = 2,
    make = a_lock,
    real = function(run, op)
      run.objects[op.object]:acquire()
    end,
    model = function(m, task, op, k)
      return acquire(m, task, m.objects[op.object], k)
    end,
  },
  lock_acquire_nowait = {
    misuses = true,
    weight = 1,
    bounded = true,
    make = a_lock,
    real = function(run, op)
      return tostring(run.objects[op.object]:acquire_nowait())
    end,
    model = function(m, task, op, k)
      local lock = m.objects[op.object]
      if lock.owner == task then
        return k(false, m.misuse())
      elseif lock.owner == nil then
        lock.owner = task
        return k(true, true)
      elseif is_broken(lock) then
        return k(false, { class = BROKEN })
      end
      return k(true, nil)
    end,
  },
  lock_release = {
    misuses = true,
    weight = 2,
    bounded = true,
    make = a_lock,
    real = function(run, op)
      run.objects[op.object]:release()
    end,
    model = function(m, task, op, k)
      local lock = m.objects[op.object]
      local wrong = check_owner(m, task, lock)
      if wrong then
        return k(false, wrong)
      end
      release(m, lock)
      return k(true)
    end,
  },
  with_lock = {
    misuses = true,
    weight = 3,
    make = function(g, op)
      a_lock(g, op)
      op.body = g:body(op)
    end,
    real = function(run, op)
      return run.objects[op.object]:with(run.body, run, op)
    end,
    model = function(m, task, op, k)
      return with(m, task, m.objects[op.object], op, k)
    end,
  },

  -- In it nothing waits for the end of a task: with one that stays for this lock
  -- that would be a ring.
  with_condition = {
    misuses = true,
    weight = 5,
    make = function(g, op)
      a_condition(g, op)
      op.body = g:body(op, { condition = op.object })
    end,
    real = function(run, op)
      return run.objects[op.object]:with(run.body, run, op)
    end,
    model = function(m, task, op, k)
      return with(m, task, m.objects[op.object].lock, op, k)
    end,
  },
  condition_wait = {
    conditional = true,
    misuses = true,
    weight = 4,
    make = a_condition,
    real = function(run, op)
      return tostring(run.objects[op.object]:wait())
    end,
    model = function(m, task, op, k)
      return wait(m, task, m.objects[op.object], k)
    end,
  },
  notify = {
    conditional = true,
    misuses = true,
    weight = 3,
    bounded = true,
    make = function(g, op)
      a_condition(g, op)
      op.n = g:pick { 0, 1, 1, 2, 100 }
    end,
    real = function(run, op)
      run.objects[op.object]:notify(op.n)
    end,
    model = function(m, task, op, k)
      local condition = m.objects[op.object]
      local wrong = check_owner(m, task, condition.lock)
      if wrong then
        return k(false, wrong)
      end
      notify(m, condition, op.n)
      return k(true)
    end,
  },
}
