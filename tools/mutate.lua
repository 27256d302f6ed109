-- One fault of test/mutants/list.lua.
-- Usage: mutate.lua count | check | name N | file N | apply N TREE

local list = dofile "test/mutants/list.lua"
local what, n, tree = arg[1], tonumber(arg[2]), arg[3]

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

--- Where `part` stands in the text: there has to be one place.
local function find(text, part)
  local from, to = text:find(part, 1, true)
  if not from then
    return nil, "it is not there"
  elseif text:find(part, to + 1, true) then
    return nil, "it is there more than once"
  end
  return from, to
end

--- Its text, and where what it changes is. Ends the program if that is not so.
local function open(mutant, path)
  local text = read(path)
  local from, to = find(text, mutant[3])
  if not from then
    io.stderr:write(("%s: %s: %s\n"):format(mutant[1], mutant[2], to))
    os.exit(1)
  end
  return text, from, to
end

local function apply(mutant, path)
  local text, from, to = open(mutant, path)
  local file = assert(io.open(path, "w"))
  file:write(text:sub(1, from - 1), mutant[4], text:sub(to + 1))
  file:close()
end

--- The code may have gone on without them.
local function check()
  for _, mutant in ipairs(list) do
    open(mutant, mutant[2])
  end
end

if what == "count" then
  print(#list)
elseif what == "check" then
  check()
elseif what == "name" then
  print(list[n][1])
elseif what == "file" then
  print(list[n][2])
elseif what == "apply" then
  apply(list[n], tree .. "/" .. list[n][2])
end
