--- Runs a program, and compares what was seen of it with what the model foresees.

local generate = require "generate"
local play = require "play"
local predict = require "predict"
local shuffle = require "shuffle"

local M = {}

--- The place of the first difference of two lists, or nil.
local function differ(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      return i
    end
  end
end

--- What must be so in any order of the tasks: all end, nothing is left, no item
-- is got that was not put, nor one twice.
local function check_always(program, run)
  if run.left[1] then
    return table.concat(run.left, ", ")
  elseif not run.ended then
    return "the program did not end"
  end
  local names, got = {}, {}
  generate.each(program.body, function(op)
    names[op.id] = op.name
  end)
  for i = 2, #run.trace, 3 do
    local name, item = names[run.trace[i]], run.trace[i + 1]
    if (name == "get" or name == "get_nowait") and tonumber(item) then
      local put = names[tonumber(item)]
      if got[item] or (put ~= "put" and put ~= "put_nowait") then
        return "item " .. item .. " was got twice, or never put"
      end
      got[item] = true
    end
  end
end

--- nil, or what is wrong, the event of the trace where that begins, what was
-- seen, and what was foreseen (nil: nothing was).
function M.check(program)
  local run = play.play(program)
  local order = program.shuffle and shuffle.new
  if program.shuffle and not order then
    local wrong = check_always(program, run)
    return wrong, wrong and #run.trace / 3, run
  end
  local model = predict.predict(program, order and order(program.shuffle))
  local at = differ(run.trace, model.trace)
  if at then
    return "it was seen to do something else than the model foresees",
      math.floor((at - 1) / 3), run, model
  end
  for _, name in ipairs { "ends", "states", "reports" } do
    at = differ(run[name], model[name])
    if at then
      return ("%s: %s, foreseen: %s"):format(name, tostring(run[name][at]),
        tostring(model[name][at])), #run.trace / 3, run, model
    end
  end
  local wrong = check_always(program, run)
  return wrong, wrong and #run.trace / 3, run, model
end

return M
