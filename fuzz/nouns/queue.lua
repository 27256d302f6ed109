--- Queues: first in first out, last in first out, by priority.

local tide = require "tide"

local SHUT = { class = "QueueShutDown" }

-- An item that is promised to a getter is `reserved`: that there is one. Which it
-- is is settled when the getter runs, by what is in the queue then. A place that
-- is promised to a putter of a priority queue is one of `places`; in other queues
-- its item is put in for it at once.

local function size(queue)
  return #queue.items - queue.reserved
end

local function has_place(queue)
  return size(queue) + queue.places < queue.max
end

local function is_full(queue)
  return #queue.putters > 0 or not has_place(queue)
end

local function add(queue, op)
  local items, place = queue.items, #queue.items + 1
  if queue.kind == "priority_queue" then
    while place > 1 and items[place - 1].priority > op.priority do
      place = place - 1
    end
  end
  table.insert(items, place, op)
end

--- An item is in: the first getter's, if there is one.
local function fill(m, queue, op)
  add(queue, op)
  queue.unfinished = queue.unfinished + 1
  if queue.getters[1] then
    queue.reserved = queue.reserved + 1
    m:wake(table.remove(queue.getters, 1))
  end
end

local function admit(m, queue)
  if not queue.putters[1] or not has_place(queue) then
    return
  end
  local task = table.remove(queue.putters, 1)
  m:wake(task)
  if queue.kind == "priority_queue" then
    queue.places = queue.places + 1
  else
    fill(m, queue, task.putting)
  end
end

local function take(m, queue)
  local last = queue.kind == "lifo_queue" and #queue.items or 1
  local item = table.remove(queue.items, last)
  queue.reserved = queue.reserved - 1
  admit(m, queue)
  return item.id
end

local function finish(m, queue, n)
  queue.unfinished = math.max(queue.unfinished - n, 0)
  if queue.unfinished == 0 then
    m:wake_all(queue.joiners)
  end
end

local function shut_down(m, queue, immediate)
  queue.shut = true
  if immediate and not queue.dropped then
    local n = size(queue)
    queue.dropped = true
    for _ = 1, n do
      table.remove(queue.items)
    end
    finish(m, queue, n)
  end
  m:wake_all(queue.getters, "refused")
  m:wake_all(queue.putters, "refused")
end

--- Woken by the shutdown, then cancelled: it was given nothing.
local function refused(m, task, k, ...)
  if m.culprit(task.scope) then
    return k(false, m:delivery(task))
  end
  return k(...)
end

local function put(m, task, queue, op, k)
  return m:checkpoint(task, k, function()
    if not queue.shut and not is_full(queue) then
      fill(m, queue, op)
      return k(true)
    elseif queue.shut then
      return k(false, { class = SHUT.class })
    end
    task.putting = op
    return m:queue_up(task, queue.putters, function(status)
      if status == "refused" then
        return refused(m, task, k, false, { class = SHUT.class })
      elseif status == "woken" and queue.kind == "priority_queue" then
        queue.places = queue.places - 1
        if queue.shut then
          return k(false, { class = SHUT.class })
        end
        fill(m, queue, op)
      end
      return m:granted(task, status, k)
    end)
  end)
end

local function get(m, task, queue, k)
  return m:checkpoint(task, k, function()
    if size(queue) > 0 then
      queue.reserved = queue.reserved + 1
      return k(true, take(m, queue))
    elseif queue.shut then
      return k(true, "nil shutdown")
    end
    return m:queue_up(task, queue.getters, function(status)
      if status == "refused" then
        return refused(m, task, k, true, "nil shutdown")
      elseif status == "cancelled" then
        return k(false, m:delivery(task))
      end
      return k(true, take(m, queue))
    end)
  end)
end

local function either(value, message)
  return value == nil and "nil " .. message or tostring(value)
end

local function make(g, op)
  op.object = g:object("queue", function(object)
    object.kind = g:pick { "queue", "queue", "lifo_queue", "priority_queue" }
    object.n = g:pick { 0, 1, 1, 2, 3 }
  end)
end

local function make_put(g, op)
  make(g, op)
  if g.objects[op.object].kind == "priority_queue" then
    op.priority = g:int(1, 4)
  end
end

return {
  objects = {
    queue = {
      real = function(object) return tide[object.kind](object.n) end,
      model = function(_, object)
        return {
          kind = object.kind, max = object.n > 0 and object.n or math.huge,
          items = {}, reserved = 0, places = 0, unfinished = 0,
          getters = {}, putters = {}, joiners = {},
        }
      end,
      real_state = function(queue)
        return ("%d %s"):format(queue:qsize(), tostring(queue:full()))
      end,
      model_state = function(queue)
        return ("%d %s"):format(size(queue), tostring(is_full(queue)))
      end,
    },
  },

  put = {
    weight = 4,
    make = make_put,
    real = function(run, op)
      run.objects[op.object]:put(op.id, op.priority)
    end,
    model = function(m, task, op, k)
      return put(m, task, m.objects[op.object], op, k)
    end,
  },
  get = {
    weight = 4,
    make = make,
    real = function(run, op)
      return either(run.objects[op.object]:get())
    end,
    model = function(m, task, op, k)
      return get(m, task, m.objects[op.object], k)
    end,
  },
  put_nowait = {
    weight = 1,
    bounded = true,
    make = make_put,
    real = function(run, op)
      return either(run.objects[op.object]:put_nowait(op.id, op.priority))
    end,
    model = function(m, _, op, k)
      local queue = m.objects[op.object]
      if queue.shut then
        return k(true, "nil shutdown")
      elseif is_full(queue) then
        return k(true, "nil full")
      end
      fill(m, queue, op)
      return k(true, true)
    end,
  },
  get_nowait = {
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      return either(run.objects[op.object]:get_nowait())
    end,
    model = function(m, _, op, k)
      local queue = m.objects[op.object]
      if size(queue) == 0 then
        return k(true, queue.shut and "nil shutdown" or "nil empty")
      end
      queue.reserved = queue.reserved + 1
      return k(true, take(m, queue))
    end,
  },
  task_done = {
    misuses = true,
    weight = 1,
    bounded = true,
    make = make,
    real = function(run, op)
      run.objects[op.object]:task_done()
    end,
    model = function(m, _, op, k)
      local queue = m.objects[op.object]
      if queue.unfinished == 0 then
        return k(false, m.misuse())
      end
      finish(m, queue, 1)
      return k(true)
    end,
  },
  join = {
    weight = 1,
    make = make,
    real = function(run, op)
      run.objects[op.object]:join()
    end,
    model = function(m, task, op, k)
      local queue = m.objects[op.object]
      return m:checkpoint(task, k, function()
        if queue.unfinished == 0 then
          return k(true)
        end
        return m:queue_up(task, queue.joiners, function(status)
          return m:passed(task, status, k)
        end)
      end)
    end,
  },
  shutdown = {
    weight = 0.7,
    bounded = true,
    make = function(g, op)
      make(g, op)
      op.immediate = g:chance(0.4)
    end,
    real = function(run, op)
      run.objects[op.object]:shutdown(op.immediate)
    end,
    model = function(m, _, op, k)
      shut_down(m, m.objects[op.object], op.immediate)
      return k(true)
    end,
  },
}
