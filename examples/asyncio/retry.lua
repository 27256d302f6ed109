-- Retry with exponential back-off and a limit for each attempt.
local tide = require "tide"
local pcall = tide.pcall

local function retry(times, fn, ...)
  local delay = 0.001
  for attempt = 1, times do
    local ok, result = pcall(tide.timeout, 0.01, fn, ...)
    if ok then
      return result
    elseif tide.is_cancelled(result) or attempt == times then
      error(result, 0)
    end
    print(("attempt %d: %s; again in %d ms"):format(attempt, tostring(result), delay * 1000))
    tide.sleep(delay)
    delay = delay * 2
  end
end

tide.run(function()
  local calls = 0
  local function flaky()
    calls = calls + 1
    if calls == 1 then
      error("refused", 0)
    elseif calls == 2 then
      tide.sleep(60)
    elseif calls == 3 then
      error("busy", 0)
    end
    return "done after " .. calls
  end
  print(retry(5, flaky))
end)
