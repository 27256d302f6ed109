--- Makes a program that fails smaller, as long as it fails.

local M = {}

local function copy(value)
  if type(value) ~= "table" then
    return value
  end
  local new = {}
  for key, item in pairs(value) do
    new[key] = copy(item)
  end
  return new
end

--- All lists of operations in the program, the outer ones first.
local function lists(program)
  local all = { program.body }
  local i = 1
  while all[i] do
    for _, op in ipairs(all[i]) do
      for _, name in ipairs { "body", "cleanup", "arms" } do
        if op[name] then
          all[#all + 1] = op[name]
        end
      end
    end
    i = i + 1
  end
  return all
end

--- Changes one operation; true if it has changed anything.
local changes = {
  function(list, i) -- leaves it out
    table.remove(list, i)
    return true
  end,
  function(list, i) -- does what is in it instead
    local op = table.remove(list, i)
    if not op.name or not op.body then -- it has none, or is an arm of a gather
      return false
    end
    for j, inner in ipairs(op.body) do
      table.insert(list, i + j - 1, inner)
    end
    return true
  end,
  function(list, i)
    local op = list[i]
    local had = op.catch
    op.catch = nil
    return had
  end,
  function(list, i) -- reasons say which cancel it was
    local op = list[i]
    local had = op.reason
    op.reason = nil
    return had
  end,
  function(list, i)
    local op = list[i]
    if not op.ms or op.ms == 0 then
      return false
    end
    op.ms = 0
    return true
  end,
  function(list, i)
    local op = list[i]
    if not op.ms or op.ms <= 1 then
      return false
    end
    op.ms = 1
    return true
  end,
}

--- Half a list at once.
local function drop_half(list, which)
  local n = #list
  if n < 2 then
    return false
  end
  local from = which == 1 and 1 or math.floor(n / 2) + 1
  for _ = 1, math.floor(n / 2) do
    table.remove(list, from)
  end
  return true
end

--- Tries change(list, ...) on copies: the first that fails still, or nil.
local function try(program, at, fails, change, ...)
  local smaller = copy(program)
  if change(lists(smaller)[at], ...) and fails(smaller) then
    return smaller
  end
end

local function once(program, fails)
  if program.shuffle then
    local plain = copy(program)
    plain.shuffle = nil
    if fails(plain) then
      return plain
    end
  end
  for at, list in ipairs(lists(program)) do
    local smaller = try(program, at, fails, drop_half, 1) or try(program, at, fails, drop_half, 2)
    for i = #list, 1, -1 do
      for _, change in ipairs(changes) do
        smaller = smaller or try(program, at, fails, change, i)
      end
    end
    if smaller then
      return smaller
    end
  end
end

--- `fails(program)`: whether it does. For so many seconds at most.
function M.shrink(program, fails, seconds)
  local ends = os.clock() + seconds
  local smaller = program
  while smaller and os.clock() < ends do
    program = smaller
    smaller = once(program, fails)
  end
  return program
end

return M
