--- What the specs of tide.debug share.

local debugging = require "tide.debug"
local tide = require "tide"

local M = {}

--- The place of the line that calls this.
function M.line()
  local info = debug.getinfo(2, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

--- What debug.tasks tells of the task.
function M.entry_of(task)
  for _, entry in ipairs(debugging.tasks()) do
    if entry.task == task then
      return entry
    end
  end
end

--- A task of fn that has run until its first await.
function M.started(name, fn, ...)
  local task = tide.task(fn, ...):set_name(name)
  tide.sleep(0)
  return task
end

return M
