--- Task-local variables.
--
-- The values of all vars are in the context of the task, which is never changed,
-- so that tasks and callbacks share it: a set puts another in its place. It is a
-- tree, of which only the way to the value is copied: a leaf has the values of
-- WIDTH vars, by their numbers from 0, and the nodes above have trees of `span`
-- vars each. With few vars it is one leaf.

local core = require "tide.core"

core.own_chunk()

local context, set_context, owner = core.context, core.set_context, core.context_owner

local WIDTH = 32
local NIL = {} -- stands for nil in a context

core.vars = core.vars or 0 -- how many there are: this file may be loaded again

---@class tide.Var
---@field private default any
---@field private number number from 0
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

--- nil: not set.
local function find(tree, number)
  if tree == nil or number >= tree.span * WIDTH then
    return nil
  end
  while tree and tree.span > 1 do
    local rest = number % tree.span
    tree, number = tree[(number - rest) / tree.span], rest
  end
  return tree and tree[number]
end

--- A tree that differs from this one in that value.
local function changed(tree, number, value)
  local copy, span = {}, tree.span
  for key, other in pairs(tree) do
    copy[key] = other
  end
  if span == 1 then
    copy[number] = value
  else
    local rest = number % span
    local place = (number - rest) / span
    copy[place] = changed(tree[place] or { span = span / WIDTH }, rest, value)
  end
  return copy
end

--- Puts a context in place in which var is `value`; nil: not set.
local function put(var, value)
  local tree = context() or { span = 1 }
  while var.number >= tree.span * WIDTH do
    tree = { span = tree.span * WIDTH, [0] = tree }
  end
  set_context(changed(tree, var.number, value))
end

--- What was set here or where this was started; else the default.
function Var:get()
  check(self, "Var:get")
  local value = find(context(), self.number)
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
  local id, serial = owner()
  local token = setmetatable({ var = self, before = find(context(), self.number), owner = id,
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
  local number = core.vars
  core.vars = number + 1
  return setmetatable({ default = default, number = number }, Var_mt)
end

return M
