--- Task-local variables.
--
-- The values of all vars are in the context of the task: a table that is never
-- changed, so that tasks and callbacks share it. A set puts a changed copy in
-- its place.

local core = require "tide.core"

core.own_chunk()

local context, set_context, owner = core.context, core.set_context, core.context_owner

local NIL = {} -- stands for nil in a context

---@class tide.Var
---@field private default any
local Var = {}
local Var_mt = { __index = Var, __name = "tide.Var" }

---@class tide.Token
---@field private var tide.Var? nil: it has been used
---@field private before any what was in the context
---@field private owner number the task or callback in which it was made
---@field private serial number
local Token_mt = { __name = "tide.Token" }

local function check(self, name)
  if getmetatable(self) ~= Var_mt then
    core.misuse(("calling '%s' on bad self (Var expected, got %s)"):format(name, type(self)))
  end
end

--- A copy of the context in which var is `value`; nil: not set.
local function put(var, value)
  local copy = {}
  for key, other in pairs(context() or {}) do
    copy[key] = other
  end
  copy[var] = value
  set_context(copy)
end

--- What was set here or where this was started; else the default.
function Var:get()
  check(self, "Var:get")
  local values = context()
  local value = values and values[self]
  if value == nil then
    return self.default
  elseif value == NIL then
    return nil
  end
  return value
end

--- Sets it in this task or callback; a token for `reset`.
function Var:set(value)
  check(self, "Var:set")
  local values = context()
  local id, serial = owner()
  local token = setmetatable({ var = self, before = values and values[self], owner = id,
    serial = serial }, Token_mt)
  if value == nil then
    value = NIL
  end
  put(self, value)
  return token
end

local function check_token(self, token)
  if getmetatable(token) ~= Token_mt then
    core.misuse(("bad argument #1 to 'Var:reset' (Token expected, got %s)"):format(type(token)))
  elseif token.var == nil then
    core.misuse("bad argument #1 to 'Var:reset' (the token has been used)")
  elseif token.var ~= self then
    core.misuse("bad argument #1 to 'Var:reset' (the token is another var's)")
  end
  local id, serial = owner()
  if token.owner ~= id or token.serial ~= serial then
    core.misuse("bad argument #1 to 'Var:reset' (the token was made in another task or callback)")
  end
end

--- Puts back what was before the set that returned this token.
function Var:reset(token)
  check(self, "Var:reset")
  check_token(self, token)
  put(self, token.before)
  token.var = nil
end

function Var_mt:__tostring()
  return ("Var<value %s>"):format(tostring(self:get()))
end

function Token_mt:__tostring()
  return self.var and "Token<unused>" or "Token<used>"
end

local M = {}

--- A variable that each task has for itself.
function M.var(default)
  return setmetatable({ default = default }, Var_mt)
end

return M
