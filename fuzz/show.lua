--- Programs and traces for readers.

local M = {}

local HIDDEN = {
  id = true, name = true, body = true, cleanup = true, arms = true, owner = true, inside = true,
  spawns = true, scope = true, group = true, parks = true, younger = true, to_scope = true,
  to_group = true, to_park = true, nowhere = true,
}

local function fields(record)
  local texts = {}
  for key, value in pairs(record) do
    if not HIDDEN[key] and value then
      texts[#texts + 1] = value == true and key or key .. "=" .. tostring(value)
    end
  end
  table.sort(texts)
  return table.concat(texts, " ")
end

local show_list

--- A line for it, and what is in it indented; a new task's body comes later.
local function show_operation(op, indent, out, tasks)
  local line = ("%s%3d %s %s"):format(indent, op.id, op.name or op.body and "function" or "of",
    fields(op))
  out[#out + 1] = line:gsub("%s+$", "")
  if op.spawns then
    tasks[#tasks + 1] = op
    return
  end
  show_list(op.body or op.arms or {}, indent .. "    ", out, tasks)
  if op.cleanup then
    out[#out + 1] = indent .. "    cleanup:"
    show_list(op.cleanup, indent .. "    ", out, tasks)
  end
end

function show_list(list, indent, out, tasks)
  for _, op in ipairs(list) do
    show_operation(op, indent, out, tasks)
  end
end

--- The operations of each task. The number of an operation is its id; a task has
-- that of the operation that made it, and what is put or returned is one, too.
function M.program(program)
  local out, tasks = {}, { { id = 0, body = program.body } }
  if program.shuffle then
    out[1] = ("the order of the tasks is shuffled, seed %d"):format(program.shuffle)
  end
  for i, object in ipairs(program.objects) do
    out[#out + 1] = ("object %d: %s %s"):format(i, object.name, fields(object))
  end
  local i = 1
  while tasks[i] do
    out[#out + 1] = ("task %d:"):format(tasks[i].id)
    show_list(tasks[i].body, "  ", out, tasks)
    i = i + 1
  end
  return table.concat(out, "\n")
end

local function event(trace, i)
  local time, id, result = trace[3 * i + 1], trace[3 * i + 2], trace[3 * i + 3]
  return time and ("%3d ms  op %-3d %s"):format(time, id, result) or ""
end

--- What was seen, and what was foreseen, around the event `at`.
function M.traces(run, model, at)
  local out = { ("  %-36s %s"):format("seen", model and "foreseen" or "") }
  local last = math.max(#run.trace, model and #model.trace or 0) / 3 - 1
  for i = math.max(0, at - 12), math.min(last, at + 4) do
    local seen, foreseen = event(run.trace, i), model and event(model.trace, i) or ""
    local mark = seen ~= foreseen and model and ">" or " "
    out[#out + 1] = ("%s %-36s %s"):format(mark, seen, foreseen):gsub("%s+$", "")
  end
  return table.concat(out, "\n")
end

return M
