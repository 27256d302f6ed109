--- Finalisers at each place where a call allocates, one place after the other.

local testing = require "tide.testing"

local support = require "spec.support"

local M = {}

local armed, count, wanted, action

--- A finaliser that runs at the next place. 5.2 puts the collector off when it is
-- due in a finaliser; but what a table grows by makes it due at the place after
-- that.
local function at_next_place(fn)
  local t = {} -- luacheck: ignore 241 (what matters is that it grows)
  support.when_collected(fn)
  for i = 1, 300 do
    t[i] = true
  end
end

--- Is collected at each place, and made anew.
local function fire()
  if not armed then
    return
  end
  count = count + 1
  if count == wanted then
    armed = false
    action()
  else
    at_next_place(fire)
  end
end

--- From here on whatever may collect does so, all of it.
local function collect_always()
  local pause = collectgarbage("setpause", 0)
  local stepmul = collectgarbage("setstepmul", 1000)
  if _VERSION == "Lua 5.4" then
    collectgarbage("incremental", 0, 0, 100)
  else
    collectgarbage("setstepmul", 1000000)
  end
  collectgarbage()
  return pause, stepmul
end

local function collect_as_before(pause, stepmul)
  collectgarbage("setpause", pause)
  collectgarbage("setstepmul", stepmul)
  if _VERSION == "Lua 5.4" then
    collectgarbage("incremental", 0, 0, 13)
  end
end

-- Each costs a collection of everything at all places before it.
local ALL, STRIDE = 8, 7

--- Calls fn(arm, disarm) again and again, as a task on a virtual clock: a
-- finaliser calls the function that `arm` is given, at first at the first place
-- after that where the collector may run, then at the second, and beyond the
-- eighth at each seventh, until there are no more before `disarm`. Returns whether
-- it was called at all.
function M.each(fn)
  local reached
  wanted = 0
  repeat
    local pause, stepmul
    local function arm(f)
      action, count = f, 0
      pause, stepmul = collect_always()
      armed = true
      at_next_place(fire)
    end
    local function disarm()
      armed = false
      if pause then
        collect_as_before(pause, stepmul)
        pause = nil
      end
    end
    wanted, count = wanted + (wanted < ALL and 1 or STRIDE), 0
    local ok, err = pcall(testing.run, function() fn(arm, disarm) end)
    disarm()
    if not ok then
      error(("at place %d: %s"):format(wanted, tostring(err)), 0)
    end
    reached = count == wanted
  until not reached
  return wanted > 1
end

return M
