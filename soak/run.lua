--- A mixed load on one loop, for a long time.
--   lua soak/run.lua SECONDS SEED soak/nouns/queue.lua ...
--
-- The load runs in rounds. Between them it comes to rest: then nothing may be
-- left of it, what the nouns promise has to hold, and memory is compared.

local folder = arg[0]:match("^(.*)[/\\]") or "."
package.path = folder .. "/?.lua;" .. package.path

local Load = require "load"
local meter = require "meter"
local native = require "soak_native"
local tide = require "tide"

local SECONDS, SEED = tonumber(arg[1]), tonumber(arg[2])
local ROUND = math.max(math.min(SECONDS / 20, 10), 0.1)

-- By how many bytes what is in use may seem to have grown in all the time but
-- the first quarter, in which pools fill up. In twenty minutes that is a byte
-- for some hundred tasks. LuaJIT keeps what it compiles in its heap.
local SETTLED = 10 -- seconds from which on memory is judged
local MAY_GROW = {
  lua = (jit and 256 or 64) * 1024,
  malloc = 256 * 1024,
  rss = 4 * 1024 * 1024,
}

math.randomseed(SEED)

local load = Load.new()
local passed, failed = 0, 0

local function verdict(ok, text, ...)
  print((ok and "ok      " or "not ok  ") .. text:format(...))
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
  end
end

-- ---- rounds

local late, late_ever = meter.histogram(), meter.histogram()

function load.late(seconds)
  late:add(seconds)
  late_ever:add(seconds)
end

local function header()
  print(("%6s %9s %10s %5s %7s %7s %7s %8s %10s %8s %7s %5s"):format("s", "tasks/s",
    "switches/s", "cpu", "p50 us", "p99 us", "p99.9", "Lua KiB", "malloc KiB", "RSS KiB",
    "handles", "fds"))
end

local function line(sample)
  print(("%6.1f %9.0f %10.0f %4.0f%% %7.0f %7.0f %7.0f %8.0f %10.0f %8.0f %7d %5d"):format(
    sample.time, sample.spawned, sample.switches, sample.cpu, late:quantile(0.5),
    late:quantile(0.99), late:quantile(0.999), sample.lua / 1024, sample.malloc / 1024,
    sample.rss / 1024, sample.handles, sample.descriptors))
  io.stdout:flush()
end

--- All that there will be, before the first round: what they take themselves is
-- no growth.
local function blank_samples()
  local samples = {}
  for i = 1, math.ceil(SECONDS / ROUND) + 1 do
    samples[i] = {
      lua = 0, malloc = 0, rss = 0, descriptors = 0, time = 0, spawned = 0, switches = 0, cpu = 0,
      handles = 0,
    }
  end
  return samples
end

--- A round, a rest, and what was measured.
local function round(start, usual, sample)
  late:clear()
  local before, cpu = tide.stats(), os.clock()
  local took = load:round(ROUND)
  local after = tide.stats()
  cpu = os.clock() - cpu
  load:rest(usual)
  for name, value in pairs(meter.memory(native)) do
    sample[name] = value
  end
  sample.time = tide.loop():time() - start
  sample.spawned = (after.spawned - before.spawned) / took
  sample.switches = (after.switches - before.switches) / took
  sample.cpu = 100 * cpu / took
  sample.handles = load:counts().handles
  line(sample)
end

local function rounds(usual)
  local loop = tide.loop()
  local samples, start, n = blank_samples(), loop:time(), 0
  header()
  repeat
    n = n + 1
    round(start, usual, samples[n])
  until loop:time() - start >= SECONDS
  for i = n + 1, #samples do
    samples[i] = nil
  end
  return samples
end

-- ---- the verdict

local function check_memory(samples)
  local late_samples = {}
  for i = math.floor(#samples / 4) + 1, #samples do
    late_samples[#late_samples + 1] = samples[i]
  end
  local seconds = samples[#samples].time - late_samples[1].time
  if seconds < SETTLED then
    print(("memory: %.0f s are too short to tell growth from warming up"):format(seconds))
    return
  end
  for _, name in ipairs { "lua", "malloc", "rss" } do
    local slope = meter.slope(late_samples, name)
    verdict(slope * seconds <= MAY_GROW[name], "%s: %+.1f bytes a second, %+.0f KiB in %.0f s",
      name, slope, slope * seconds / 1024, seconds)
  end
end

local function check_descriptors(samples, before)
  local most = 0
  for _, sample in ipairs(samples) do
    most = math.max(most, sample.descriptors)
  end
  verdict(most == before, "descriptors: %d at the beginning, %d at rest", before, most)
end

local function check_nouns()
  local nouns = {}
  for noun in pairs(load.calls) do
    nouns[#nouns + 1] = noun
  end
  table.sort(nouns)
  for _, noun in ipairs(nouns) do
    local wrong = load.wrong[noun]
    verdict(not wrong and load.calls[noun] > 0, "%s: %s", noun,
      wrong or load.calls[noun] .. " times")
  end
end

local function check_all(samples, before)
  local stats = tide.stats()
  check_nouns()
  verdict(not load.wrong.rounds, "rounds: %s", load.wrong.rounds or #samples)
  verdict(not load.wrong.left, "at rest: %s", load.wrong.left or "nothing was left")
  verdict(not load.wrong.reports, "reports: %s",
    load.wrong.reports or ("%d, all expected"):format(load.expected))
  verdict(load.cancels > 0 and load.errors > 0, "by chance: %d cancels, %d errors",
    load.cancels, load.errors)
  verdict(load.early == 0 and late_ever.count > 0,
    "timers: %d, %d too early; late by %.0f us p50, %.0f p99, %.0f p99.9", late_ever.count,
    load.early, late_ever:quantile(0.5), late_ever:quantile(0.99), late_ever:quantile(0.999))
  check_descriptors(samples, before)
  check_memory(samples)
  print(("%d tasks, %d switches, %d turns, %d polls"):format(stats.spawned, stats.switches,
    stats.turns, stats.polls))
end

-- ---- all of it

local function add_nouns()
  for i = 3, #arg do
    load.noun = arg[i]:match("([^/\\]+)%.lua$")
    dofile(arg[i])(load)
  end
  tide.sleep(0)
end

tide.loop():set_exception_handler(function(report) load:report(report) end)
local samples, before, at_end
tide.run(function()
  add_nouns()
  load:round(ROUND) -- what begins at first use, threads say, has begun
  local usual = load:counts()
  load:rest(usual)
  before = native.descriptors()
  samples = rounds(usual)
  load:stop()
  at_end = load:counts()
end)
print(("%s, seed %d"):format(jit and jit.version or _VERSION, SEED))
check_all(samples, before)
verdict(at_end.tasks == 1 and at_end.timers + at_end.wakers + at_end.handles == 0,
  "at the end: %d tasks, %d timers, %d wakers, %d handles", at_end.tasks, at_end.timers,
  at_end.wakers, at_end.handles)
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and 0 or 1)
