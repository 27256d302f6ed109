--- Futures.

local tide = require "tide"
local task_noun = require "nouns.task"

local await, outcome = task_noun.await.await, task_noun.await.outcome

local function make(g, op)
  op.object = g:object("future")
end

--- A future that a cancelled awaiter ends is seen to be cancelled at once.
local function set(how, value)
  return function(m, _, op, k)
    local future = m.objects[op.object]
    if future.how == "cancelled" then
      return k(true, false)
    elseif future.ended then
      return k(false, { class = "InvalidStateError" })
    end
    m:settle(future, how, value(op))
    return k(true, true)
  end
end

return {
  objects = {
    future = {
      real = function() return tide.future() end,
      model = function(m) return m.awaitable { is_future = true } end,
      real_state = function(future)
        if future:done() and not future:cancelled() then
          future:exception()
        end
        return tostring(future)
      end,
      model_state = function(future)
        local words = { ok = "finished", failed = "failed", cancelled = "cancelled" }
        return ("Future<%s>"):format(words[future.how] or "pending")
      end,
    },
  },

  future_await = {
    weight = 4,
    make = make,
    real = function(run, op)
      return run.objects[op.object]:await()
    end,
    model = function(m, task, op, k)
      return await(m, task, m.objects[op.object], true, k)
    end,
  },
  future_watch = {
    weight = 1,
    make = make,
    real = function(run, op)
      return tide.shield(run.objects[op.object])
    end,
    model = function(m, task, op, k)
      return await(m, task, m.objects[op.object], false, k)
    end,
  },
  set_result = {
    weight = 2,
    bounded = true,
    make = make,
    real = function(run, op)
      return tostring(run.objects[op.object]:set_result(op.id))
    end,
    model = set("ok", function(op) return op.id end),
  },
  set_exception = {
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      return tostring(run.objects[op.object]:set_exception({ text = "error " .. op.id }))
    end,
    model = set("failed", function(op) return { class = "error " .. op.id } end),
  },
  future_cancel = {
    weight = 1,
    bounded = true,
    make = function(g, op)
      make(g, op)
      op.reason = g:chance(0.5) and "r" .. op.id or nil
    end,
    real = function(run, op)
      return tostring(run.objects[op.object]:cancel(op.reason))
    end,
    model = function(m, _, op, k)
      local future = m.objects[op.object]
      if future.ended then
        return k(true, false)
      end
      m:settle(future, "cancelled", { class = "CancelledError", reason = op.reason })
      return k(true, true)
    end,
  },
  future_result = {
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      return run.objects[op.object]:result()
    end,
    model = function(m, _, op, k)
      local future = m.objects[op.object]
      if not future.ended then
        return k(false, { class = "InvalidStateError" })
      end
      return outcome(future, k)
    end,
  },
}
