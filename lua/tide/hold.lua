--- hold: how a class that has `acquire` and `__close` gets its method `with`.

local core = require "tide.core"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local function leave(close, resource, ok, ...)
  local err = ...
  if ok then
    close(resource)
    return ...
  end
  close(resource, err)
  error(err, 0)
end

--- A method that acquires, calls `fn(...)` and closes whatever happened; its
-- results. `check(self, function)` refuses what is not of the class.
return function(name, check)
  return function(self, fn, ...)
    check(self, name)
    core.check_callable(fn, 2, name) -- counts self
    local close = getmetatable(self).__close -- later there may be no memory for it
    self:acquire()
    return leave(close, self, protected(fn, core.note, ...))
  end
end
