--- What several specs need.

local assert = require "luassert"
local tide = require "tide"

local pcall = tide.pcall

local M = {}

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

--- How many seeds an explore spec tries.
function M.seeds()
  return tonumber(os.getenv("SEEDS")) or ((_VERSION == "Lua 5.4" or jit) and 200 or 20)
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
