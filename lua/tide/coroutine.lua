--- Lua's coroutine library, whose coroutines may await; and pcall and xpcall,
-- which on 5.1 run their function in such a coroutine, because there nothing
-- can yield across the built-in ones.

local core = require "tide.core"

core.own_chunk()

local native = coroutine
local native_close = native.close -- bin/tide puts ours in its place
local co_resume, co_status = core.co_resume, core.co_status

local M = {
  create = native.create,
  isyieldable = native.isyieldable,
  running = native.running,
  yield = core.co_yield,
  resume = co_resume,
  status = co_status,
}

if core.check_yield then -- LuaJIT
  local yield, check_yield = native.yield, core.check_yield
  function M.yield(...)
    check_yield()
    return yield(...)
  end
end

local function unwrap(co, ok, ...)
  if ok then
    return ...
  end
  local err = ...
  if M.close and co_status(co) == "dead" then
    M.close(co)
  end
  core.co_raise(err)
end

--- As Lua's: a function that resumes the coroutine and raises its errors.
function M.wrap(f)
  local co = native.create(f)
  return function(...)
    return unwrap(co, co_resume(co, ...))
  end
end

if native_close then
  --- As Lua's. One that awaits belongs to its task and cannot be closed.
  function M.close(co)
    if type(co) == "thread" and co_status(co) == "normal" then
      core.misuse("cannot close a normal coroutine")
    end
    core.drop_scopes(co)
    return native_close(co)
  end
end

M.pcall, M.xpcall = pcall, xpcall

core.plain = core.plain or { pcall = pcall } -- compat51 may have replaced it since

if _VERSION == "Lua 5.1" and not rawget(_G, "jit") then
  local pcall, xpcall = pcall, xpcall
  local yield, create, resume = native.yield, native.create, native.resume
  local in_coroutine, inner_resume = core.in_coroutine, core.inner_resume

  local KEPT = 64 -- coroutines that are used again, at most
  local idle, kept = {}, 0
  for i = 1, KEPT do
    idle[i] = false -- so that it need not grow when memory is short
  end

  -- What the coroutine yields first when its function has returned.
  local RETURNED = {}

  local function pass(...)
    return ...
  end

  local function call(f, ...)
    return pass(f(...))
  end

  -- A C function cannot be the body of a 5.1 coroutine that yields; and a body
  -- may be any callable. It does not end: making a coroutine costs more than
  -- all the rest. It waits for the next call without a value of the last one.
  local function body()
    while true do
      yield(RETURNED, call(yield()))
    end
  end

  local function keep(co, _, ...)
    if kept < KEPT and resume(co) then
      kept = kept + 1
      idle[kept] = co
    end
    return true, ...
  end

  local function inner()
    local co
    if kept > 0 then
      co = idle[kept]
      idle[kept] = false
      kept = kept - 1
    else
      co = create(body)
      local ok, err = resume(co)
      if not ok then -- a hook's error
        error(err, 0)
      end
    end
    return core.inner_coroutine(co)
  end

  -- What f itself yields goes to whoever resumed the coroutine that called
  -- pcall, and comes back from there.
  local function run(co, ok, ...)
    if not ok then
      return false, ...
    elseif ... == RETURNED then
      return keep(co, ...)
    end
    return run(co, inner_resume(co, yield(...)))
  end

  local function is_callable(f)
    return type(f) == "function" or (debug.getmetatable(f) or {}).__call ~= nil
  end

  --- In the main program, which does not yield, the built-in one will do.
  function M.pcall(f, ...)
    if not in_coroutine() or not is_callable(f) then
      return pcall(f, ...)
    end
    local ok, co = pcall(inner)
    if not ok then -- out of memory
      return false, co
    end
    return run(co, inner_resume(co, f, ...))
  end

  local function handle(handler, co, ok, ...)
    if ok then
      return true, ...
    end
    local traceback = handler == debug.traceback
    local _, message = pcall(handler, traceback and co or (...), traceback and (...) or co)
    return false, message
  end

  --- The handler runs after f, and gets the coroutine in which f failed, too.
  function M.xpcall(f, handler, ...)
    if not in_coroutine() then
      if select("#", ...) == 0 then
        return xpcall(f, handler)
      end
      local args, n = { ... }, select("#", ...)
      return xpcall(function() return f(unpack(args, 1, n)) end, handler)
    end
    if not is_callable(f) then
      return handle(handler, nil, pcall(f, ...))
    end
    local ok, co = pcall(inner)
    if not ok then
      return handle(handler, nil, false, co)
    end
    return handle(handler, co, run(co, inner_resume(co, f, ...)))
  end
end

return M
