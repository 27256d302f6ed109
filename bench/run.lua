--- Measures the rows of bench/rows.lua and prints one table.
--   lua bench/run.lua [NAME...]       ROUNDS=5 BENCH=prefix
-- Each NAME is a Lua as tools/luas knows it. Floor and ours alternate; figures
-- are medians. Times are nanoseconds. Peers that are not installed are named.

local OUT = "build/bench"
local rounds = tonumber(os.getenv("ROUNDS")) or 5
local wanted = os.getenv("BENCH") or ""

local function shell(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("*a")
  pipe:close()
  return output
end

local function installed(command)
  return shell("command -v " .. command .. " || true") ~= ""
end

-- ---- peers

-- The system's, for which uvloop comes as a package.
local python = installed("/usr/bin/python3") and "/usr/bin/python3" or "python3"

local PEERS = {
  asyncio = { package = "python3", program = python,
    command = python .. " bench/peers/peer.py %s %s" },
  uvloop = { package = "python3-uvloop", program = python,
    command = python .. " bench/peers/peer.py %s %s uvloop",
    check = python .. " -c 'import uvloop' 2>/dev/null" },
  go = { package = "golang-go", program = "go",
    command = "GOMAXPROCS=1 " .. OUT .. "/peer %s %s",
    build = "go build -o " .. OUT .. "/peer bench/peers/peer.go" },
  node = { package = "nodejs", program = "node", command = "node bench/peers/peer.js %s %s" },
}

local missing = {}

local function succeeds(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function is_there(peer)
  if peer.there == nil then
    peer.there = installed(peer.program) and (not peer.check or succeeds(peer.check)) and
      (not peer.build or succeeds(peer.build))
    if not peer.there then
      missing[#missing + 1] = peer.package
    end
  end
  return peer.there
end

-- ---- measuring

local function number(output, value)
  local numbers = {}
  for word in output:gmatch("%S+") do
    numbers[#numbers + 1] = tonumber(word)
  end
  return numbers[value or 1]
end

local function median(list)
  table.sort(list)
  return list[math.floor((#list + 1) / 2)]
end

--- name|incdir|interpreter|libraries, as tools/luas tells it.
local function parse(found)
  local name, incdir, interpreter, libraries = found:match("^(.-)|(.-)|(.-)|(.*)$")
  return { name = name, incdir = incdir, interpreter = interpreter,
    library = libraries:match("^[^,]*") }
end

local function build_floor(lua, program)
  local binary = ("%s/%s-%s"):format(OUT, program, lua.name)
  assert(succeeds(("cc -O2 -I'%s' bench/%s.c -o %s %s -lm -ldl"):format(lua.incdir, program,
    binary, lua.library)))
  return binary
end

local function command_of(lua, program)
  if program.c then
    return build_floor(lua, program.c) .. " " .. table.concat(program, " ")
  end
  return ("LUA_PATH='lua/?.lua;lua/?/init.lua;;' LUA_CPATH='build/%s/?.so;;' %s %s")
    :format(lua.name, lua.interpreter, table.concat(program, " "))
end

--- The medians of floor, if there is one, and ours.
local function measure(lua, row)
  local floor = row.floor and command_of(lua, row.floor)
  local ours = command_of(lua, row.ours)
  local floors, results = {}, {}
  for _ = 1, row.rounds or rounds do
    if floor then
      floors[#floors + 1] = number(shell(floor))
    end
    results[#results + 1] = number(shell(ours), row.value)
  end
  return median(floors), median(results)
end

--- Label -> median, of the peers that are there.
local function measure_peers(row)
  local medians = {}
  for _, label in ipairs(row.peers or {}) do
    local peer, list = PEERS[label], {}
    if is_there(peer) then
      for _ = 1, row.rounds or rounds do
        list[#list + 1] = number(shell(peer.command:format(row.peers.peer, row.peers.n)))
      end
      medians[label] = median(list)
    end
  end
  return medians
end

-- ---- the table

local function limit(row, lua)
  return row.most and (row.most[lua.name] or row.most.default)
end

local function compare(row, lua, floor, ours)
  local most = limit(row, lua)
  if not floor then
    return "", "", ""
  end
  local figure = row.plus and ours - floor or ours / floor
  local shape = row.plus and "%+.0f" or "%.2f"
  if not most then
    return shape:format(figure), "", ""
  end
  return shape:format(figure), "<= " .. most, figure <= most and "met" or "NOT MET"
end

local function describe(row, peers)
  local texts = {}
  for _, label in ipairs(row.peers or {}) do
    if peers[label] then
      texts[#texts + 1] = ("%s %.0f"):format(label, peers[label])
    end
  end
  return table.concat(texts, ", ")
end

local SHAPE = "%-8s %-38s %9s %9s %8s %8s %-8s %s"

local function print_row(lua, row, peers)
  local floor, ours = measure(lua, row)
  floor = floor or (row.against and peers[row.against])
  local ratio, target, met = compare(row, lua, floor, ours)
  print((SHAPE:format(lua.name, row.title, floor and ("%.1f"):format(floor) or "",
    ("%.1f"):format(ours), ratio, target, met, describe(row, peers)):gsub("%s+$", "")))
  io.flush()
end

os.execute("mkdir -p " .. OUT)
local luas = {}
for found in shell("tools/luas " .. table.concat(arg, " ")):gmatch("%S+") do
  luas[#luas + 1] = parse(found)
end
print((SHAPE:format("lua", "row", "floor", "ours", "ratio", "target", "", "peers")))
for _, row in ipairs(require "bench.rows") do
  if row.name:sub(1, #wanted) == wanted then
    local peers = measure_peers(row)
    for _, lua in ipairs(luas) do
      print_row(lua, row, peers)
    end
  end
end
if #missing > 0 then
  print("not installed: " .. table.concat(missing, " "))
end
