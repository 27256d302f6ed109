--- Scopes: scope, timeout, move_on_after, shield, finally; and what is done to
-- them from elsewhere.

local tide = require "tide"

local TIMEOUT = { class = "TimeoutError" }

local function seconds(ms)
  return ms and ms / 1000
end

local function make(g, op)
  op.ms = g:pick { 0, 1, 1, 1, 2, 2, 3, 5 }
  op.scope = true
  op.body = g:body(op, { bounded = false })
end

--- Runs the body in a scope of the options; `leave(ok, value, own, scope)` tells
-- what comes of it, as k takes it. `own`: the error was the scope's.
local function in_scope(m, task, op, options, leave, k)
  local scope = m:open_scope(task, options)
  if op.id then -- others may know it
    m.scope_of[op.id] = scope
  end
  return m:body(task, options.body or op.body, function(ok, err)
    local own = not ok and m:is_caught(scope, err)
    m:close_scope(task)
    if ok then
      return k(leave(true, op.id, false, scope))
    elseif not own then
      return k(false, err)
    end
    return k(leave(false, err, true, scope))
  end)
end

local function scope_cancelled(scope)
  return false, { class = "ScopeCancelled", reason = scope.reason }
end

--- The results, or TimeoutError, or ScopeCancelled.
local function raised(ok, value, _, scope)
  if ok then
    return true, value
  elseif scope.expired then
    return false, { class = TIMEOUT.class }
  end
  return scope_cancelled(scope)
end

local function deadline(m, op)
  return op.ms and m.now + op.ms
end

--- Operations on a scope that may not be open yet, or not any more.
local function on_scope(real, model)
  return function(run, op)
    local scope = run.scopes[op.to]
    return scope and tostring((real(scope, op))) or "none"
  end, function(m, _, op, k)
    local scope = m.scope_of[op.to]
    if scope == nil then
      return k(true, "none")
    end
    return model(m, scope, op, k)
  end
end

local cancel_real, cancel_model = on_scope(function(scope, op)
  return scope:cancel(op.reason)
end, function(m, scope, op, k)
  if scope.closed then
    return k(true, false)
  end
  if not scope.cancelled and op.reason ~= nil then
    scope.reason = op.reason
  end
  m:cancel_scope(scope)
  return k(true, true)
end)

local move_real, move_model = on_scope(function(scope, op)
  return scope:reschedule(op.ms and tide.loop():time() + op.ms / 1000)
end, function(m, scope, op, k)
  if scope.closed or scope.cancelled then
    return k(false, { class = "InvalidStateError" })
  end
  m:set_deadline(scope, deadline(m, op))
  return k(true)
end)

local shield_real, shield_model = on_scope(function(scope, op)
  scope.shield = op.on
end, function(m, scope, op, k)
  if scope.closed then
    return k(false, { class = "InvalidStateError" })
  end
  scope.shield = op.on
  m:changed(scope)
  return k(true)
end)

local asked_real, asked_model = on_scope(function(scope)
  return ("%s %s"):format(tostring(scope:expired()), tostring(scope:cancel_called()))
end, function(_, scope, _, k)
  return k(true, ("%s %s"):format(tostring(scope.expired == true),
    tostring(scope.cancelled == true)))
end)

return {
  timeout = {
    weight = 2,
    bounded = true,
    make = make,
    real = function(run, op)
      return tide.timeout(seconds(op.ms), run.scope_body, run, op)
    end,
    model = function(m, task, op, k)
      return in_scope(m, task, op, { deadline = deadline(m, op) }, raised, k)
    end,
  },

  move_on_after = {
    weight = 2,
    bounded = true,
    make = make,
    real = function(run, op)
      local ok, value = tide.move_on_after(seconds(op.ms), run.scope_body, run, op)
      return ("%s %s"):format(tostring(ok), tostring(value))
    end,
    model = function(m, task, op, k)
      return in_scope(m, task, op, { deadline = deadline(m, op) }, function(ok, value)
        return true, ok and "true " .. value or "false nil"
      end, k)
    end,
  },

  scope = {
    weight = 2,
    bounded = true,
    make = function(g, op)
      make(g, op)
      if g.bounded == 0 and g:chance(0.5) then
        op.ms = nil
      end
      op.shield = g.bounded > 0 and g:chance(0.2) or nil
    end,
    real = function(run, op)
      local ok, value = tide.scope({
        deadline = op.ms and tide.loop():time() + op.ms / 1000,
        shield = op.shield,
      }, function()
        return run:scope_body(op)
      end)
      return ("%s %s"):format(tostring(ok), type(value) == "table" and run.describe(value) or
        tostring(value))
    end,
    model = function(m, task, op, k)
      local options = { deadline = deadline(m, op), shield = op.shield }
      return in_scope(m, task, op, options, function(ok, value, _, scope)
        if ok then
          return true, "true " .. value
        end
        local reason = scope.reason
        if reason == nil and scope.expired then
          reason = m.describe(TIMEOUT)
        end
        return true, "false " .. tostring(reason)
      end, k)
    end,
  },

  shield = {
    weight = 1,
    bounded = true,
    make = function(g, op)
      op.scope = true
      op.body = g:body(op, { bounded = true })
    end,
    real = function(run, op)
      return tide.shield(run.scope_body, run, op)
    end,
    model = function(m, task, op, k)
      return in_scope(m, task, op, { shield = true }, raised, k)
    end,
  },

  finally = {
    weight = 1,
    make = function(g, op)
      op.body = g:body(op)
      op.cleanup = g:body(op, { bounded = true })
    end,
    bounded = true,
    real = function(run, op)
      return tide.finally(function()
        return run:body(op)
      end, function()
        run:operations(op.cleanup)
      end)
    end,
    model = function(m, task, op, k)
      return m:body(task, op.body, function(ok, err)
        local options = { shield = true, body = op.cleanup }
        return in_scope(m, task, {}, options, raised, function(clean, other)
          if not clean then
            return k(false, other)
          elseif ok then
            return k(true, op.id)
          end
          return k(false, err)
        end)
      end)
    end,
  },

  cancel_scope = {
    weight = 2,
    bounded = true,
    make = function(g, op)
      op.to_scope = true
      op.reason = g:chance(0.5) and "r" .. op.id or nil
    end,
    real = cancel_real,
    model = cancel_model,
  },
  reschedule = {
    weight = 1,
    bounded = true,
    make = function(g, op)
      op.to_scope = true
      op.ms = g:pick { false, 0, 1, 2, 5 } or nil
    end,
    real = move_real,
    model = move_model,
  },
  set_shield = {
    weight = 0.5,
    bounded = true,
    make = function(g, op)
      op.to_scope = true
      op.on = g:chance(0.3)
    end,
    real = shield_real,
    model = shield_model,
  },
  ask_scope = {
    weight = 1,
    bounded = true,
    make = function(_, op)
      op.to_scope = true
    end,
    real = asked_real,
    model = asked_model,
  },

}
