-- Coroutines of a task's own that await.
local tide = require "tide"

local cothread = tide.coroutine

local function body(...)
  tide.sleep(0)
  local got = cothread.yield(1, ...)
  tide.timeout(5, tide.sleep, 1)
  return "end", got
end

return function()
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
  tide.pcall(tide.sleep, 0)
end
