--- How what an operation costs grows with the number of tasks: the operations
-- of bench/programs/growth.lua at a thousand to a million. `make bench
-- BENCH=growth`, or BENCH="growth semaphore" for those whose name begins so.
--
-- What takes n log n costs twice as much at a million as at a thousand, and the
-- caches make up to five times of one; what costs more than LIMIT times as much
-- grows too fast. An operation that would take too long is not tried with more.

local shell = require "bench.shell"
local systems = require "bench.systems"

local SIZES = { 1000, 10000, 100000, 1000000 }
local LIMIT = 10 -- from the first size to the last
local LONG = 60 -- seconds that a size may be expected to take
local SHAPE = "%-7s %-30s %9s %9s %9s %9s %8s %s\n"

local growth = {}

--- The seconds that the next size takes if the cost goes on to grow so.
local function expected(figures)
  local last, before = figures[#figures], figures[#figures - 1]
  return before and last * (last / before) * SIZES[#figures + 1] / 1e9 or 0
end

--- The nanoseconds at each size, as far as it got.
local function measure(lua, name)
  local figures = {}
  for i, size in ipairs(SIZES) do
    local numbers = shell.numbers(systems.growth_command(lua, name, size))
    figures[i] = numbers and numbers[1]
    if not numbers or i < #SIZES and expected(figures) > LONG then
      break
    end
  end
  return figures
end

--- By how much the cost grew, and whether that is too much.
local function judge(figures)
  if #figures < 2 then
    return "", ""
  end
  local factor = figures[#figures] / figures[1]
  local limit = LIMIT ^ ((#figures - 1) / (#SIZES - 1))
  return ("%.1f"):format(factor), factor > limit and "TOO FAST" or "met"
end

function growth.run(luas, wanted, folder)
  local suffix = wanted == "" and "" or "-" .. wanted:gsub("%W+", "-")
  local text = assert(io.open(("%s/growth%s.txt"):format(folder, suffix), "w"))
  local function write(...)
    local line = SHAPE:format(...)
    text:write(line)
    io.stdout:write(line)
    io.stdout:flush()
  end
  write("lua", "ns each, of", "1,000", "10,000", "100,000", "1,000,000", "factor", "")
  for _, lua in ipairs(luas) do
    for name in shell.output(systems.growth_command(lua, "list", 0)):gmatch("[^\n]+") do
      if name:sub(1, #wanted) == wanted then
        local figures, cells = measure(lua, name), {}
        for i = 1, #SIZES do
          cells[i] = figures[i] and ("%.0f"):format(figures[i]) or "-"
        end
        write(lua.name, name, cells[1], cells[2], cells[3], cells[4], judge(figures))
      end
    end
  end
  text:close()
end

return growth
