-- Debug mode, the task tree, the timeline, signals.
local tide = require "tide"
local core = require "tide.core"
local see = require "tide.debug"

local name, read, came = os.tmpname(), io.read, 0

local function child(lock, fails)
  lock:acquire()
  tide.sleep(0.01)
  lock:release()
  if fails then
    error "failed"
  end
  return 1, 2
end

local function chain(n)
  if n == 0 then
    tide.sleep(0)
    error {}
  end
  return tide.task(chain, n - 1):await()
end

local function stubborn()
  for _ = 1, 3 do
    tide.pcall(tide.sleep, 1)
  end
end

local function main()
  local loop, lock = tide.loop(), tide.lock()
  tide.pcall(tide.group, function(group)
    for i = 1, 3 do
      group:task(child, lock, i == 2)
    end
    tide.sleep(0.01)
    see.tree()
    see.tasks()
  end)
  tide.pcall(tide.gather, tide.task(child, lock), tide.task(child, lock, true))
  local failed, slow = tide.task(chain, 3), tide.task(stubborn)
  tide.pcall(failed.await, failed)
  failed:traceback()
  slow:cancel()
  tide.sleep(0)
  loop:call_later(0.01, io.read, 1)
  loop:call_later(9, io.read)
  loop:call_soon(error, "callback")
  tide.task(error, "unseen")
  core.send_signal("SIGUSR1")
  io.read()
  tide.task(tide.sleep, 9)
  tide.sleep(0.05)
end

--- After all, each of these does what it does.
local function check()
  local loop = tide.loop()
  loop:set_debug(false)
  loop:set_debug(true)
  assert(io.read ~= read)
  loop:set_debug(false)
  see.trace() -- ends one that is left
  local trace = assert(see.trace(name))
  assert(tide.run(function() return tide.task(child, tide.lock()):await() end) == 1)
  assert(trace:stop() and #see.tasks() == 0)
  came = 0
  core.on_signal("SIGUSR1", function() came = came + 1 end)
  core.send_signal("SIGUSR1")
  tide.run(tide.sleep, 0.2)
  core.on_signal("SIGUSR1", nil)
  assert(came == 1)
  local reports = 0
  loop:set_exception_handler(function() reports = reports + 1 end)
  tide.run(function()
    tide.task(error, "x")
    tide.sleep(0)
  end)
  collectgarbage()
  tide.run(tide.sleep, 0.1)
  assert(reports > 0)
  loop:close()
  os.remove(name)
end

return {
  bare = true,
  prepare = function()
    io.read = function() end -- so debug mode has something to replace
    read = io.read
    core.on_signal("SIGUSR1", function() end)
    tide.loop():set_exception_handler(function(report) error { report } end)
  end,
  main = function()
    tide.loop():set_debug(true)
    local trace = see.trace(name)
    pcall(tide.run, main)
    see.tree()
    trace:stop()
    tide.loop():set_debug(false)
  end,
  before = function()
    tide.loop():set_debug(false)
  end,
  after = check,
}
