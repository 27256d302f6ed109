--- socket.select: LuaSocket's tells what is ready, tide.poll waits before that.

local tide = require "tide"
local core = require "tide.core"
local raw = require("tide.luasocket.private").real "socket.core"

core.own_chunk()

--- descriptor -> what is asked of it
local function add(wanted, list, events)
  for _, object in ipairs(list or {}) do
    local fd = object:getfd()
    if fd and fd >= 0 then
      wanted[fd] = wanted[fd] == "r" and events == "w" and "rw" or wanted[fd] or events
    end
  end
end

local function wait_one(group, fd, events)
  tide.poll(fd, events)
  group:cancel()
end

local function wait_all(group, wanted)
  for fd, events in pairs(wanted) do
    group:task(wait_one, group, fd, events)
  end
  if next(wanted) == nil then
    tide.sleep(math.huge)
  end
end

--- Until the first is ready.
local function wait(readers, writers)
  local wanted = {}
  add(wanted, readers, "r")
  add(wanted, writers, "w")
  tide.group(wait_all, wanted)
end

local function check(arg, value, expected)
  if value ~= nil and type(value) ~= expected then
    local message = "bad argument #%d to 'select' (%s expected, got %s)"
    core.misuse(message:format(arg, expected, type(value)))
  end
end

--- select(readers, writers[, timeout]): those that are ready, of either; nothing
-- but "timeout" where none became so in time.
return function(readers, writers, timeout)
  local deadline
  check(1, readers, "table")
  check(2, writers, "table")
  timeout = tonumber(timeout) or timeout
  check(3, timeout, "number")
  if timeout ~= 0 then
    core.check_task "select"
    core.checkpoint()
  end
  if timeout and timeout >= 0 then
    deadline = tide.loop():time() + timeout
  end
  while true do
    local readable, writable, message = raw.select(readers, writers, 0)
    if message ~= "timeout" then
      return readable, writable, message
    end
    local left = deadline and deadline - tide.loop():time() or math.huge
    if left <= 0 then
      if timeout ~= 0 or pcall(core.check_task, "select") then
        tide.sleep(0) -- who looks again and again lets others run
      end
      return readable, writable, message
    end
    tide.move_on_after(left, wait, readers, writers)
  end
end
