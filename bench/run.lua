--- Measures the rows of bench/rows.lua and prints one table.
--   lua bench/run.lua NAME|INCDIR|INTERPRETER|LIBRARIES|PACKAGE...
-- For each Lua what tools/luas says. ROUNDS=3: how often all is run, floor, ours
-- and peers in turns; the figures are medians, if bench/rows.lua does not say
-- otherwise. BENCH=queue: only the rows whose name is that, or begins so.
-- BENCH=growth and BENCH=plot: see bench/growth.lua and bench/sweep.lua.

local measure = require "bench.measure"
local systems = require "bench.systems"
local tables = require "bench.table"

local OUT = "build/bench"
local rounds = tonumber(os.getenv("ROUNDS")) or 3
local wanted = os.getenv("BENCH") or ""

local function parse(found)
  local name, incdir, interpreter, libraries = found:match("^(.-)|(.-)|(.-)|(.-)|")
  return { name = name, incdir = incdir, interpreter = interpreter,
    library = libraries:match("^[^,]*") }
end

local function run(row, luas, out)
  local times = row.heavy and math.ceil(rounds / 3) or row.best and 3 * rounds or rounds
  local elsewhere, inside = measure.elsewhere(row, times), {}
  for i, lua in ipairs(luas) do
    inside[i] = measure.inside(lua, row, times)
  end
  for _, line in ipairs(row.lines or { row }) do
    out:elsewhere(row, line, elsewhere)
    for i, lua in ipairs(luas) do
      out:line(row, line, lua, inside[i], elsewhere)
    end
  end
end

--- Those that are wanted.
local function choose(rows)
  local begin_so = {}
  for _, row in ipairs(rows) do
    if row.name == wanted then
      return { row }
    elseif row.name:sub(1, #wanted) == wanted then
      begin_so[#begin_so + 1] = row
    end
  end
  if #begin_so == 0 then
    error("no row begins with " .. wanted, 0)
  end
  return begin_so
end

local function compare(luas)
  local rows = choose(require "bench.rows")
  local out = tables.new(OUT, wanted == "" and "" or "-" .. wanted)
  for _, row in ipairs(rows) do
    run(row, luas, out)
  end
  if #systems.missing > 0 then
    out:write("not installed: " .. table.concat(systems.missing, ", "))
  end
end

os.execute("mkdir -p " .. OUT)
local luas = {}
for _, found in ipairs(arg) do
  luas[#luas + 1] = parse(found)
end
local growing = wanted:match("^growth%s*(.*)$")
if growing then
  require("bench.growth").run(luas, growing, OUT)
elseif wanted == "plot" then
  require("bench.sweep").run(luas, rounds, OUT)
else
  compare(luas)
end
