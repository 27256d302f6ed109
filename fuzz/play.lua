--- Runs a program on tide, in virtual time, and records what is seen of it.

local nouns = require "nouns"
local testing = require "tide.testing"
local tide = require "tide"

local pcall = tide.pcall

local LIMIT = 0.1    -- seconds after which all that is left is cancelled
local ROUNDS = 20    -- so often, before a program that does not end is given up

-- ---- what is recorded

local CLASSES = {}
for _, name in ipairs {
  "CancelledError", "TimeoutError", "ScopeCancelled", "InvalidStateError", "QueueShutDown",
  "BrokenBarrierError", "BrokenLockError", "DeadlockError", "AbandonedError", "ErrorGroup",
} do
  CLASSES[tide[name]] = name
end

--- As model.lua describes those that it foresees.
local function describe(err)
  if type(err) == "table" and err.text then
    return "!" .. err.text
  elseif type(err) == "string" then
    return err:find("^error %d+$") and "!" .. err or "!misuse"
  end
  local class = CLASSES[getmetatable(err)]
  if class == "ErrorGroup" then
    local texts = {}
    for inner in tide.errors(err) do
      texts[#texts + 1] = describe(inner)
    end
    return "!ErrorGroup{" .. table.concat(texts, " ") .. "}"
  elseif err.reason ~= nil then
    return ("!%s(%s)"):format(class, tostring(err.reason))
  end
  return "!" .. tostring(class)
end

local Run = { describe = describe }
Run.__index = Run

function Run:record(op, value)
  local trace, loop = self.trace, self.loop
  local n = #trace
  trace[n + 1] = math.floor((loop:time() - self.began) * 1000 + 0.5)
  trace[n + 2], trace[n + 3] = op.id, tostring(value)
end

-- ---- operations

function Run:operations(list)
  for _, op in ipairs(list) do
    local real = self.nouns[op.name].real
    if op.catch then
      local ok, value = pcall(real, self, op)
      self:record(op, ok and value or not ok and describe(value) or nil)
    else
      self:record(op, real(self, op))
    end
  end
end

--- What a function that has op.body does.
function Run:body(op)
  self:operations(op.body)
  return op.id
end

Run.task_body = Run.body

function Run:scope_body(op)
  self.scopes[op.id] = tide.current_scope()
  return self:body(op)
end

--- A task has come to be, by this operation.
function Run:spawned(op, task)
  self.tasks[op.id] = task
  self.order[#self.order + 1] = { id = op.id, task = task }
end

-- ---- a program

local function all_done(run)
  for _, entry in ipairs(run.order) do
    if not entry.task:done() then
      return false
    end
  end
  return true
end

local function in_order(map)
  local ids = {}
  for id in pairs(map) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  local i = 0
  return function()
    i = i + 1
    return ids[i] and map[ids[i]]
  end
end

--- Cancels what is left; from the second time on also what is shielded, or waits
-- for a wake.
local function end_all(run, round)
  if round > 1 then
    for scope in in_order(run.scopes) do
      pcall(function() scope.shield = false end)
      scope:cancel()
    end
    for wake in in_order(run.wakes) do
      wake("end")
    end
  end
  for i = 1, #run.order do
    run.order[i].task:cancel("end")
  end
end

local function drive(run)
  run.began = run.loop:time()
  run:spawned({ id = 0 }, tide.task(run.body, run, { id = 0, body = run.program.body }))
  tide.sleep(LIMIT)
  local round = 1
  while not all_done(run) and round <= ROUNDS do
    end_all(run, round)
    tide.sleep(LIMIT)
    round = round + 1
  end
  run.ended = all_done(run)
  for i, entry in ipairs(run.order) do
    local ok, err = pcall(entry.task.result, entry.task)
    run.ends[i] = ("%d: %s"):format(entry.id, ok and tostring(err) or describe(err))
  end
  for i, object in ipairs(run.objects) do
    run.states[i] = nouns.objects[run.program.objects[i].name].real_state(object)
  end
end

--- Nothing may be left of it.
local function check_left(run)
  local stats = tide.stats()
  for _, name in ipairs { "tasks", "timers", "handles", "wakers", "ready", "sleeping" } do
    if stats[name] ~= 0 then
      run.left[#run.left + 1] = ("%d %s left"):format(stats[name], name)
    end
  end
end

--- { trace =, ends =, states =, reports =, left = } of a program.
function Run.play(program)
  local loop = tide.loop()
  local run = setmetatable({
    program = program, nouns = nouns.operations, loop = loop,
    trace = {}, ends = {}, states = {}, reports = {}, left = {},
    tasks = {}, order = {}, scopes = {}, groups = {}, wakes = {}, objects = {},
  }, Run)
  loop:set_exception_handler(function(report)
    run.reports[#run.reports + 1] = report.error ~= nil and describe(report.error) or report.message
  end)
  for i, object in ipairs(program.objects) do
    run.objects[i] = nouns.objects[object.name].real(object)
  end
  local ok, err = pcall(testing.run, function()
    return drive(run)
  end, { seed = program.shuffle })
  if not ok then
    run.left[#run.left + 1] = "the run failed: " .. tostring(err)
  end
  check_left(run)
  table.sort(run.reports)
  return run
end

return Run
