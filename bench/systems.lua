--- What is measured: tide, its peers and the floors in C; how each is run, and
-- whether it is installed. `lua` below is a Lua as tools/luas tells of it:
-- {name, incdir, interpreter, library}.

local shell = require "bench.shell"

local OUT = "build/bench"

local systems = {}

--- Packages of peers that are not there.
systems.missing = {}

--- Where a Lua finds our modules: of this tree, built for it.
local function paths(lua)
  return ("LUA_PATH='./?.lua;lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/%s/?.so;;' ")
    :format(lua.name)
end

-- ---- programs in C

local built = {}

local function build(binary, command)
  if not built[binary] then
    assert(shell.succeeds(command:format(binary)), "could not be built: " .. binary)
    built[binary] = true
  end
  return binary
end

--- What `make` has compiled of the sources of a folder that are there now.
local function objects(sources, folder)
  return ("$(ls %s/*.c | sed 's|.*/\\(.*\\)c$|build/%s/obj/\\1o|')"):format(sources, folder)
end

local HOSTS = { frames = true, idle = true }

--- A program in bench/floors, linked with that Lua's library. Into a host tide
-- is linked, too.
local function floor(lua, name)
  local tide = HOSTS[name] and "-Iinclude " .. objects("runtime", "runtime") .. " " ..
    objects("bindings", lua.name) or ""
  return build(("%s/%s-%s"):format(OUT, name, lua.name),
    ("cc -O2 -Wall -Wextra -I'%s' bench/floors/%s.c %s -o %%s %s -luv -lpthread -lm -ldl")
      :format(lua.incdir, name, tide, lua.library))
end

local function stopwatch(n)
  return ("%s %d "):format(build(OUT .. "/startup", "cc -O2 bench/floors/startup.c -o %s"), n)
end

-- ---- peers

-- The system's, for which uvloop comes as a package.
local python = shell.installed("/usr/bin/python3") and "/usr/bin/python3" or "python3"

--- Those that run in each Lua, with the arguments that start them for nothing.
local INSIDE = {
  coroutines = { startup = "-e ''" },
  tide = { startup = "bin/tide -e ''" },
  luv = { package = "lua-luv", startup = "-e 'require \"luv\"'" },
  cqueues = { package = "lua-cqueues", startup = "-e 'require \"cqueues\"'" },
}

local ELSEWHERE = {
  asyncio = { package = "python3", check = python .. " -c ''",
    command = python .. " bench/programs/asyncio.py",
    startup = python .. " -c 'import asyncio'" },
  uvloop = { package = "python3-uvloop", check = python .. " -c 'import uvloop'",
    command = python .. " bench/programs/asyncio.py uvloop",
    startup = python .. " -c 'import uvloop'" },
  go = { package = "golang-go", check = "go build -o " .. OUT .. "/go bench/programs/go.go",
    command = "GOMAXPROCS=1 " .. OUT .. "/go",
    startup = OUT .. "/go nothing" },
  node = { package = "nodejs", check = "node -e ''",
    command = "node bench/programs/node.js",
    startup = "node -e ''" },
}

local there = {}

local function is_there(key, package, check)
  if there[key] == nil then
    there[key] = shell.succeeds(check .. " >/dev/null 2>&1")
    if not there[key] then
      systems.missing[#systems.missing + 1] = package
    end
  end
  return there[key]
end

local function command_inside(lua, name, words, n)
  local system = INSIDE[name]
  local package = system.package and ("%s (for %s)"):format(system.package, lua.name)
  local start = ("%s %s"):format(lua.interpreter, system.startup)
  if package and not is_there(name .. lua.name, package, start) then
    return nil
  elseif words[1] == "startup" then
    return paths(lua) .. stopwatch(n) .. start
  end
  return ("%s%s bench/programs/%s.lua %s %d %s"):format(paths(lua), lua.interpreter, name,
    words[1], n, table.concat(words, " ", 2))
end

local function command_elsewhere(name, words, n)
  local system = ELSEWHERE[name]
  if not is_there(name, system.package, system.check) then
    return nil
  elseif words[1] == "startup" then
    return stopwatch(n) .. system.startup
  end
  return ("%s %s %d %s"):format(system.command, words[1], n, table.concat(words, " ", 2))
end

function systems.is_inside(name)
  return INSIDE[name] ~= nil
end

--- The command that runs a row N times; nil if the system is not there. The
-- words are the row's name and what else its program is told.
function systems.command(lua, name, words, n)
  if name == "c" then
    return ("%s %d %s"):format(floor(lua, words[1]), n, table.concat(words, " ", 2))
  elseif INSIDE[name] then
    return command_inside(lua, name, words, n)
  end
  return command_elsewhere(name, words, n)
end

--- The command that does an operation of bench/programs/growth.lua N times.
function systems.growth_command(lua, name, n)
  return ("%s timeout 120 %s bench/programs/growth.lua \"%s\" %d"):format(paths(lua),
    lua.interpreter, name, n)
end

return systems
