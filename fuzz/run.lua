--- lua fuzz/run.lua SECONDS [SEED]
--
-- Makes a random program of each seed from SEED on, runs it, and compares what
-- is seen of it with what the model foresees, until that has taken SECONDS or one
-- fails; SECONDS of 0: that of SEED alone. Without a SEED each Lua has its own,
-- always the same. Every other program is run in
-- shuffled order.
--
-- Exact, event by event, with its time, and so is how each task ended, what the
-- objects are like at the end and what was reported: all that nouns/ has, in the
-- loop's own order; and in shuffled order on Lua 5.3, later ones and LuaJIT. In
-- shuffled order elsewhere only what check.lua demands in any order.
--
-- Not here, as their specs have them: generators, coroutines, vars, callbacks of
-- the loop, as_completed, Group:start, rings of tasks that wait for each other,
-- deadlocks, abandoned tasks, the 128th await in a row.

package.path = arg[0]:gsub("[^/]*$", "?.lua;", 1) .. package.path

local check = require "check".check
local generate = require "generate"
local show = require "show"
local shrink = require "shrink"

local interpreter = _G.jit and "luajit" or "lua" .. _VERSION:match("%d.*")
local first_seed = (tonumber(interpreter:match("%d%.%d")) or 5) * 1e7 + 1 -- 54000001
local seconds = tonumber(arg[1]) or 2
local seed = tonumber(arg[2]) or math.floor(first_seed)

local function program_of(number)
  return generate.program(number, number % 2 == 1)
end

--- The first line is there also if a smaller program hangs or crashes.
local function fail(program, wrong)
  print(("seed %d, %s: %s"):format(program.seed, interpreter, wrong))
  io.stdout:flush()
  local small = shrink.shrink(program, function(candidate)
    return check(candidate) ~= nil
  end, 10)
  local what, at, run, model = check(small)
  if what == nil then -- it does not fail every time
    small, what, at, run, model = program, wrong, 0, {}, nil
  end
  print("made smaller: " .. what)
  print("\n" .. show.program(small) .. "\n")
  if run.trace then
    print(show.traces(run, model, at))
  end
  print(("\nagain: make fuzz SECONDS=0 SEED=%d LUA=%s"):format(program.seed, interpreter))
end

local function report(count, failed, first)
  print(("programs %d to %d: %d passed, %d failed"):format(first, first + count - 1,
    count - failed, failed))
  os.exit(failed == 0 and 0 or 1)
end

local function main()
  local first, count, ends = seed, 0, os.clock() + seconds
  repeat
    if count % 1000 == 0 then -- for one that hangs or crashes
      print(("from seed %d"):format(seed))
      io.stdout:flush()
    end
    local program = program_of(seed)
    local wrong = check(program)
    count = count + 1
    if wrong then
      fail(program, wrong)
      return report(count, 1, first)
    end
    seed = seed + 1
  until os.clock() >= ends
  report(count, 0, first)
end

main()
