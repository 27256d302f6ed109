--- What tide.luv and tide.love have in common: options.

local core = require "tide.core"

core.own_chunk()

local M = {}

M.BUDGET = 0.004 -- seconds a step, where none is given

local function budget(value)
  return type(value) == "number" and value >= 0, "budget: seconds expected"
end

--- The table of options that `name` was given, or a new one; misuse is told.
-- `checks` are those besides `budget`: option -> whether the value will do, and
-- what is expected.
function M.options(name, options, checks)
  local bad = ("bad argument #1 to '%s' (%%s)"):format(name)
  if options == nil then
    options = {}
  elseif type(options) ~= "table" then
    core.misuse(bad:format("table expected, got " .. type(options)))
  end
  for key, value in pairs(options) do
    local check = key == "budget" and budget or checks[key]
    if not check then
      core.misuse(bad:format(("unknown option '%s'"):format(tostring(key))))
    end
    local ok, expected = check(value)
    if not ok then
      core.misuse(bad:format(expected))
    end
  end
  return options
end

--- The loop, which the main program must not drive from now on.
function M.take(name)
  if core.is_running() then
    core.misuse(("'%s' cannot be called while the loop runs: call it outside of tasks")
      :format(name))
  end
  local loop = core.loop()
  loop:set_blocking(false)
  return loop
end

return M
