--- What the model says of a program: the same as play.lua records of it.

local Model = require "model"
local nouns = require "nouns"

local M = {}

local LIMIT, ROUNDS = 100, 20 -- as in play.lua

local function all_done(m)
  for _, task in ipairs(m.tasks) do
    if not task.ended then
      return false
    end
  end
  return true
end

local function in_order(map)
  local ids, list = {}, {}
  for id in pairs(map) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  for i, id in ipairs(ids) do
    list[i] = map[id]
  end
  return list
end

local function end_all(m, round)
  if round > 1 then
    for _, scope in ipairs(in_order(m.scope_of)) do
      if not scope.closed then
        scope.shield = nil
        m:changed(scope)
        m:cancel_scope(scope)
      end
    end
    for _, parking in ipairs(in_order(m.parkings)) do
      if not parking.done then
        parking.done, parking.value = true, "end"
        m:wake(parking.task)
      end
    end
  end
  for i = 1, #m.tasks do
    local task = m.tasks[i]
    if not task.ended then
      m:cancel(task)
      task.own.reason = "end"
    else
      task.seen = true
    end
  end
end

--- The task that runs the program, as `drive` of play.lua.
local function drive(m, driver, program)
  local round = 0
  local function sleep(go)
    local function wake()
      m:wake(driver)
    end
    m:park(driver, nil, go)
    m:set_timer(m.now + LIMIT, wake)
  end
  local function go()
    if all_done(m) or round == ROUNDS then
      m.over = true
      return
    end
    round = round + 1
    end_all(m, round)
    sleep(go)
  end
  m:spawn(0, function(task, k)
    return m:body(task, program.body, function(ok, err)
      if ok then
        return k(true, 0)
      end
      return k(false, err)
    end)
  end)
  sleep(go)
end

function M.predict(program, shuffle)
  local m = setmetatable({
    nouns = nouns.operations, shuffle = shuffle, now = 0,
    ready = {}, calls = {}, ticks = {}, timers = {}, cancels = {},
    trace = {}, ends = {}, states = {}, reports = {},
    tasks = {}, task_of = {}, scope_of = {}, objects = {}, parkings = {},
  }, Model)
  for _, start in ipairs(nouns.starts) do
    start(m)
  end
  for i, object in ipairs(program.objects) do
    m.objects[i] = nouns.objects[object.name].model(m, object)
  end
  local driver = { state = "ready", scope = nil }
  driver.go = function() return drive(m, driver, program) end
  m.ready[1] = driver
  m:run(function() return m.over end)
  m.ended = all_done(m)
  for i, task in ipairs(m.tasks) do
    m.ends[i] = ("%d: %s"):format(task.id, task.how == "ok" and tostring(task.value) or
      task.ended and m.describe(task.value) or "!InvalidStateError")
  end
  for i, object in ipairs(m.objects) do
    m.states[i] = nouns.objects[program.objects[i].name].model_state(object)
  end
  table.sort(m.reports)
  return m
end

return M
