--- Draws doc/benchmarks.svg: two panels, what a switch costs and the memory of a
-- task, over the number of tasks; a line for each Lua, its floor dashed.
-- On the colours of a light and of a dark page it can be read alike.
--   lua bench/plot.lua   draws again what build/bench/sweep.tsv holds

local plot = {}

local WIDTH, HEIGHT = 880, 400
local PANELS = {
  { series = "switch", title = "A switch, in nanoseconds", left = 40, first = 1,
    floor = "dashed: resume and yield in a loop in C" },
  { series = "memory", title = "A sleeping task, in bytes", left = 500, first = 10000,
    floor = "dashed: a coroutine that is suspended" },
}
local TOP, BOTTOM, PANEL = 70, 340, 310
local LAST = 1000000

local COLOURS = { ["lua5.1"] = "#986ee2", ["lua5.2"] = "#2da44e", ["lua5.3"] = "#d4720b",
  ["lua5.4"] = "#2f81f7", ["lua5.5"] = "#7d8590", luajit = "#e5534b" }
local NAMES = { luajit = "LuaJIT" }

local STYLE = [[
  text { font: 12px -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif;
    fill: #768390 }
  .title { font-size: 14px; font-weight: 600 }
  .grid { stroke: #818b98; stroke-opacity: 0.25 }
  path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round }
  .floor { stroke-width: 1.5; stroke-dasharray: 3 4; stroke-opacity: 0.8 }
  @media (prefers-color-scheme: light) {
    text { fill: #59636e }
    .title { fill: #1f2328 }
  }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
  }
]]

local function label(lua)
  return NAMES[lua] or lua:gsub("^lua", "Lua ")
end

--- A step of 1, 2 or 5 times a power of ten that parts `most` into about five.
local function step_for(most)
  local power = 10 ^ math.floor(math.log(most / 5) / math.log(10))
  for _, factor in ipairs { 1, 2, 5, 10 } do
    if most / (power * factor) <= 6 then
      return power * factor
    end
  end
end

local function thousands(number)
  local text = ("%d"):format(number)
  return (text:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function in_short(number)
  return (("%d"):format(number):gsub("000000$", " M"):gsub("000$", " k"))
end

--- {points of one line in order}, by Lua and system; the Luas in order; the most.
local function select_series(points, name)
  local lines, luas, most = {}, {}, 0
  for _, point in ipairs(points) do
    if point.series == name then
      if not lines[point.lua] then
        lines[point.lua] = { floor = {}, tide = {} }
        luas[#luas + 1] = point.lua
      end
      table.insert(lines[point.lua][point.system], point)
      most = math.max(most, point.figure)
    end
  end
  return lines, luas, most
end

local function scales(panel, most)
  local decades = math.log(LAST / panel.first)
  return function(n)
    return panel.left + math.log(n / panel.first) / decades * PANEL
  end, function(figure)
    return BOTTOM - figure / most * (BOTTOM - TOP)
  end
end

local function draw_grid(out, panel, x, y, most)
  local step = step_for(most)
  for figure = 0, most, step do
    out('<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>', panel.left, y(figure),
      panel.left + PANEL, y(figure))
    out('<text x="%.1f" y="%.1f" text-anchor="end">%s</text>', panel.left - 8, y(figure) + 4,
      thousands(figure))
  end
  local n = panel.first
  while n <= LAST do
    out('<text x="%.1f" y="%d" text-anchor="middle">%s</text>', x(n), BOTTOM + 20,
      in_short(n))
    n = n * 10
  end
  out('<text x="%.1f" y="%d" text-anchor="middle">number of tasks</text>', panel.left + PANEL / 2,
    BOTTOM + 42)
end

local function draw_line(out, points, colour, class, x, y)
  local steps = {}
  for i, point in ipairs(points) do
    steps[i] = ("%s%.1f %.1f"):format(i == 1 and "M" or "L", x(point.n), y(point.figure))
  end
  out('<path class="%s" stroke="%s" d="%s"/>', class, colour, table.concat(steps))
end

--- Names at the ends of the lines, moved apart where they would overlap.
local function draw_names(out, panel, names)
  table.sort(names, function(a, b) return a.y < b.y end)
  for i = 2, #names do
    names[i].y = math.max(names[i].y, names[i - 1].y + 15)
  end
  for _, name in ipairs(names) do
    out('<text x="%.1f" y="%.1f" style="fill: %s">%s</text>', panel.left + PANEL + 8, name.y + 4,
      COLOURS[name.lua], label(name.lua))
  end
end

local function draw_panel(out, panel, points)
  local lines, luas, most = select_series(points, panel.series)
  local x, y = scales(panel, most * 1.05)
  out('<text class="title" x="%d" y="24">%s</text>', panel.left, panel.title)
  out('<text x="%d" y="44">%s</text>', panel.left, panel.floor)
  draw_grid(out, panel, x, y, most * 1.05)
  local names = {}
  for _, lua in ipairs(luas) do
    local ours = lines[lua].tide
    draw_line(out, lines[lua].floor, COLOURS[lua], "floor", x, y)
    draw_line(out, ours, COLOURS[lua], "tide", x, y)
    names[#names + 1] = { lua = lua, y = y(ours[#ours].figure) }
  end
  draw_names(out, panel, names)
end

function plot.draw(points, name)
  local file = assert(io.open(name, "w"))
  local function out(shape, ...)
    file:write(shape:format(...), "\n")
  end
  out('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d">', WIDTH, HEIGHT)
  file:write("<style>\n", STYLE, "</style>\n")
  for _, panel in ipairs(PANELS) do
    draw_panel(out, panel, points)
  end
  out "</svg>"
  file:close()
end

local function read(name)
  local points = {}
  for line in io.lines(name) do
    local series, lua, system, n, figure = line:match("^(%S+)\t(%S+)\t(%S+)\t(%d+)\t(%S+)$")
    if series then
      points[#points + 1] = { series = series, lua = lua, system = system, n = tonumber(n),
        figure = tonumber(figure) }
    end
  end
  return points
end

if arg and arg[0]:match("plot%.lua$") then
  plot.draw(read("build/bench/sweep.tsv"), "doc/benchmarks.svg")
end

return plot
