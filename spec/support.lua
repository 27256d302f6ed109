--- What several specs need.

local assert = require "luassert"
local tide = require "tide"

local pcall = tide.pcall

local M = {}

--- The seeds of explore: as many as the environment says, or as are quick.
function M.seeds()
  return tonumber(os.getenv("SEEDS")) or ((_VERSION == "Lua 5.4" or jit) and 200 or 20)
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

--- How to start the Lua that runs this.
function M.interpreter()
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  return arg[first]
end

--- Runs code in a process of its own: its output, both streams, and exit status.
function M.child(code)
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(code)
  file:close()
  local pipe = assert(io.popen(("if command -v timeout >/dev/null; then t='timeout 20'; fi; " ..
    "$t %s %s </dev/null 2>&1; echo \"exit $?\""):format(M.interpreter(), name)))
  local output = pipe:read("*a")
  pipe:close()
  os.remove(name)
  local text, status = output:match("^(.*)exit (%d+)\n$")
  return text, tonumber(status)
end

return M
