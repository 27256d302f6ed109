--- What the specs of queues share.

local tide = require "tide"

local sleep = tide.sleep

local M = {}

--- A task that gets once and appends its name and what it got to log.
function M.getter(q, log, name)
  return tide.task(function()
    local item = q:get()
    log[#log + 1] = name .. "=" .. tostring(item)
  end)
end

--- A task that puts its name, and then appends it to log.
function M.putter(q, log, name)
  return tide.task(function()
    q:put(name, 0)
    log[#log + 1] = name
  end)
end

--- As many as there are names, waiting in q.
function M.waiters(make, q, log, names)
  local tasks = {}
  for name in names:gmatch("%S+") do
    tasks[#tasks + 1] = make(q, log, name)
  end
  sleep(0)
  return tasks
end

function M.said(log)
  return table.concat(log, " ")
end

--- All that can be got without waiting.
function M.drained(q)
  local items = {}
  repeat
    local item = q:get_nowait()
    items[#items + 1] = item ~= nil and tostring(item) or nil
  until item == nil
  return table.concat(items, " ")
end

return M
