-- A tour of tide: tasks, time, cancellation. Prints the same every time.
local tide = require "tide"

-- pcall is fine for Lua 5.2 and later; tide.pcall is the same there, and lets
-- tasks await inside it on 5.1 too.
local pcall = tide.pcall

local function title(text)
  print("* " .. text)
end

tide.run(function()
  title "Tasks run side by side; await gives their results"
  local function fetch(name, seconds)
    tide.sleep(seconds)
    print("  got " .. name)
    return name:upper()
  end
  local slow = tide.task(fetch, "slow", 0.02)
  local fast = tide.task(fetch, "fast", 0.01)
  print("  " .. slow:await() .. " " .. fast:await())

  title "sleep(0) gives the others a turn"
  local function count(name)
    for i = 1, 3 do
      print("  " .. name .. i)
      tide.sleep(0)
    end
  end
  local a, b = tide.task(count, "a"), tide.task(count, "b")
  a:await()
  b:await()

  title "An error travels to whoever awaits the task, unchanged"
  local failing = tide.task(function()
    tide.sleep(0.001)
    error({ code = 404 })
  end)
  local ok, err = pcall(failing.await, failing)
  print("  " .. tostring(ok) .. " " .. err.code)

  title "timeout raises, move_on_after goes on"
  ok, err = pcall(tide.timeout, 0.01, tide.sleep, 60)
  print("  " .. tostring(ok) .. " " .. tostring(err))
  print("  " .. tostring(tide.move_on_after(0.01, tide.sleep, 60)))
  print("  " .. tostring(select(2, tide.move_on_after(60, tide.sleep, 0.001, "in time"))))

  title "A cancelled task raises where it waits; finally cleans up, awaits and all"
  local worker = tide.task(function()
    tide.finally(function()
      tide.sleep(60)
    end, function(why)
      tide.sleep(0.001)
      print("  cleaned up after " .. tostring(why))
    end)
  end)
  tide.sleep(0) -- let it start
  worker:cancel("not needed")
  ok = pcall(worker.await, worker)
  print("  " .. tostring(ok) .. " " .. tostring(worker:cancelled()))

  title "pcall does not make a task immortal: the next await raises again"
  local stubborn = tide.task(function()
    for try = 1, 3 do
      local slept = pcall(tide.sleep, 60)
      print(("  try %d: %s"):format(try, tostring(slept)))
    end
    return "gave in"
  end)
  tide.sleep(0)
  stubborn:cancel()
  print("  " .. stubborn:await())

  title "shield keeps a cancel out until the function returned"
  local saver = tide.task(function()
    tide.shield(function()
      tide.sleep(0.01)
      print("  saved")
    end)
    tide.sleep(0) -- the cancel arrives here
    print("  never printed")
  end)
  tide.sleep(0)
  saver:cancel()
  pcall(saver.await, saver)
  print("  " .. tostring(saver:cancelled()))

  title "A scope is what can be cancelled: here, a part of a task"
  print("  " .. tostring(select(2, tide.scope(function(scope)
    tide.loop():call_later(0.01, function()
      scope:cancel("the button was pressed")
    end)
    tide.sleep(60)
  end))))

  title "wait_for: a deadline for a task of somebody else's"
  local report = tide.task(tide.sleep, 60)
  err = select(2, pcall(tide.wait_for, report, 0.01))
  print("  " .. tostring(tide.is(err, tide.TimeoutError)) .. " " .. tostring(report:cancelled()))
  print("  " .. tide.wait_for(function()
    return tide.sleep(0.001, "well within")
  end, 60))

  title "park: wait for anything that can call a function"
  print("  " .. tide.park(function(wake)
    local timer = tide.loop():call_later(0.01, wake, "woken by a callback")
    return function()
      timer:cancel()
    end
  end))
end)
