--- Groups.

local tide = require "tide"
local body = require "nouns.task".await.body

local function is_plain_value(err)
  return err.text == true -- strings: equal ones of two tasks are two errors
end

--- What was awaited and raised again counts once.
local function add_error(group, err, of_body)
  local known = false
  for _, other in ipairs(group.errors) do
    known = known or other == err
  end
  if not known or not (of_body or not is_plain_value(err)) then
    group.errors[#group.errors + 1] = err
  end
end

local function wake_host(m, group)
  if group.host and #group.pending == 0 then
    local host = group.host
    group.host = nil
    m:wake(host)
  end
end

local function on_child_end(m, link, how)
  local group = link.group
  m.remove(group.pending, link)
  if how == "failed" then
    m:cancel_scope(group.scope)
  elseif how == "cancelled" and m.culprit(group.scope) then
    group.cancelled = true
  end
  wake_host(m, group)
end

local function fail(m, group, err)
  if err.class ~= "CancelledError" then
    add_error(group, err, true)
  elseif err.reason ~= nil and not group.scope.cancelled then
    group.scope.reason = err.reason
  end
  m:cancel_scope(group.scope)
end

--- Until all tasks have ended, those too that come meanwhile; at least a turn.
-- No cancel cuts it short.
local function join(m, task, group, k)
  local function go()
    if #group.pending > 0 then
      return join(m, task, group, k)
    end
    return k()
  end
  if #group.pending == 0 then
    return m:give_turn(task, go)
  end
  group.host = task
  m:park(task, function() return false end, go)
  task.edge = true
  task.stays_for = function()
    local list = {}
    for i, link in ipairs(group.pending) do
      list[i] = link.target
    end
    return list
  end
end

local function unite(errors)
  if #errors == 1 then
    return errors[1]
  end
  return { class = "ErrorGroup", errors = errors }
end

local function leave(m, task, op, group, ok, err, k)
  local own = not ok and m:is_caught(group.scope, err)
  m:close_scope(task)
  if #group.errors > 0 then
    return k(false, unite(group.errors))
  elseif group.cancelled and m.culprit(task.scope) and (own or ok) then
    return k(false, m:delivery(task))
  elseif not ok and not own then
    return k(false, err)
  end
  return k(true, ok and op.id or nil)
end

--- Operations on a group that may not be open yet, or not any more.
local function on_group(real, model)
  return function(run, op)
    local group = run.groups[op.to]
    return group and tostring((real(run, op, group))) or "none"
  end, function(m, _, op, k)
    local group = m.groups[op.to]
    if group == nil then
      return k(true, "none")
    end
    return model(m, op, k, group)
  end
end

local spawn_real, spawn_model = on_group(function(run, op, group)
  run:spawned(op, group:task(run.task_body, run, op))
  return "spawned"
end, function(m, op, k, group)
  if group.scope.closed then
    return k(false, m.misuse())
  end
  m:spawn(op.id, body(m, op), group)
  return k(true, "spawned")
end)

local cancel_real, cancel_model = on_group(function(_, op, group)
  return group:cancel(op.reason)
end, function(m, op, k, group)
  if group.scope.closed then
    return k(true, false)
  end
  if op.reason ~= nil and not group.scope.cancelled then
    group.scope.reason = op.reason
  end
  m:cancel_scope(group.scope)
  return k(true, true)
end)

local function make_spawn(g, op)
  op.to_group = true
  op.spawns = true
  op.body = g:body(op)
end

return {
  on_start = function(m)
    m.on_child_end, m.tell_group = on_child_end, function(_, group, err)
      add_error(group, err, false)
    end
    m.groups = {}
  end,

  group = {
    weight = 3,
    plain = false,
    make = function(g, op)
      op.scope, op.group = true, true
      op.body = g:body(op)
    end,
    real = function(run, op)
      return tide.group(function(group)
        run.groups[op.id] = group
        return run:scope_body(op)
      end)
    end,
    model = function(m, task, op, k)
      local group = { pending = {}, errors = {} }
      group.scope = m:open_scope(task, { group = group })
      m.groups[op.id], m.scope_of[op.id] = group, group.scope
      return m:body(task, op.body, function(ok, err)
        if not ok then
          fail(m, group, err)
        end
        return join(m, task, group, function()
          return leave(m, task, op, group, ok, err, k)
        end)
      end)
    end,
  },

  -- A younger task's group, or one that it is in itself: so who waits for whom
  -- is never a ring.
  group_task = {
    misuses = true,
    weight = 4,
    bounded = true,
    plain = false,
    make = make_spawn,
    real = spawn_real,
    model = spawn_model,
  },
  group_cancel = {
    weight = 1,
    bounded = true,
    make = function(g, op)
      op.to_group = true
      op.reason = g:chance(0.5) and "r" .. op.id or nil
    end,
    real = cancel_real,
    model = cancel_model,
  },
}
