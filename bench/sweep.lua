--- What a switch costs, and how much memory a task takes, with one task to a
-- million; for tide and for the floor. `make bench BENCH=plot` measures and
-- draws doc/benchmarks.svg.

local measure = require "bench.measure"
local plot = require "bench.plot"

local sweep = {}

--- How often a switch is done: often enough by each task that its start and end
-- do not count.
local function switches(tasks)
  return math.max(1000000, 10 * tasks)
end

local function words(tasks)
  return ("%d"):format(tasks)
end

local SERIES = {
  {
    name = "switch",
    sizes = { 1, 10, 100, 1000, 10000, 100000, 1000000 },
    row = function(tasks)
      return { n = switches(tasks), run = { "switch", words(tasks) }, floor = "c" }
    end,
  },
  {
    name = "memory",
    sizes = { 10000, 30000, 100000, 300000, 1000000 },
    row = function(tasks)
      return { n = tasks, run = { "sleepers", "0.5" }, floor = "coroutines" }
    end,
  },
}

--- Writes a line for each figure, and a point of the plot.
local function add(points, file, ...)
  local point = { ... }
  points[#points + 1] = { series = point[1], lua = point[2], system = point[3], n = point[4],
    figure = point[5] }
  file:write(("%s\t%s\t%s\t%d\t%.1f\n"):format(...))
end

function sweep.run(luas, rounds, folder)
  local points, file = {}, assert(io.open(folder .. "/sweep.tsv", "w"))
  file:write("series\tlua\tsystem\ttasks\tfigure\n")
  for _, series in ipairs(SERIES) do
    for _, lua in ipairs(luas) do
      for _, tasks in ipairs(series.sizes) do
        local inside = measure.inside(lua, series.row(tasks), rounds)
        local floor, ours = measure.figure(inside.floor), measure.figure(inside.ours)
        add(points, file, series.name, lua.name, "floor", tasks, floor)
        add(points, file, series.name, lua.name, "tide", tasks, ours)
        print(("%s, %s, %d tasks: %.1f, floor %.1f"):format(lua.name, series.name, tasks, ours,
          floor))
      end
    end
  end
  file:close()
  plot.draw(points, "doc/benchmarks.svg")
end

return sweep
