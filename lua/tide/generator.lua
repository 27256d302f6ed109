--- Generators: iterators written as functions, which may await.
--
-- fn runs in a coroutine of tide.coroutine, so its awaits suspend the task that
-- calls the generator. It is suspended only in its yield, and never with a scope
-- open: that scope would go on around whatever its caller does (PEP 789).

local core = require "tide.core"
local cothread = require "tide.coroutine"

core.own_chunk()

local protected, note = cothread.xpcall, core.note
local create, resume, status = cothread.create, cothread.resume, cothread.status
local running, native_yield = cothread.running, cothread.yield
local misuse, scope_id = core.misuse, core.scope_id

---@class tide.Generator
---@field private co thread? nil: it has ended
---@field private fn tide.Callable? nil: it has begun
---@field private yield function? what fn is given
---@field private state "fresh"|"running"|"suspended"|"ended"
---@field private scope number the innermost scope around the last resume
---@field private closing tide.Error? what its yield is to raise
local Generator = {}
local Generator_mt = { __index = Generator, __name = "tide.Generator" }

local function body(fn, yield)
  fn(yield)
end

if cothread.close then
  -- An error leaves fn inside the coroutine, so that `<close>` variables of fn
  -- may await.
  function body(fn, yield)
    local ok, err = protected(fn, note, yield)
    if not ok then
      error(err, 0)
    end
  end
end

--- The yield of a generator. What it passes is marked by the generator, which
-- tells it from what fn gives to coroutine.yield.
local function yield_of(self)
  return function(...)
    local first = ...
    if self.state ~= "running" or running() ~= self.co then
      misuse("'yield' cannot be called outside of its generator")
    elseif first == nil then
      misuse("bad argument #1 to 'yield' (value expected, got nil, which ends the loop)")
    elseif scope_id() ~= self.scope then
      misuse("'yield' cannot be called inside a scope, timeout, shield or group that the " ..
        "generator has open")
    end
    native_yield(self, ...)
    if self.closing then
      error(self.closing, 0)
    end
  end
end

local function check(self, name)
  if getmetatable(self) ~= Generator_mt then
    misuse(("calling '%s' on bad self (Generator expected, got %s)"):format(name, type(self)))
  elseif self.state == "running" then
    misuse(("'%s': the generator is running"):format(name))
  end
end

local function finish(self)
  local co = self.co
  self.state, self.co, self.yield = "ended", nil, nil
  return co
end

--- It did not yield: fn returned or failed.
local function leave(self, ok, err)
  local co = finish(self)
  if not ok then
    error(note(err, co), 0)
  elseif status(co) ~= "dead" then
    misuse("a generator has to call the yield that it was given, not coroutine.yield")
  end
end

local function run(self)
  local fn, yield = self.fn, self.yield
  self.state, self.scope, self.fn = "running", scope_id(), nil
  return resume(self.co, fn, yield)
end

local function values(self, ok, mark, ...)
  if ok and rawequal(mark, self) then
    self.state = "suspended"
    return ...
  end
  leave(self, ok, mark)
  return nil
end

--- The next values; nil when fn has returned.
function Generator_mt:__call()
  check(self, "Generator")
  if self.state == "ended" then
    return nil
  end
  return values(self, run(self))
end

local function closed(self, ok, mark)
  if ok and rawequal(mark, self) then
    finish(self)
    misuse("generator ignored close")
  elseif ok or not rawequal(mark, self.closing) then
    return leave(self, ok, mark)
  end
  finish(self)
end

--- Raises CancelledError at the yield of fn and waits for its end.
function Generator:close()
  check(self, "Generator:close")
  if self.state ~= "suspended" then
    finish(self)
    return
  end
  self.closing = core.CancelledError("the generator was closed")
  closed(self, run(self))
end

Generator_mt.__close = Generator.close

function Generator_mt:__tostring()
  return ("Generator<%s>"):format(self.state)
end

local M = {}

--- `for v in generator(function(yield) ... end) do`. The generator comes four
-- times over so that a `for` of Lua 5.4 closes it.
function M.generator(fn)
  core.check_callable(fn, 1, "tide.generator")
  local self = setmetatable({ co = create(body), fn = fn, state = "fresh" }, Generator_mt)
  self.yield = yield_of(self)
  return self, nil, nil, self
end

return M
