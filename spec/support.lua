--- What several specs need.

local assert = require "luassert"
local busted = require "busted"
local tide = require "tide"
local core = require "tide.core"
local async = require "tide.busted".async
local testing = require "tide.testing"

local pcall = tide.pcall

local M = {}

--- Whether this Lua has `local x <close>`.
M.has_close = _VERSION == "Lua 5.4" or _VERSION == "Lua 5.5"

--- A test that runs as a task, in virtual time.
function M.task_it(title, fn)
  busted.it(title, async({ clock = "virtual" }, fn))
end

--- The `it` and `pending` of a file: that `it` where a test is to run. Else one
-- whose tests are skipped, and tell in their titles what they need.
function M.it_if(runs, needed, it, pending)
  return runs and it or function(title)
    pending(("%s (needs %s)"):format(title, needed))
  end
end

--- Also what LuaJIT's compiled code holds: it takes upvalues for constants.
function M.collect()
  if jit then -- luacheck: ignore 113
    jit.flush() -- luacheck: ignore 113
  end
  for _ = 1, 4 do
    collectgarbage()
  end
end

--- fn is called when the garbage of this moment is collected.
function M.when_collected(fn)
  if newproxy then
    local proxy = newproxy(true) -- luacheck: ignore 113
    getmetatable(proxy).__gc = fn
    return proxy
  end
  return setmetatable({}, { __gc = fn })
end

--- The context of the main program outlives a test: each test of the file that
-- calls this with its two hooks gives it back.
function M.keep_context(before_each, after_each)
  local before
  before_each(function() before = core.context() end)
  after_each(function() core.set_context(before) end)
end

function M.turns(n)
  for _ = 1, n do
    tide.sleep(0)
  end
end

function M.now()
  return tide.loop():time()
end

--- What fn(...) takes on the clock, in whole microseconds, as seconds.
function M.elapsed(fn, ...)
  local start = M.now()
  fn(...)
  return math.floor((M.now() - start) * 1e6 + 0.5) / 1e6
end

--- fn(...) must raise an error of that class: returns it.
function M.raises(class, fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  assert.is_true(tide.is(err, class), "another error: " .. tostring(err))
  return err
end

--- fn must fail on the line of this very call, with a message like that.
function M.misuse(pattern, fn)
  local caller = debug.getinfo(2, "Sl")
  local ok, err = pcall(fn)
  assert.is_false(ok)
  local place = caller.short_src:gsub("%W", "%%%0") .. ":" .. caller.currentline
  assert.matches(place .. ": .*" .. pattern, err)
end

--- What comes after the code has to be nil, a message and that code.
function M.fails(code, value, message, got)
  assert.is_nil(value)
  assert.is_string(message)
  assert.equal(code, got)
end

function M.pack(...)
  return { n = select("#", ...), ... }
end

--- A function that sleeps, then returns what comes after the seconds.
function M.sleeper(seconds, ...)
  local results = M.pack(...)
  return function()
    tide.sleep(seconds)
    return (table.unpack or unpack)(results, 1, results.n)
  end
end

--- A function that sleeps, then fails.
function M.failer(seconds, err)
  return function()
    tide.sleep(seconds)
    error(err, 0)
  end
end

--- A function that sleeps for ever and, when it is cancelled, cleans up for so
-- many seconds and puts its name into `log`. It ends with `err` then, or else
-- cancelled.
function M.cleaner(seconds, log, name, err)
  return function()
    local _, cancelled = pcall(tide.sleep, 1000)
    tide.shield(tide.sleep, seconds)
    log[#log + 1] = name
    error(err or cancelled, 0)
  end
end

--- What the exception handler gets during fn(reports, ...), and until the loop
-- has run once more and what is garbage is collected.
function M.reports(fn, ...)
  local reports, loop = {}, tide.loop()
  loop:set_exception_handler(function(report) reports[#reports + 1] = report end)
  fn(reports, ...)
  for _ = 1, 2 do collectgarbage() end
  tide.sleep(0)
  loop:set_exception_handler(nil)
  return reports
end

--- What is not finished, told as "2 tasks, 1 timers"; nil if nothing is left.
function M.left()
  local stats, left = tide.stats(), nil
  for _, what in ipairs { "tasks", "ready", "sleeping", "timers", "wakers", "handles" } do
    if stats[what] ~= 0 then
      left = (left and left .. ", " or "") .. ("%d %s"):format(stats[what], what)
    end
  end
  return left
end

--- How many seeds a scenario is explored with.
function M.seeds()
  return tonumber(os.getenv("SEEDS")) or ((_VERSION == "Lua 5.4" or jit) and 200 or 20)
end

--- With how many one is that goes through the system: the order in which threads
-- and processes end is no seed's. `most`: where each takes its time.
function M.few_seeds(n, most)
  return math.min(M.seeds(), os.getenv "SEEDS" and (most or math.huge) or n)
end

--- fn(report) is called with each report while body() runs.
local function reporting(fn, body)
  local loop = tide.loop()
  loop:set_exception_handler(fn)
  local ok, err = pcall(body)
  loop:set_exception_handler(nil)
  if not ok then
    error(err, 0)
  end
end

--- Explores body() with all seeds, or so many. After each run nothing may be left and nothing
-- may have been reported; then check(outcome, where) may look, if there is one:
-- `where` is for its messages.
function M.explore(body, check, seeds)
  local report
  reporting(function(r) report = r end, function()
    for seed = 1, seeds or M.seeds() do
      local runs = testing.explore(body, function(outcome)
        local where = ("seed %d, await %d, %s"):format(seed, outcome.k, outcome.at)
        assert(not report, report and ("%s: %s: %s"):format(where, report.message,
          tostring(report.error)))
        assert.is_nil(M.left(), where)
        if check then
          check(outcome, where)
        end
      end, { seed = seed })
      assert(runs > 3, "it does not await")
    end
  end)
end

--- An `it` that does so.
function M.explored(title, body, check, seeds)
  busted.it(title, function() M.explore(body, check, seeds) end)
end

--- The same for body(run), which returns "done" when it was not cancelled. What
-- it gives to run:guarded(fn, ...) has to be cleaned up however it ends; its
-- list run.log holds then all of `expected`, and else the beginning of it.
function M.survives(title, expected, body, seeds)
  local run
  M.explored(title .. " survives a cancel at every await", function()
    run = { begun = 0, ended = 0, log = {} }
    function run.guarded(self, fn, ...)
      self.begun = self.begun + 1
      return tide.finally(fn, function()
        tide.sleep(0.01)
        self.ended = self.ended + 1
      end, ...)
    end
    return body(run)
  end, function(outcome, where)
    assert.equal(run.begun, run.ended, where)
    for i, entry in ipairs(run.log) do
      assert.equal(expected[i], entry, where)
    end
    assert.is_nil(tide.current_scope(), where)
    if not outcome.hit then
      assert.equal("done", outcome[1], where)
      assert.equal(#expected, #run.log, where)
    end
  end, seeds)
end

--- How to start the Lua that runs this.
function M.interpreter()
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  return arg[first]
end

--- Runs code in a process of its own: its output, both streams, and exit status.
-- `before` is what the shell is to do first.
function M.child(code, before)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(code)
  file:close()
  local pipe = assert(io.popen(("%s; if command -v timeout >/dev/null; then t='timeout 20'; fi; " ..
    "$t %s %s </dev/null 2>&1; echo \"exit $?\""):format(before or ":", M.interpreter(), name)))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(name)
  local text, status = output:match("^(.*)exit (%d+)\n$")
  return text, tonumber(status)
end

return M
