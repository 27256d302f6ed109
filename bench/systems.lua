--- What is measured: tide, its peers and the floors in C; how each is run, and
-- whether it is installed. `lua` below is a Lua as tools/luas tells of it:
-- {name, incdir, interpreter, library}.

local shell = require "bench.shell"

local OUT = "build/bench"
local TCP_PROGRAMS = "bench/programs/tcp/"

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

--- The load starts the server.
local function tcp(words, n, server)
  local load = build(OUT .. "/tcp_load", "cc -O2 -Wall -Wextra bench/floors/tcp_load.c -o %s -luv")
  return ("%s %s %d %s -- %s"):format(load, words[2], n, table.concat(words, " ", 3), server)
end

local FS_PROGRAMS = "bench/programs/fs/"
local FS_FOLDER = OUT .. "/files"

--- What is in the folder of each row of files, if it is not there yet.
local FS_MAKE = {
  small = "[ -f $d/f9999 ] || { mkdir -p $d && head -c 10240000 /dev/zero | " ..
    "split -b 1024 -a 4 -d - $d/f; }",
  at = "mkdir -p $d && head -c 67108864 /dev/zero >$d/random",
  watch = "mkdir -p $d",
}

--- The rows of files. What is large is in a folder that goes afterwards, in memory
-- where that is to be had: a disk that still writes would be measured, too.
local function files(words, n, start)
  local run = ("%s %s %d $d"):format(start, words[2], n)
  if FS_MAKE[words[2]] then
    return ("d=%s; %s && %s"):format(FS_FOLDER, FS_MAKE[words[2]], run)
  end
  return ("d=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d); " ..
    "head -c $((%d * 1048576)) /dev/zero >$d/large && cat $d/large >/dev/null && %s; rm -r $d")
    :format(n, run)
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

local function go_build(program, source)
  return ("go build -o %s/%s bench/programs/%s.go"):format(OUT, program, source)
end

local TCP = python .. " " .. TCP_PROGRAMS

local ELSEWHERE = {
  asyncio = { package = "python3", check = python .. " -c ''",
    command = python .. " bench/programs/asyncio.py",
    startup = python .. " -c 'import asyncio'",
    tcp = TCP .. "asyncio.py asyncio streams",
    fs = python .. " " .. FS_PROGRAMS .. "asyncio.py asyncio" },
  uvloop = { package = "python3-uvloop", check = python .. " -c 'import uvloop'",
    command = python .. " bench/programs/asyncio.py uvloop",
    startup = python .. " -c 'import uvloop'",
    tcp = TCP .. "asyncio.py uvloop streams",
    fs = python .. " " .. FS_PROGRAMS .. "asyncio.py uvloop" },
  ["asyncio's protocol"] = { package = "python3", check = python .. " -c ''",
    tcp = TCP .. "asyncio.py asyncio protocol" },
  ["uvloop's protocol"] = { package = "python3-uvloop", check = python .. " -c 'import uvloop'",
    tcp = TCP .. "asyncio.py uvloop protocol" },
  go = { package = "golang-go", check = go_build("go", "go"),
    command = "GOMAXPROCS=1 " .. OUT .. "/go",
    startup = OUT .. "/go nothing",
    tcp_check = go_build("tcp_go", "tcp/go"),
    tcp = "env GOMAXPROCS=1 " .. OUT .. "/tcp_go" },
  node = { package = "nodejs", check = "node -e ''",
    command = "node bench/programs/node.js",
    startup = "node -e ''",
    tcp = "node " .. TCP_PROGRAMS .. "node.js",
    fs = "node " .. FS_PROGRAMS .. "node.js" },
  cat = { package = "coreutils", check = "cat --version", fs = "sh " .. FS_PROGRAMS .. "cat.sh" },
}

local there = {}

local function note_missing(package)
  for _, name in ipairs(systems.missing) do
    if name == package then
      return
    end
  end
  systems.missing[#systems.missing + 1] = package
end

local function is_there(package, check)
  if there[check] == nil then
    there[check] = shell.succeeds(check .. " >/dev/null 2>&1")
    if not there[check] then
      note_missing(package)
    end
  end
  return there[check]
end

local function command_inside(lua, name, words, n)
  local system = INSIDE[name]
  local package = system.package and ("%s (for %s)"):format(system.package, lua.name)
  local start = ("%s %s"):format(lua.interpreter, system.startup)
  if package and not is_there(package, start) then
    return nil
  elseif words[1] == "startup" then
    return paths(lua) .. stopwatch(n) .. start
  elseif words[1] == "tcp" and name == "coroutines" then
    return tcp(words, n, floor(lua, "tcp_uv") .. " bare")
  elseif words[1] == "tcp" then
    return paths(lua) .. tcp(words, n, ("%s %s%s.lua"):format(lua.interpreter, TCP_PROGRAMS, name))
  end
  if words[1] == "fs" then
    return files(words, n, ("env %s%s %s%s.lua"):format(paths(lua), lua.interpreter, FS_PROGRAMS,
      name))
  end
  return ("%s%s bench/programs/%s.lua %s %d %s"):format(paths(lua), lua.interpreter, name,
    words[1], n, table.concat(words, " ", 2))
end

local function command_elsewhere(name, words, n)
  local system = ELSEWHERE[name]
  local check = words[1] == "tcp" and system.tcp_check or system.check
  if not is_there(system.package, check) then
    return nil
  elseif words[1] == "startup" then
    return stopwatch(n) .. system.startup
  elseif words[1] == "tcp" then
    return tcp(words, n, system.tcp)
  end
  if words[1] == "fs" then
    return files(words, n, system.fs)
  end
  return ("%s %s %d %s"):format(system.command, words[1], n, table.concat(words, " ", 2))
end

function systems.is_inside(name)
  return INSIDE[name] ~= nil
end

--- The command that runs a row N times; nil if the system is not there. The
-- words are the row's name and what else its program is told.
function systems.command(lua, name, words, n)
  if name == "c" and words[1] == "tcp" then
    return tcp(words, n, floor(lua, "tcp_uv"))
  elseif name == "c" then
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
