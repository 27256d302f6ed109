-- Coroutines of a task's own that await.
local tide = require "tide"

local cothread = tide.coroutine

local function body(...)
  tide.sleep(0)
  local got = cothread.yield(1, ...)
  tide.timeout(5, tide.sleep, 1)
  return "end", got
end

--- A sleep in n coroutines, each inside the next.
local function deep(n)
  return n == 0 and tide.sleep or cothread.wrap(deep(n - 1))
end

--- Whatever failed before, the task may wait.
local function check_wait()
  local ok, why = tide.pcall(tide.sleep, 0)
  assert(ok or tostring(why):find "memory")
end

return function()
  tide.pcall(deep(9), 1)
  check_wait()
  local co = cothread.create(body)
  local ok, one, two = cothread.resume(co, 2)
  if ok then
    assert(one == 1 and two == 2)
    local word
    ok, word, two = cothread.resume(co, "two")
    assert(not ok or word == "end" and two == "two")
  end
  assert(cothread.status(co) == "dead")
  assert(cothread.wrap(function()
    return cothread.wrap(function()
      tide.sleep(1)
      return cothread.yield("inner") or "none"
    end)()
  end)() == "inner")
  cothread.resume(cothread.create(function()
    tide.sleep(0)
    error { "failed" }
  end))
  tide.move_on_after(1, cothread.wrap(tide.sleep), 5)
  check_wait()
end
