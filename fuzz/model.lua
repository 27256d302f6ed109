--- What a program may be seen to do: tide's rules, written plainly.
--
-- Tasks are records, not coroutines: what a task does next is a function,
-- `task.go`, which is called with how its wait ended. An operation gets the task
-- and `k`, to be called with true and a value, or with false and an error; it
-- calls it at once, or parks the task and calls it when that runs again. Time is
-- a whole number of milliseconds.
--
-- What only one noun needs is in nouns/; here are the turn, timers, scopes,
-- cancellation and the ends of tasks.

local unpack = table.unpack or unpack

local Model = {}
Model.__index = Model

-- ---- lists

function Model.remove(list, item)
  for i = 1, #list do
    if list[i] == item then
      return table.remove(list, i)
    end
  end
end

local function take_all(list)
  local all = {}
  for i = 1, #list do
    all[i], list[i] = list[i], nil
  end
  return all
end

-- ---- time

--- Ties fire in the order set.
function Model:set_timer(when, fire)
  local timers, timer = self.timers, { when = when, fire = fire }
  local place = #timers + 1
  while place > 1 and timers[place - 1].when > when do
    place = place - 1
  end
  table.insert(timers, place, timer)
  return timer
end

function Model:clear_timer(timer)
  if timer then
    Model.remove(self.timers, timer)
  end
end

--- Nothing is ready: time jumps to the first deadline.
function Model:jump()
  local timers = self.timers
  self.now = timers[1].when
  while timers[1] and timers[1].when <= self.now do
    table.remove(timers, 1).fire()
  end
end

-- ---- the turn

local function push(self, task)
  self.ready[#self.ready + 1] = task
end

--- Until `wake`. `abort(why)` is called at most once, when the task is
-- cancelled: it takes the task out of what it waits in and returns true, or
-- returns false: it stays, and will be woken.
function Model.park(_, task, abort, go)
  task.state, task.abort, task.go = "parked", abort, go
  task.aborted, task.leaving, task.self_cancel, task.edge = false, false, false, nil
  task.stays_for = nil
end

function Model:wake(task, status)
  if task.state == "parked" then
    task.state, task.status = "ready", status or "woken"
    push(self, task)
  end
end

--- Gives up one turn; a cancel does not shorten that.
function Model:give_turn(task, go)
  self:park(task, nil, go)
  task.state, task.status = "ready", "woken"
  push(self, task)
end

function Model:wake_all(list, status)
  for _, task in ipairs(take_all(list)) do
    self:wake(task, status)
  end
end

local function resume(self, task)
  local go = task.go
  task.state, self.current = "running", task
  go(task.status)
  self.current = nil
end

--- Callbacks first, then the tasks that were ready when the turn began; what
-- they wake runs in the next.
local function turn(self)
  self:wake_all(self.ticks)
  local batch, calls = self.ready, self.calls
  self.ready, self.calls = {}, {}
  if self.shuffle then
    self.shuffle(batch)
  end
  for _, call in ipairs(calls) do
    call()
  end
  for _, task in ipairs(batch) do
    resume(self, task)
  end
end

--- Until `done` says so, or nothing can happen any more.
function Model:run(done)
  while not done() do
    if #self.ready > 0 or #self.calls > 0 or #self.ticks > 0 then
      turn(self)
    elseif #self.timers > 0 then
      self:jump()
    else
      return
    end
  end
end

-- ---- scopes

--- The innermost scope around that is cancelled, with no shield between.
function Model.culprit(scope)
  while scope do
    if scope.cancelled then
      return scope
    elseif scope.shield then
      return nil
    end
    scope = scope.parent
  end
end

local culprit = Model.culprit

--- A task in whose scopes something was cancelled: its wait is aborted.
local function interrupt(self, task)
  if task.state == "parked" and not task.aborted and culprit(task.scope) then
    task.culprit, task.aborted = culprit(task.scope), true
    if task.abort("cancelled") then
      self:wake(task, "cancelled")
    end
  end
end

--- The groups that are open from `scope` inwards in its task, then the task.
local function interrupt_inside(self, scope, groups)
  local inside, at = {}, scope.task.scope
  while at ~= scope do
    table.insert(inside, 1, at)
    at = at.parent
  end
  table.insert(inside, 1, scope)
  for _, inner in ipairs(inside) do
    if inner.group then
      groups[#groups + 1] = inner.group
    end
  end
  interrupt(self, scope.task)
end

--- After a change of `scope`: its task is interrupted, then the tasks of the
-- groups inside it, of the innermost group first.
function Model:changed(scope)
  local groups = {}
  interrupt_inside(self, scope, groups)
  while #groups > 0 do
    local group = table.remove(groups)
    for _, link in ipairs({ unpack(group.pending) }) do
      if link.target.own then
        interrupt_inside(self, link.target.own, groups)
      end
    end
  end
end

function Model:cancel_scope(scope)
  if not scope.cancelled then
    scope.cancelled = true
    self:clear_timer(scope.timer)
    self:changed(scope)
  end
end

--- A deadline that is past cancels at once.
function Model:set_deadline(scope, when)
  self:clear_timer(scope.timer)
  scope.timer = nil
  if when == nil then
    return
  end
  local function expire()
    scope.expired = true
    self:cancel_scope(scope)
  end
  if when <= self.now then
    expire()
  else
    scope.timer = self:set_timer(when, expire)
  end
end

function Model:open_scope(task, options)
  local scope = { task = task, parent = task.scope, shield = options.shield, group = options.group }
  task.scope = scope
  if options.deadline then
    self:set_deadline(scope, options.deadline)
  end
  return scope
end

function Model:close_scope(task)
  local scope = task.scope
  self:clear_timer(scope.timer)
  scope.closed = true
  task.scope = scope.parent
end

--- Of an error that arrives at the edge of a scope: whether it is consumed there.
-- If a scope around is cancelled by then, it passes on as that one's.
function Model.is_caught(_, scope, err)
  if err.class ~= "CancelledError" or err.scope ~= scope then
    return false
  end
  local outer = not scope.shield and culprit(scope.parent)
  if outer then
    err.scope, err.reason = outer, outer.reason
    return false
  end
  return true
end

-- ---- cancellation

--- A new CancelledError for the task.
function Model.delivery(_, task)
  local scope = culprit(task.scope) or task.culprit
  task.self_cancel = false
  return { class = "CancelledError", scope = scope, reason = scope.reason }
end

--- Every await begins with this: in a cancelled scope it gives up its turn and
-- raises, else goes on.
function Model:checkpoint(task, k, go)
  task.culprit = culprit(task.scope) or task.culprit
  if not culprit(task.scope) then
    return go()
  end
  return self:give_turn(task, function()
    return k(false, self:delivery(task))
  end)
end

--- How an await ends that got something: woken, then cancelled, it returns.
function Model:granted(task, status, k, value)
  if status == "cancelled" then
    return k(false, self:delivery(task))
  end
  return k(true, value)
end

--- How one ends that got nothing: cancelled since, it raises.
function Model:passed(task, status, k, value)
  if status == "cancelled" or culprit(task.scope) then
    return k(false, self:delivery(task))
  end
  return k(true, value)
end

--- Parks in a FIFO list; a cancel leaves it.
function Model:queue_up(task, list, go)
  list[#list + 1] = task
  return self:park(task, function()
    Model.remove(list, task)
    return true
  end, go)
end

--- Task:cancel, or the cancel of a future on behalf of its last awaiter. What
-- that cancels in turn comes after, not inside.
function Model:cancel(target)
  if target.ended then
    return
  end
  if not target.is_future then
    target.cancels = target.cancels + 1
    target.self_cancel = target.self_cancel or target == self.current
  end
  if not target.cancelling then
    target.cancelling = true
    self.cancels[#self.cancels + 1] = target
  end
  self:cancel_queued()
end

function Model:cancel_queued()
  if self.holding then
    return
  end
  self.holding = true
  while self.cancels[1] do
    local target = self.cancels[1]
    if target.is_future then
      self:settle(target, "cancelled", { class = "CancelledError" })
    elseif target.own then
      self:cancel_scope(target.own)
    end
    target.cancelling = false
    table.remove(self.cancels, 1)
  end
  self.holding = false
end

-- ---- tasks

--- What can be awaited.
function Model.awaitable(fields)
  fields.joined, fields.watched, fields.links, fields.awaiters = {}, {}, {}, 0
  return fields
end

--- `body(task, k)` is what it does. id, group: nil if it has none.
function Model:spawn(id, body, group)
  local task = Model.awaitable { cancels = 0, locks = {}, callbacks = {}, state = "ready" }
  task.own = { task = task, parent = group and group.scope, is_own = true }
  task.scope = task.own
  if group then
    local link = { target = task, group = group }
    group.pending[#group.pending + 1] = link
    task.links[1], task.group = link, group
  end
  task.go = function()
    return body(task, function(ok, value)
      return self:end_task(task, ok, value)
    end)
  end
  if id then
    self:know(task, id)
  end
  push(self, task)
  return task
end

--- Others may refer to it by this id, from now on.
function Model:know(task, id)
  task.id = id
  self.tasks[#self.tasks + 1] = task
  self.task_of[id] = task
end

--- Tells who waits for the end of a task or future.
function Model:settle(target, how, value)
  if target.ended then
    return
  end
  target.ended, target.how, target.value = true, how, value
  self:wake_all(target.joined)
  self:wake_all(target.watched)
  while target.links[1] do
    local link = table.remove(target.links, 1)
    if link.counted then
      target.awaiters = target.awaiters - 1
    end
    if link.group then
      self.on_child_end(self, link, how)
    else
      self.on_link_end(self, link, how)
    end
  end
end

function Model:end_task(task, ok, value)
  if ok and task.self_cancel then
    ok, value = false, self:delivery(task)
  end
  local how = ok and "ok" or value.class == "CancelledError" and "cancelled" or "failed"
  task.state = "ended"
  for _, callback in ipairs(task.callbacks) do
    self.calls[#self.calls + 1] = callback
  end
  if how == "failed" and task.group then
    task.seen = true
    self.tell_group(self, task.group, value, false)
  end
  task.scope, task.own = nil, nil
  if self.break_locks then
    self.break_locks(self, task)
  end
  return self:settle(task, how, value)
end

--- Whether `other` cannot go on before `task` has ended, as each stays for the
-- next.
function Model:stays_for(other, task)
  if other == task then
    return true
  elseif other.state ~= "parked" or not (other.leaving or other.edge) then
    return false
  end
  for _, next in ipairs(other.stays_for()) do
    if self:stays_for(next, task) then
      return true
    end
  end
  return false
end

-- ---- programs

--- The operations of a body, one after the other, from the i-th on.
function Model:body(task, operations, k, i)
  i = i or 1
  local op = operations[i]
  if op == nil then
    return k(true)
  end
  return self.nouns[op.name].model(self, task, op, function(ok, value)
    if ok then
      self:record(op, value)
    elseif op.catch then
      self:record(op, Model.describe(value))
    else
      return k(false, value)
    end
    return self:body(task, operations, k, i + 1)
  end)
end

function Model:record(op, value)
  local trace = self.trace
  local n = #trace
  trace[n + 1], trace[n + 2], trace[n + 3] = self.now, op.id, tostring(value)
end

--- As play.lua describes the errors that it sees.
function Model.describe(err)
  if err.errors then
    local texts = {}
    for i, inner in ipairs(err.errors) do
      texts[i] = Model.describe(inner)
    end
    return "!ErrorGroup{" .. table.concat(texts, " ") .. "}"
  elseif err.reason ~= nil then
    return ("!%s(%s)"):format(err.class, tostring(err.reason))
  end
  return "!" .. err.class
end

function Model.misuse()
  return { class = "misuse" }
end

return Model
