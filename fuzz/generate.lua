--- Random programs, as data:
--
--   { objects = { {name=, ...}, ... }, body = { op, ... }, shuffle = seed or nil }
--
-- An operation `op` has a name, an id of its own, what its noun gave it, and
-- maybe a `body`, `cleanup` or `arms` of more operations. `catch`: its error is
-- recorded and goes no further. What it refers to by `to` is the id of another
-- operation, which need not have been done when it is. `spawns`: a task is known
-- by this id; `scope`, `group`, `parks`: so are these.
--
-- Programs end: they have no loops, and where no cancel reaches them, inside of
-- shields, nothing waits but for time.

local nouns = require "nouns"
local random = require "random"

local M = {}

local MOST = 60 -- operations of a program

local BACKGROUND = { sleep = 1, task = 1, scope = 1 }

--- Each program has but a few of the nouns: so it has more of these, and they
-- meet more often.
local function choose_nouns(g)
  local chosen, pool, likely = { sleep = true, task = true }, {}, {}
  for _ = 1, g:int(1, 3) do
    chosen[g:pick(nouns.names)] = true
  end
  chosen.scope = chosen.scope or g:chance(0.5) or nil
  for _, noun in ipairs(nouns.names) do
    if chosen[noun] then
      local common = BACKGROUND[noun] or 3
      for _, name in ipairs(nouns.of[noun]) do
        pool[#pool + 1] = name
        likely[name] = common * g:pick { 0.2, 1, 1, 2 }
      end
    end
  end
  return chosen, pool, likely
end

local function allowed(g, name)
  local op = nouns.operations[name]
  return (g.bounded == 0 or op.bounded) and (g.plain == 0 or op.plain ~= false) and
    (g.condition or not op.conditional or g:chance(0.02))
end

local function pick_name(g)
  local total, choices = 0, {}
  for _, name in ipairs(g.pool) do
    if allowed(g, name) then
      local op = nouns.operations[name]
      local weight = op.weight * (g.condition and op.conditional and 10 or g.likely[name])
      total = total + weight
      choices[#choices + 1] = { name = name, upto = total }
    end
  end
  local at = g:int(1, 1000) / 1000 * total
  for _, choice in ipairs(choices) do
    if at <= choice.upto then
      return choice.name
    end
  end
  return choices[#choices].name
end

local Generator = {}

function Generator.id(g)
  g.last_id = g.last_id + 1
  return g.last_id
end

--- An object that there is, or a new one, which `make` completes.
function Generator.object(g, name, make)
  local there = {}
  for i, object in ipairs(g.objects) do
    if object.name == name then
      there[#there + 1] = i
    end
  end
  if #there > 0 and (#there == 2 or g:chance(0.8)) then
    return g:pick(there)
  end
  local object = { name = name }
  if make then
    make(object)
  end
  g.objects[#g.objects + 1] = object
  return #g.objects
end

--- It refers to something, which is chosen when the program is complete.
function Generator.refer(g, op)
  op.owner, op.inside = g.owner, g.inside
  g.referring[#g.referring + 1] = op
end

--- To any task.
function Generator.task(g, op)
  g:refer(op)
end

local function operation(g, name) -- of any name, if that is nil
  local op = { id = g:id(), name = name or pick_name(g) }
  local noun = nouns.operations[op.name]
  op.catch = g:chance(0.3) or noun.misuses
  if noun.make then
    noun.make(g, op)
  end
  if op.younger or op.to_scope or op.to_group or op.to_park then
    g:refer(op)
  end
  return op
end

--- The operations inside of `op`. options: `bounded`, no cancel may reach them
-- (false: one does); `condition`, an object whose lock is held.
function Generator.body(g, op, options)
  options = options or {}
  local bounded, plain, owner = g.bounded, g.plain, g.owner
  local inside, condition = g.inside, g.condition
  g.inside = op.group and op.id or inside
  if op.spawns then
    g.bounded, g.plain, g.owner, g.condition = 0, 0, op.id, nil
  end
  if options.bounded ~= nil then
    g.bounded = options.bounded and 1 or 0
  end
  if options.condition then
    g.plain, g.condition = 1, options.condition
  end
  g.depth = g.depth + 1
  local list = {}
  local function add(name, probability)
    if g.last_id < g.most and g:chance(probability) then
      list[#list + 1] = operation(g, name)
    end
  end
  if op.spawns or op.ms then -- or it would be over at once
    add("sleep", 0.4)
  elseif op.group then
    add("group_task", 0.7)
    add("group_task", 0.5)
  end
  local most = g.depth > 5 and 1 or g:pick { 0, 1, 1, 2, 2, 3, 4 }
  while #list < most and g.last_id < g.most do
    list[#list + 1] = operation(g)
  end
  if op.to_group then
    add("raise", 0.2)
  end
  g.depth = g.depth - 1
  g.bounded, g.plain, g.owner = bounded, plain, owner
  g.inside, g.condition = inside, condition
  return list
end

-- ---- references

--- Calls visit(op) for each operation, also the arms of a gather.
function M.each(list, visit)
  for _, op in ipairs(list) do
    visit(op)
    for _, inner in ipairs { op.body or {}, op.cleanup or {}, op.arms or {} } do
      M.each(inner, visit)
    end
  end
end

--- One of those that `accept` takes; rather one that is likely to be there by
-- then.
local function choose(g, op, ids, accept)
  local all, earlier = {}, {}
  for _, id in ipairs(ids) do
    if accept == nil or accept(id) then
      all[#all + 1] = id
      if id < op.id then
        earlier[#earlier + 1] = id
      end
    end
  end
  local list = #earlier > 0 and g:chance(0.8) and earlier or all
  return #list > 0 and g:pick(list) or nil
end

--- A task awaits younger ones only, and is added to groups that are older: else
-- they might wait for each other.
local function resolve(g, body)
  local ids = { tasks = {}, scopes = {}, groups = {}, parks = {} }
  M.each(body, function(op)
    ids.tasks[#ids.tasks + 1] = op.spawns and op.id
    ids.scopes[#ids.scopes + 1] = op.scope and op.id
    ids.groups[#ids.groups + 1] = op.group and op.id
    ids.parks[#ids.parks + 1] = op.parks and op.id
  end)
  for _, op in ipairs(g.referring) do
    if op.to_scope then
      op.to = choose(g, op, ids.scopes)
    elseif op.to_park then
      op.to = choose(g, op, ids.parks)
    elseif op.to_group then
      op.to = op.inside and g:chance(0.7) and op.inside or
        choose(g, op, ids.groups, function(id) return id < op.id end)
    elseif op.younger then
      op.to = choose(g, op, ids.tasks, function(id) return id > op.owner end)
    else
      op.to = choose(g, op, ids.tasks)
    end
    op.nowhere = op.to == nil
  end
end

--- Leaves out what refers to nothing.
local function prune(list)
  for i = #list, 1, -1 do
    local op = list[i]
    if op.nowhere then
      table.remove(list, i)
    else
      prune(op.body or {})
      prune(op.cleanup or {})
      prune(op.arms or {})
    end
  end
end

function M.program(seed, shuffled)
  local g = random.new(seed)
  for name, method in pairs(Generator) do
    g[name] = method
  end
  g.nouns, g.pool, g.likely = choose_nouns(g)
  g.objects, g.referring = {}, {}
  g.last_id, g.depth, g.bounded, g.plain, g.owner = 0, 0, 0, 0, 0
  g.most = g:int(4, MOST)
  local body = {}
  for _ = 1, g:int(0, 5) do -- some that meet each other
    body[#body + 1] = operation(g, "spawn")
  end
  while g.last_id < g.most do
    body[#body + 1] = operation(g)
  end
  resolve(g, body)
  prune(body)
  return {
    seed = seed,
    objects = g.objects,
    body = body,
    shuffle = shuffled and seed % 1000003 + 1 or nil,
  }
end

return M
