--- Cancel scopes and what is made of them.
--
-- Each function has the same shape: enter a scope, call the function protected,
-- leave. scope_leave says whether the error that arrives was the scope's own
-- cancellation; any other error and all results pass unchanged.

local core = require "tide.core"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local check_callable, check_seconds = core.check_callable, core.check_seconds
local timeout_enter, scope_enter = core.timeout_enter, core.scope_enter
local plain_pcall = core.plain.pcall -- what it calls enters a scope of its caller
local scope_leave, note = core.scope_leave, core.note
local TimeoutError, ScopeCancelled = core.TimeoutError, core.ScopeCancelled

local M = {}

--- `local s <close> = ...` needs a `__close` that can await: 5.4.3 and later.
local can_close = (function()
  local load = loadstring or load
  local f = load("local x <close> = ...; return x")
  if not f then
    return false
  end
  local closer = setmetatable({}, { __close = function() coroutine.yield() end })
  local co = coroutine.create(function() f(closer) end)
  return (coroutine.resume(co)) and coroutine.status(co) == "suspended"
end)()

function M.check_close(name)
  if not can_close then
    core.misuse(("'%s' without a function needs `local x <close>`, of Lua 5.4.3 and later: " ..
      "give it a function"):format(name))
  end
end

--- Seconds or a point in time; nil: no limit.
local function check_limit(value, index, name)
  return value == nil and math.huge or check_seconds(value, index, name)
end

local function timed_out()
  return TimeoutError("the deadline passed")
end

local function was_cancelled(reason)
  return ScopeCancelled { message = "the scope was cancelled", reason = reason }
end

local function leave_raising(id, ok, ...)
  if ok then
    scope_leave(id, true)
    return ...
  end
  local err = ...
  local own, expired, reason = scope_leave(id, false, err)
  if not own then
    error(err, 0)
  elseif expired then
    error(timed_out(), 0)
  end
  error(was_cancelled(reason), 0)
end

--- Calls `fn(...)` here, under a deadline `seconds` from now: its results, or
-- TimeoutError; nil is no deadline. Without `fn`: a Scope for `local x <close> =`.
function M.timeout(seconds, fn, ...)
  if fn == nil and select("#", ...) == 0 then
    seconds = check_seconds(seconds, 1, "tide.timeout")
    M.check_close("tide.timeout")
    timeout_enter(seconds, "tide.timeout")
    return core.scope_object()
  end
  return leave_raising(timeout_enter(seconds, "tide.timeout", fn), protected(fn, note, ...))
end

--- The same with a point in time, as `loop():time()` tells it.
function M.timeout_at(when, fn, ...)
  if fn == nil and select("#", ...) == 0 then
    when = check_seconds(when, 1, "tide.timeout_at")
    M.check_close("tide.timeout_at")
    scope_enter(when, false, "tide.timeout_at")
    return core.scope_object()
  end
  when = check_limit(when, 1, "tide.timeout_at")
  check_callable(fn, 2, "tide.timeout_at")
  return leave_raising(scope_enter(when, false, "tide.timeout_at"), protected(fn, note, ...))
end

local function leave_move_on(id, ok, ...)
  if ok then
    scope_leave(id, true)
    return true, ...
  end
  local err = ...
  if scope_leave(id, false, err) then
    return false
  end
  error(err, 0)
end

--- Calls `fn(...)` here: true and its results, or false if `seconds` passed.
function M.move_on_after(seconds, fn, ...)
  return leave_move_on(timeout_enter(seconds, "tide.move_on_after", fn), protected(fn, note, ...))
end

local function leave_scope(id, ok, ...)
  if ok then
    scope_leave(id, true)
    return true, ...
  end
  local err = ...
  local own, expired, reason = scope_leave(id, false, err)
  if not own then
    error(err, 0)
  end
  if reason == nil and expired then
    reason = timed_out()
  end
  return false, reason
end

local function check_options(options)
  if type(options) ~= "table" then
    core.misuse(("bad argument #1 to 'tide.scope' (function or options expected, got %s)")
      :format(type(options)))
  end
  for key in pairs(options) do
    if key ~= "deadline" and key ~= "shield" then
      core.misuse(("bad argument #1 to 'tide.scope' (unknown option '%s')"):format(tostring(key)))
    end
  end
  if options.deadline ~= nil then
    check_seconds(options.deadline, 1, "tide.scope")
  end
end

local function enter_with(options)
  return scope_enter(options.deadline, options.shield, "tide.scope")
end

local function scope_with(options, count, fn, ...)
  if count == 0 then
    options = options or {}
    check_options(options)
    M.check_close("tide.scope")
    enter_with(options)
    return core.scope_object()
  end
  check_options(options)
  check_callable(fn, 2, "tide.scope")
  local id = enter_with(options)
  return leave_scope(id, protected(fn, note, core.scope_object(), ...))
end

--- `scope(fn, ...)` or `scope({deadline=, shield=}, fn, ...)`: calls
-- `fn(scope, ...)`: true and its results, or false and the reason if this scope
-- was cancelled or its deadline passed. `scope{...}` alone is for `<close>`.
function M.scope(options, ...)
  local count = select("#", ...)
  if core.is_callable(options) then
    local id = scope_enter(nil, false, "tide.scope")
    return leave_scope(id, protected(options, note, core.scope_object(), ...))
  end
  return scope_with(options, count, ...)
end

--- A Task or Future: waits for it; a cancel ends the waiting, it goes on. A
-- function: calls it here; cancels from outside wait until it returned.
function M.shield(aw, ...)
  if core.is_awaitable(aw) then
    return core.watch(aw)
  end
  check_callable(aw, 1, "tide.shield")
  return leave_raising(scope_enter(nil, true, "tide.shield"), protected(aw, note, ...))
end

--- Without memory for a shield it is called all the same.
local function call_cleanup(cleanup, err)
  local shielded, id = plain_pcall(scope_enter, nil, true, "tide.finally")
  if shielded then
    leave_raising(id, protected(cleanup, note, err))
  else
    cleanup(err)
  end
end

local function clean_up(cleanup, ok, ...)
  local err = ...
  if ok then
    call_cleanup(cleanup, nil)
    return ...
  end
  call_cleanup(cleanup, err)
  error(err, 0)
end

--- Calls `fn(...)`, then `cleanup(err)`, shielded, whatever happened; the
-- results or the error of `fn` pass on.
function M.finally(fn, cleanup, ...)
  check_callable(fn, 1, "tide.finally")
  check_callable(cleanup, 2, "tide.finally")
  core.check_task("tide.finally")
  return clean_up(cleanup, protected(fn, note, ...))
end

local function after_deadline(aw, ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if core.is_cancelled(err) and aw:cancelled() and not core.is_own_cancel(err) then
    error(timed_out(), 0)
  end
  error(err, 0)
end

local function leave_wait_for(id, aw, ok, ...)
  if ok then
    scope_leave(id, true)
    return ...
  end
  local err = ...
  if not scope_leave(id, false, err) then
    error(err, 0)
  end
  if not core.is_task(aw) or aw:cancelling() == 0 then -- others await it, too
    aw:cancel()
  end
  return after_deadline(aw, protected(aw.await, note, aw))
end

--- Waits for a function, Task or Future, at most `seconds`. At the deadline what
-- is awaited is cancelled and its end awaited, then TimeoutError is raised; a
-- value that it returns anyway wins. A function is not even called when
-- `seconds` <= 0.
function M.wait_for(aw, seconds)
  local is_awaitable = core.is_awaitable(aw)
  if not is_awaitable then
    check_callable(aw, 1, "tide.wait_for")
  end
  seconds = check_limit(seconds, 2, "tide.wait_for")
  if is_awaitable and not aw:done() then
    local id = timeout_enter(seconds, "tide.wait_for")
    return leave_wait_for(id, aw, protected(aw.await, note, aw))
  elseif is_awaitable then
    return aw:await()
  elseif seconds <= 0 then
    core.sleep(0)
    error(timed_out(), 0)
  end
  return leave_raising(timeout_enter(seconds, "tide.wait_for"), protected(aw, note))
end

return M
