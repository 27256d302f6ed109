--- The table: a line for each figure and its judgement, printed and kept in
-- build/bench/table.txt; all figures also in build/bench/figures.tsv.

local measure = require "bench.measure"

local SHAPE = "%-7s %-42s %9s %9s %7s %-14s %-8s %s"

local Table = {}
local Table_mt = { __index = Table }

function Table:write(line)
  line = line:gsub("%s+$", "") .. "\n"
  self.text:write(line)
  io.stdout:write(line)
  io.stdout:flush()
end

local function new(folder)
  local self = setmetatable({
    text = assert(io.open(folder .. "/table.txt", "w")),
    figures = assert(io.open(folder .. "/figures.tsv", "w")),
  }, Table_mt)
  self.figures:write("row\tline\tlua\tsystem\tfigure\n")
  self:write(SHAPE:format("lua", "row", "floor", "ours", "ratio", "target", "", "peers"))
  return self
end

local function shown(figure)
  if not figure then
    return ""
  end
  return (math.abs(figure) >= 100 and "%.0f" or math.abs(figure) >= 10 and "%.1f" or "%.2f")
    :format(figure)
end

--- The least figure of those labelled so, and its label.
local function best(names, figures)
  local least, label
  for _, name in ipairs(names) do
    local figure = figures[name]
    if figure and (not least or figure < least) then
      least, label = figure, name
    end
  end
  return least, label
end

--- label -> figure, and the labels in order.
local function figures_of(line, inside, elsewhere)
  local figures, labels = {}, {}
  for _, programs in ipairs { inside, elsewhere } do
    for _, program in ipairs(programs) do
      labels[#labels + 1] = program.label
      figures[program.label] = measure.figure(program, line.value)
    end
  end
  return figures, labels
end

--- ratio, target, met, as texts.
local function judge(line, lua, floor, ours, base)
  if not floor then
    return "", "", ""
  end
  local most = line.most and line.most[lua.name]
  if line.most and most == nil then
    most = line.most.default
  end
  local figure = line.plus and ours - floor or ours / floor
  local ratio = (line.plus and "%+.0f" or "%.2f"):format(figure)
  if not most then
    return ratio, "", ""
  end
  return ratio, ("<= %s%s %s"):format(line.plus and "+" or "", most, base or ""),
    figure <= most and "met" or "NOT MET"
end

local function describe(figures, labels)
  local texts = {}
  for _, label in ipairs(labels) do
    if figures[label] then
      texts[#texts + 1] = label .. " " .. shown(figures[label])
    end
  end
  return table.concat(texts, ", ")
end

--- One line of a row in one Lua.
function Table:line(row, line, lua, inside, elsewhere)
  local figures, labels = figures_of(line, inside, elsewhere)
  local ours = measure.figure(inside.ours, line.value)
  local floor, base
  if line.against then
    floor, base = best(line.against, figures)
  else
    floor = measure.figure(inside.floor, line.floor_value or line.value)
  end
  local ratio, target, met = judge(line, lua, floor, ours, base)
  self:write(SHAPE:format(lua.name, line.title, shown(floor), shown(ours), ratio, target, met,
    describe(figures, labels)))
  figures.floor, figures.ours = floor, ours
  labels[#labels + 1] = "floor"
  labels[#labels + 1] = "ours"
  for _, label in ipairs(labels) do
    if figures[label] then
      self.figures:write(table.concat({ row.name, line.title, lua.name, label,
        ("%.4g"):format(figures[label]) }, "\t"), "\n")
    end
  end
end

return { new = new }
