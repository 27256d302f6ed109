--- tide.signal: waiting for signals.

local core = require "tide.core"

core.own_chunk()

local signal = {}

--- wait(name, ...): the name of the one that comes first.
function signal.wait(...)
  local signals, message, code = core.signals(true, ...)
  if not signals then
    return nil, message, code
  end
  return signals:wait()
end

--- For `for name in iter(name, ...) do`: each as it comes, from now on. It comes
-- four times over so that a `for` of Lua 5.4 closes it.
function signal.iter(...)
  local signals, message, code = core.signals(false, ...)
  if not signals then
    return nil, message, code
  end
  return signals, nil, nil, signals
end

return signal
