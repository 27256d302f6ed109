--- Runs one row of a program and prints what it took.
--
-- A program has a function for each row. It is given N and what else stands on
-- the command line, prepares, and returns the function that is measured. That
-- one may return what is to be printed; if it returns nothing, nanoseconds per
-- N are printed. The time is the process's own: but for the sleepers no row
-- waits.

local meter = {}

--- The most memory that the process has had, in bytes.
function meter.resident()
  for line in io.lines("/proc/self/status") do
    local kilobytes = line:match("^VmHWM:%s+(%d+)")
    if kilobytes then
      return tonumber(kilobytes) * 1024
    end
  end
end

--- What the rows with sleepers print: bytes each, megabytes in all, and the
-- seconds that were too many.
function meter.sleepers(n, before, late)
  local after = meter.resident()
  return ("%.0f %.0f %.2f"):format((after - before) / n, after / 1e6, late)
end

--- What the rows of frames print: p50, p99 and max of the times in milliseconds,
-- and bytes each.
function meter.frames(n, before, times)
  local after = meter.resident()
  table.sort(times)
  return ("%.4f %.4f %.4f %.0f"):format(times[math.floor(#times / 2) + 1],
    times[math.floor(#times * 99 / 100) + 1], times[#times], (after - before) / n)
end

--- `run` calls a function where the system's tasks can be made, to its end.
function meter.main(rows, run)
  local name, n = arg[1], tonumber(arg[2])
  run(function()
    local body = rows[name](n, tonumber(arg[3]), tonumber(arg[4]))
    local start = os.clock()
    local text = body()
    print(text or ("%.2f"):format((os.clock() - start) / n * 1e9))
  end)
end

return meter
