--- lua process_faults_program.lua
--
-- Children, spawned and run again and again. Tells the codes of what failed, and
-- what is left: spec/process_faults_spec.lua runs it where calls of the system
-- fail.

local fs = require "tide.fs"
local process = require "tide.process"
local tide = require "tide"

local codes, failed, recovered = {}, false, false
local env = process.environ { FAULTS = false, LD_PRELOAD = false } -- it is well with them

local function tell(what, it, message, code)
  assert(it or type(message) == "string" and type(code) == "string")
  codes[what .. "=" .. (it and "ok" or code)] = true
  recovered = recovered or failed and it ~= nil
  failed = failed or not it
  return it
end

local function descriptors()
  local n, scan = 0, fs.scandir "/proc/self/fd"
  while scan() do n = n + 1 end
  return n
end

--- Its own number, and its parent's.
local function numbers(process_dir)
  local file = io.open(process_dir .. "/stat")
  local stat = file and file:read "*a" or ""
  if file then
    file:close()
  end
  return stat:match "^%d+", stat:match "^.*%) %a (%d+)"
end

--- Zombies, too.
local function children()
  local own, n = numbers "/proc/self", 0
  for name in fs.scandir "/proc" do
    if name:find "^%d" and select(2, numbers("/proc/" .. name)) == own then
      n = n + 1
    end
  end
  return n
end

local function spawn(i)
  local child = tell("spawn", process.spawn { "/bin/sh", "-c", "read x; echo $x; exit 3", env = env,
    stdin = "pipe", stdout = "pipe", stderr = i % 2 == 0 and "pipe" or nil, detached = i % 3 == 0 })
  if child then
    assert(child.stdin:write "word\n")
    assert(child.stdout:read(-1) == "word\n")
    assert(child:wait() == 3)
    child:close()
  end
  return child
end

local function run()
  local result = tell("run", process.run { "/bin/cat", input = "word", env = env })
  assert(not result or result.stdout == "word" and result.code == 0)
  return result
end

tide.run(function()
  spawn(1) -- libuv keeps a descriptor from its first stream on
  local before = descriptors()
  for i = 1, 20 do
    spawn(i)
    run()
    tide.sleep(0)
    local now, left = descriptors(), children()
    assert(now == before and left == 0,
      ("%d descriptors, not %d; %d children"):format(now, before, left))
  end
  local list = {}
  for code in pairs(codes) do list[#list + 1] = code end
  table.sort(list)
  print(table.concat(list, " "))
  print(("left handles=%d tasks=%d recovered=%s"):format(tide.stats().handles,
    #tide.all_tasks() - 1, tostring(recovered)))
end)
