--- The table: for each row a line with the peers elsewhere, and one for each Lua
-- with what it was compared with there. Printed, and kept in build/bench/table.txt;
-- all figures also in build/bench/figures.tsv.

local measure = require "bench.measure"

local SHAPE = "%-8s %-41s %7s %7s %6s %-13s %-8s %s"

local Table = {}
local Table_mt = { __index = Table }

function Table:write(line)
  line = line:gsub("%s+$", "") .. "\n"
  self.text:write(line)
  io.stdout:write(line)
  io.stdout:flush()
end

--- `suffix` tells a table of some rows from that of all.
local function new(folder, suffix)
  local self = setmetatable({
    text = assert(io.open(("%s/table%s.txt"):format(folder, suffix), "w")),
    figures = assert(io.open(("%s/figures%s.tsv"):format(folder, suffix), "w")),
  }, Table_mt)
  self.figures:write("row\tline\tlua\tsystem\tfigure\n")
  self:write(SHAPE:format("lua", "row", "floor", "ours", "ratio", "target", "", "peers"))
  self:write(("-"):rep(120))
  return self
end

local function shown(figure)
  if not figure then
    return ""
  end
  return (math.abs(figure) >= 100 and "%.0f" or math.abs(figure) >= 10 and "%.1f" or "%.2f")
    :format(figure)
end

--- The least figure of those labelled so, or the most, and its label.
local function best(names, figures, wants_most)
  local found, label
  for _, name in ipairs(names) do
    local figure = figures[name]
    if figure and (not found or (figure < found) ~= wants_most) then
      found, label = figure, name
    end
  end
  return found, label
end

--- What a program had in that line; of its `value`-th numbers.
local function figure_of(program, row, line, value)
  return measure.figure(program, value or line.value,
    row.best and (line.more and "most" or "least"))
end

--- Adds label -> figure; "label figure, ..." as a text.
local function collect(programs, row, line, figures)
  local texts = {}
  for _, program in ipairs(programs) do
    local figure = figure_of(program, row, line)
    figures[program.label] = figure
    texts[#texts + 1] = figure and program.label .. " " .. shown(figure)
  end
  return table.concat(texts, ", ")
end

--- A target for that Lua, or for all.
local function limit_of(target, lua)
  if not target or target[lua.name] ~= nil then
    return target and target[lua.name]
  end
  return target.default
end

--- ratio, target, met, as texts.
local function judge(line, lua, floor, ours, base)
  if not floor or not ours then
    return "", "", ""
  end
  local most, sign = limit_of(line.most, lua), "<="
  if line.least then
    most, sign = limit_of(line.least, lua), ">="
  end
  local figure = line.plus and ours - floor or ours / floor
  local ratio = (line.plus and "%+.0f" or "%.2f"):format(figure)
  if not most then
    return ratio, "", ""
  end
  local met = figure == most or (figure < most) == (sign == "<=")
  return ratio, ("%s %s%g %s"):format(sign, line.plus and "+" or "", most, base or ""),
    met and "met" or "NOT MET"
end

function Table:keep(row, line, lua, figures)
  local labels = {}
  for label in pairs(figures) do
    labels[#labels + 1] = label
  end
  table.sort(labels)
  for _, label in ipairs(labels) do
    self.figures:write(("%s\t%s\t%s\t%s\t%.4g\n"):format(row.name, line.title, lua, label,
      figures[label]))
  end
end

--- The peers elsewhere, if there are any.
function Table:elsewhere(row, line, programs)
  local figures = {}
  local text = collect(programs, row, line, figures)
  if text ~= "" then
    self:write(SHAPE:format("", line.title, "", "", "", "", "", text))
    self:keep(row, line, "-", figures)
  end
end

--- One line of a row in one Lua.
function Table:line(row, line, lua, inside, elsewhere)
  local figures, all = {}, {}
  local text = collect(inside, row, line, figures)
  collect(inside, row, line, all)
  collect(elsewhere, row, line, all)
  figures.ours = figure_of(inside.ours, row, line)
  local base
  if line.against then
    figures.floor, base = best(line.against[lua.name] or line.against, all,
      line.least ~= nil)
  else
    figures.floor = figure_of(inside.floor, row, line, line.floor_value)
  end
  local ratio, target, met = judge(line, lua, figures.floor, figures.ours, base)
  self:write(SHAPE:format(lua.name, line.title, shown(figures.floor), shown(figures.ours), ratio,
    target, met, text))
  self:keep(row, line, lua.name, figures)
end

return { new = new }
