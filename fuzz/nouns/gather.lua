--- gather, race, wait.

local tide = require "tide"
local task_noun = require "nouns.task"

local outcome, body = task_noun.await.outcome, task_noun.await.body

-- ---- the model

--- gather and race cancel what they wait for when they give up.
local function cancels_others(gather)
  return gather.mode == "gather" or gather.mode == "race" or gather.mode == "exceptions"
end

local DECIDES = {
  gather = function(how) return how ~= "ok" end,
  race = function() return true end,
  first_exception = function(how) return how == "failed" end,
}

local function is_over(gather)
  return #gather.pending == 0 or (gather.mode == "first_completed" and gather.any) or
    (gather.mode == "first_exception" and gather.first ~= nil)
end

local function add_done(gather, link, how)
  gather.any = true
  local decides = DECIDES[gather.mode]
  if gather.first == nil and decides and decides(how) then
    gather.first = link.place
  end
end

local function drop(m, link)
  m.remove(link.gather.pending, link)
  m.remove(link.target.links, link)
  if link.counted then
    link.target.awaiters = link.target.awaiters - 1
  end
end

--- Who gives up counts no more: what nobody else awaits is cancelled, and
-- stays; the others are left.
local function give_up(m, gather)
  local held = m.holding
  m.holding = true
  gather.leaving = true
  if gather.waiter then
    gather.waiter.leaving = true
  end
  for _, link in ipairs({ (table.unpack or unpack)(gather.pending) }) do
    local target = link.target
    if not target.ended then
      if link.counted then
        target.awaiters, link.counted = target.awaiters - 1, false
      end
      if target.awaiters > 0 or
        (gather.waiter and not target.is_future and m:stays_for(target, gather.waiter)) then
        drop(m, link)
      else
        m:cancel(target)
      end
    end
  end
  m.holding = held
  m:cancel_queued()
end

local function wake(m, gather)
  local waiter = gather.waiter
  gather.waiter = nil
  if waiter then
    m:wake(waiter)
  end
end

local function on_link_end(m, link, how)
  local gather = link.gather
  m.remove(gather.pending, link)
  add_done(gather, link, how)
  if gather.begun and gather.first == link.place and cancels_others(gather) and
    not gather.leaving then
    give_up(m, gather)
  end
  if is_over(gather) then
    wake(m, gather)
  end
end

local function link_to(gather, target)
  local link = { gather = gather, target = target, place = #gather.targets + 1 }
  gather.targets[link.place] = target
  if target.ended then
    add_done(gather, link, target.how)
    return
  end
  gather.pending[#gather.pending + 1] = link
  target.links[#target.links + 1] = link
  if cancels_others(gather) then
    link.counted, target.awaiters = true, target.awaiters + 1
  end
end

local function abort(m, gather)
  if cancels_others(gather) and not gather.leaving then
    gather.cancelled = true
    give_up(m, gather)
  end
  if gather.leaving and #gather.pending > 0 then
    return false
  end
  gather.waiter = nil
  return true
end

--- What there is to wait for when the call is made.
local function present(m, op)
  local arms = {}
  for _, arm in ipairs(op.arms) do
    if arm.body or arm.object or m.task_of[arm.to] then
      arms[#arms + 1] = arm
    end
  end
  return arms
end

--- Makes tasks of the arms that are functions.
local function begin(m, gather, arms)
  for _, arm in ipairs(arms) do
    local target = m.task_of[arm.to] or m.objects[arm.object]
    if arm.body then
      target = m:spawn(nil, function(task, k)
        m:know(task, arm.id)
        return body(m, arm)(task, k)
      end)
    end
    link_to(gather, target)
  end
  gather.begun = true
end

--- k(true) when it is over.
local function wait(m, task, gather, arms, k)
  local function over(status)
    task.leaving = false
    if gather.cancelled and status == "woken" then
      return k(false, m:delivery(task))
    end
    return (cancels_others(gather) and m.granted or m.passed)(m, task, status, k)
  end
  return m:checkpoint(task, k, function()
    begin(m, gather, arms)
    if gather.first and cancels_others(gather) and not gather.leaving then
      give_up(m, gather)
    end
    if is_over(gather) then
      return over("woken")
    end
    m:park(task, function() return abort(m, gather) end, over)
    gather.waiter, task.leaving = task, gather.leaving
    task.stays_for = function()
      local list = {}
      for i, link in ipairs(gather.pending) do
        list[i] = link.target
      end
      return list
    end
  end)
end

--- The error of what decided it is raised; other failures, of which nobody was
-- told, are reported.
local function raise_first(m, gather, k)
  local first = gather.targets[gather.first]
  for _, target in ipairs(gather.targets) do
    if target ~= first and target.how == "failed" and not target.seen then
      target.seen = true
      m.reports[#m.reports + 1] = m.describe(target.value)
    end
  end
  return outcome(first, k)
end

local function new_gather(mode)
  return { mode = mode, targets = {}, pending = {} }
end

local function results(m, gather)
  local texts = {}
  for i, target in ipairs(gather.targets) do
    target.seen = true
    texts[i] = target.how == "ok" and tostring(target.value) or m.describe(target.value)
  end
  return table.concat(texts, " ")
end

local function model(mode)
  return function(m, task, op, k)
    local gather, arms = new_gather(op.exceptions and "exceptions" or mode), present(m, op)
    if mode == "race" and #arms == 0 then
      return k(false, m.misuse())
    end
    return wait(m, task, gather, arms, function(ok, err)
      if not ok then
        return k(false, err)
      elseif gather.first then
        return raise_first(m, gather, k)
      end
      return k(true, results(m, gather))
    end)
  end
end

local function unique(gather)
  local seen, list = {}, {}
  for _, target in ipairs(gather.targets) do
    if not seen[target] then
      seen[target] = true
      list[#list + 1] = target
    end
  end
  return list
end

local function split(gather)
  local done = {}
  for i, target in ipairs(unique(gather)) do
    done[i] = target.ended and "done" or "pending"
  end
  return table.concat(done, " ")
end

local function wait_model(m, task, op, k)
  local gather, arms = new_gather(op.mode), present(m, op)
  if #arms == 0 then
    return k(false, m.misuse())
  end
  local function leave(ok, err)
    while gather.pending[1] do
      drop(m, gather.pending[1])
    end
    gather.waiter = nil
    if not ok then
      return k(false, err)
    end
    return k(true, split(gather))
  end
  if op.ms == nil then
    return wait(m, task, gather, arms, leave)
  end
  local scope = m:open_scope(task, { deadline = m.now + op.ms })
  return wait(m, task, gather, arms, function(ok, err)
    local own = not ok and m:is_caught(scope, err)
    m:close_scope(task)
    if not gather.begun then -- it never came to make links
      begin(m, gather, arms)
    end
    return leave(ok or own, err)
  end)
end

-- ---- the real thing

local function list(run, op)
  local items = {}
  for _, arm in ipairs(op.arms) do
    if arm.body then
      items[#items + 1] = function()
        run:spawned(arm, tide.current_task())
        return run:body(arm)
      end
    else
      items[#items + 1] = arm.object and run.objects[arm.object] or run.tasks[arm.to]
    end
  end
  return items
end

local function gather_real(run, op)
  local items = list(run, op)
  local got, errors = tide.gather(items, { return_exceptions = op.exceptions })
  local texts = {}
  for i = 1, #items do
    local err = errors and errors[i]
    texts[i] = err ~= nil and run.describe(err) or tostring(got[i])
  end
  return table.concat(texts, " ")
end

local function wait_real(run, op)
  local items = list(run, op)
  local done = tide.wait(items, { timeout = op.ms and op.ms / 1000, return_when = op.mode })
  local is_done, seen, texts = {}, {}, {}
  for _, item in ipairs(done) do
    is_done[item] = true
  end
  for _, item in ipairs(items) do
    if not seen[item] then
      seen[item] = true
      texts[#texts + 1] = is_done[item] and "done" or "pending"
    end
  end
  return table.concat(texts, " ")
end

-- ---- operations

local function make_arms(g, op, functions)
  op.arms = {}
  for i = 1, g:int(1, 3) do
    local arm = { id = g:id() }
    if g.nouns.future and g:chance(0.2) then
      arm.object = g:object("future")
    elseif functions and g:chance(0.7) then
      arm.spawns = true
      arm.body = g:body(arm)
    else
      arm.younger = true
      g:refer(arm)
    end
    op.arms[i] = arm
  end
end

return {
  on_start = function(m)
    m.on_link_end = on_link_end
  end,

  gather = {
    weight = 3,
    plain = false,
    make = function(g, op)
      make_arms(g, op, true)
      op.exceptions = g:chance(0.3) or nil
    end,
    real = gather_real,
    model = model "gather",
  },
  race = {
    misuses = true,
    weight = 2,
    plain = false,
    make = function(g, op)
      make_arms(g, op, true)
    end,
    real = function(run, op)
      return tide.race(list(run, op))
    end,
    model = model "race",
  },
  wait = {
    misuses = true,
    weight = 2,
    plain = false,
    make = function(g, op)
      make_arms(g, op, false)
      op.mode = g:pick { "all_completed", "first_completed", "first_exception" }
      op.ms = g:pick { false, 0, 1, 3 } or nil
    end,
    real = wait_real,
    model = wait_model,
  },
}
