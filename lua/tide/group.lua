--- Groups: tasks that have ended when the function that started them returns.

local core = require "tide.core"
local scope = require "tide.scope"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local unpack = table.unpack or unpack
local note, group_enter, group_leave = core.note, core.group_enter, core.group_leave
local Group = core.Group

local M = {}

--- Waits for all tasks, those too that come meanwhile. When nothing can ever end
-- them that is an error of the body, which cancels them; the next time they are
-- left.
local function join(group)
  local hopeless = false
  while true do
    local more, deadlock = core.group_join(group)
    if not more or (deadlock and hopeless) then
      return
    elseif deadlock then
      hopeless = true
      core.group_fail(group, deadlock)
    end
  end
end

local function leave(group, ok, ...)
  local raised = ...
  if not ok then
    pcall(core.group_fail, group, raised) -- without memory it only cancels
  end
  join(group)
  local failed, err, _ = group_leave(group, not ok, raised) -- _ is held
  if failed then
    error(err, 0)
  elseif ok then
    return ...
  end
end

--- Calls `fn(group, ...)`, waits for all tasks of the group; the results of `fn`.
-- The first error cancels the others; one is raised unchanged, several as an
-- ErrorGroup. Without `fn`: a Group for `local g <close> =`.
function M.group(fn, ...)
  if fn == nil and select("#", ...) == 0 then
    scope.check_close("tide.group")
    return group_enter("tide.group", false)
  end
  core.check_callable(fn, 1, "tide.group")
  local group = group_enter("tide.group", true)
  return leave(group, protected(fn, note, group, ...))
end

--- An error can be replaced here, but not swallowed.
function core.GroupClass.__close(group, err)
  if err ~= nil then
    pcall(core.group_fail, group, err)
  end
  if core.can_wait() then
    join(group)
  elseif not core.group_abandon(group) then
    return -- its coroutine is closed: it ends with that
  end
  local failed, other, own, reason = group_leave(group, err ~= nil, err)
  if failed then
    error(other, 0)
  elseif own then
    error(core.ScopeCancelled { message = "the group was cancelled", reason = reason }, 0)
  end
end

-- ---- start

--- The task begins in a group inside the caller's own scopes; `started` moves it,
-- so that this group has ended.
local function start(group, fn, ...)
  local values, task
  local function started(...)
    if values then
      core.misuse("'started' was called already")
    end
    values = { n = select("#", ...), ... }
    core.group_move(group, task)
  end
  M.group(function(starting, ...)
    core.group_start(starting, group)
    task = starting:task(fn, started, ...)
  end, ...)
  if values then
    return unpack(values, 1, values.n)
  elseif task:cancelled() then
    return task:result()
  end
  core.misuse("'Group:start': the task ended before it called 'started'")
end

--- Starts `fn(started, ...)` as a task of the group and waits until it calls
-- `started(...)`: what that was given.
function Group:start(fn, ...)
  core.check_group(self, "Group:start")
  core.check_callable(fn, 2, "Group:start")
  core.check_task("Group:start")
  return start(self, fn, ...)
end

return M
