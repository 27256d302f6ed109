--- Runs the programs of a row, in turns, and takes medians or the best.

local shell = require "bench.shell"
local systems = require "bench.systems"

local measure = {}

local function median(list)
  table.sort(list)
  return list[math.floor((#list + 1) / 2)]
end

--- Runs each of {command =, outputs =} in turns.
local function alternate(programs, rounds)
  for _ = 1, rounds do
    for _, program in ipairs(programs) do
      program.outputs[#program.outputs + 1] = shell.numbers(program.command)
    end
  end
end

--- Of the `value`-th numbers that a program printed: the median, or the "least" or
-- the "most".
function measure.figure(program, value, best)
  local list = {}
  for _, numbers in ipairs(program and program.outputs or {}) do
    list[#list + 1] = numbers[value or 1]
  end
  local middle = median(list)
  if best then
    return best == "most" and list[#list] or list[1]
  end
  return middle
end

local function add(programs, label, command)
  if command then
    local program = { label = label, command = command, outputs = {} }
    programs[#programs + 1] = program
    return program
  end
end

--- Adds the row's peers, those in a Lua or those elsewhere.
local function add_peers(programs, lua, row)
  for _, peer in ipairs(row.peers or {}) do
    local name = peer[1] or peer
    if systems.is_inside(name) == (lua ~= nil) then
      local n = name == "coroutines" and row.n or row.few or row.n
      add(programs, peer.label or name, systems.command(lua, name, peer.run or row.run, n))
    end
  end
end

--- The peers that no Lua runs: measured once, beside all Luas.
function measure.elsewhere(row, rounds)
  local programs = {}
  add_peers(programs, nil, row)
  alternate(programs, rounds)
  return programs
end

--- Floor, tide and the peers in one Lua: the peers, and floor and ours by name.
function measure.inside(lua, row, rounds)
  local programs = {}
  local floor = row.floor and
    add(programs, "floor", systems.command(lua, row.floor, row.floor_run or row.run, row.n))
  local ours = add(programs, "ours", systems.command(lua, row.ours or "tide", row.run, row.n))
  local first_peer = #programs + 1
  add_peers(programs, lua, row)
  alternate(programs, rounds)
  local result = { floor = floor, ours = ours }
  for i = first_peer, #programs do
    result[#result + 1] = programs[i]
  end
  return result
end

return measure
