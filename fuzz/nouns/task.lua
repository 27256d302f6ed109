--- Tasks: spawn, await, shield, cancel, uncancel; errors.

local tide = require "tide"

--- What a function that has `op.body` does: its result is the operation's id.
local function body(m, op)
  return function(task, k)
    return m:body(task, op.body, function(ok, err)
      if ok then
        return k(true, op.id)
      end
      return k(false, err)
    end)
  end
end

--- The end of what was awaited.
local function outcome(target, k)
  target.seen = true
  if target.how == "ok" then
    return k(true, target.value)
  end
  return k(false, target.value)
end

local function await(m, task, target, counted, k)
  local list = counted and target.joined or target.watched
  local function abort()
    local last = false
    if counted and not task.leaving then
      target.awaiters = target.awaiters - 1
      last = target.awaiters == 0
    end
    if last and (target.is_future or not m:stays_for(target, task)) then
      task.leaving = true
      task.stays_for = function() return target.is_future and {} or { target } end
      m:cancel(target)
      return false
    end
    m.remove(list, task)
    return true
  end
  return m:checkpoint(task, k, function()
    if target.ended then
      return outcome(target, k)
    end
    if counted then
      target.awaiters = target.awaiters + 1
    end
    list[#list + 1] = task
    return m:park(task, abort, function(status)
      if task.leaving or status == "cancelled" then
        task.leaving = false
        return k(false, m:delivery(task))
      end
      return outcome(target, k)
    end)
  end)
end

--- Operations on a task that may not have been spawned yet.
local function on_task(real, model)
  return function(run, op)
    local task = run.tasks[op.to]
    return task and real(task, op, run) or "none"
  end, function(m, task, op, k)
    local target = m.task_of[op.to]
    if target == nil then
      return k(true, "none")
    end
    return model(m, task, op, k, target)
  end
end

local await_real, await_model = on_task(function(task)
  return task:await()
end, function(m, task, _, k, target)
  return await(m, task, target, true, k)
end)

local shield_real, shield_model = on_task(function(task)
  return tide.shield(task)
end, function(m, task, _, k, target)
  return await(m, task, target, false, k)
end)

--- Whether the error is a cancellation of a scope around the task.
local function is_own(task, err)
  local scope = task.scope
  while scope and scope ~= err.scope do
    scope = scope.parent
  end
  return scope ~= nil
end

--- At the deadline the task is cancelled, unless it is already, and awaited; a
-- value that it returns anyway wins.
local wait_for_real, wait_for_model = on_task(function(task, op)
  return tide.wait_for(task, op.ms / 1000)
end, function(m, task, op, k, target)
  if target.ended then
    return await(m, task, target, true, k)
  end
  local scope = m:open_scope(task, { deadline = m.now + op.ms })
  return await(m, task, target, true, function(ok, value)
    local own = not ok and m:is_caught(scope, value)
    m:close_scope(task)
    if not own then
      return k(ok, value)
    end
    if not target.ended and target.cancels == 0 then
      m:cancel(target)
      target.own.reason = nil
    end
    return await(m, task, target, true, function(done, late)
      if not done and late.class == "CancelledError" and target.how == "cancelled" and
        not is_own(task, late) then
        return k(false, { class = "TimeoutError" })
      end
      return k(done, late)
    end)
  end)
end)

--- In the turn after the end, in the order of adding.
local function on_done_real(run, op)
  local task = run.tasks[op.to]
  if task == nil then
    return "none"
  end
  task:add_done_callback(function(ended)
    run:record(op, "called, " .. tostring(ended:done()))
  end)
end

local _, on_done_model = on_task(nil, function(m, _, op, k, target)
  local function callback()
    m:record(op, "called, true")
  end
  if target.ended then
    m.calls[#m.calls + 1] = callback
  else
    target.callbacks[#target.callbacks + 1] = callback
  end
  return k(true)
end)

local cancel_real, cancel_model = on_task(function(task, op)
  return tostring(task:cancel(op.reason))
end, function(m, _, op, k, target)
  if target.ended then
    target.seen = true
    return k(true, false)
  end
  m:cancel(target)
  target.own.reason = op.reason
  return k(true, true)
end)

local uncancel_real, uncancel_model = on_task(function(task)
  return task:uncancel()
end, function(m, _, _, k, target)
  if target.ended or target.cancels == 0 then
    if not target.ended then
      target.own.reason = nil
    end
    return k(true, 0)
  end
  target.cancels = target.cancels - 1
  if target.cancels == 0 then
    target.self_cancel, target.own.cancelled, target.own.reason = false, false, nil
    m:changed(target.own)
  end
  return k(true, target.cancels)
end)

local ask_real, ask_model = on_task(function(task)
  return ("%s %s %d"):format(tostring(task:done()), tostring(task:cancelled()), task:cancelling())
end, function(_, _, _, k, target)
  return k(true, ("%s %s %d"):format(tostring(target.ended == true),
    tostring(target.how == "cancelled"), target.cancels))
end)

local function to_task(g, op)
  g:task(op)
end

return {
  spawn = {
    weight = 4,
    bounded = true,
    plain = false,
    make = function(g, op)
      op.spawns = true
      op.body = g:body(op)
    end,
    real = function(run, op)
      run:spawned(op, tide.task(run.task_body, run, op))
      return "spawned"
    end,
    model = function(m, _, op, k)
      m:spawn(op.id, body(m, op))
      return k(true, "spawned")
    end,
  },

  -- Only of younger tasks: those that await each other in a ring are a deadlock.
  await = {
    weight = 3,
    plain = false,
    make = function(_, op)
      op.younger = true
    end,
    real = await_real,
    model = await_model,
    await = await,
    outcome = outcome,
    body = body,
  },
  await_shielded = {
    weight = 1,
    plain = false,
    make = function(_, op)
      op.younger = true
    end,
    real = shield_real,
    model = shield_model,
  },

  wait_for = {
    weight = 1,
    plain = false,
    make = function(g, op)
      op.younger = true
      op.ms = g:pick { 0, 1, 1, 2, 3 }
    end,
    real = wait_for_real,
    model = wait_for_model,
  },

  on_done = {
    weight = 1,
    bounded = true,
    make = to_task,
    real = on_done_real,
    model = on_done_model,
  },

  cancel = {
    weight = 3,
    bounded = true,
    make = function(g, op)
      to_task(g, op)
      op.reason = g:chance(0.5) and "r" .. op.id or nil
    end,
    real = cancel_real,
    model = cancel_model,
  },
  uncancel = {
    weight = 0.5,
    bounded = true,
    make = to_task,
    real = uncancel_real,
    model = uncancel_model,
  },
  ask = {
    weight = 1,
    bounded = true,
    make = to_task,
    real = ask_real,
    model = ask_model,
  },

  raise = {
    weight = 2,
    bounded = true,
    make = function(g, op)
      op.text = g:chance(0.3)
    end,
    real = function(_, op)
      error(op.text and "error " .. op.id or { text = "error " .. op.id }, 0)
    end,
    model = function(_, _, op, k)
      return k(false, { class = "error " .. op.id, text = op.text })
    end,
  },

  pcall = {
    weight = 1,
    bounded = true,
    make = function(g, op)
      op.body = g:body(op)
    end,
    real = function(run, op)
      local ok, err = tide.pcall(run.body, run, op)
      return ok and err or run.describe(err)
    end,
    model = function(m, task, op, k)
      return body(m, op)(task, function(ok, err)
        return k(true, ok and err or m.describe(err))
      end)
    end,
  },
}
