--- What the specs of semaphores share.

local tide = require "tide"

local M = {}

--- A task that acquires, appends its name to log, and keeps the permit.
function M.acquirer(sem, log, name)
  return tide.task(function()
    sem:acquire()
    log[#log + 1] = name
  end)
end

--- As many as there are names, parked in sem.
function M.acquirers(sem, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = M.acquirer(sem, log, name)
  end
  tide.sleep(0)
  return tasks
end

function M.said(log)
  return table.concat(log, " ")
end

return M
