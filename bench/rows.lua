--- The rows of the benchmark: what is measured, against what, and how much may
-- be. `make bench BENCH=queue` runs those whose name begins with "queue".
--
-- A program prints a number, or two; `value` says which. `floor` and `ours` run
-- alternately. `most` is the limit of their ratio (or of the difference, for
-- `plus`), by the name of a Lua, or for all. Peers are measured once, beside all
-- Luas; `against` is the one that stands in for a floor.

local function switch(width)
  return {
    name = "switch" .. width,
    title = ("switch, %d task%s"):format(width, width == 1 and "" or "s"),
    floor = { c = "floor_switch", "2000000", tostring(width) },
    ours = { "bench/switch.lua", "2000000", tostring(width) },
    most = { ["lua5.2"] = 1.4, ["lua5.3"] = 1.4, ["lua5.4"] = 1.4, ["lua5.5"] = 1.4, luajit = 2.0 },
    peers = width == 1 and { "asyncio", "uvloop", "go", "node", peer = "switch", n = "300000" }
      or width == 1000 and { "asyncio", "uvloop", peer = "switch1000", n = "300000" } or nil,
  }
end

local function queue(maxsize, width, title)
  local row = {
    name = ("queue%s-%d"):format(maxsize, width),
    title = "queue, " .. title,
    ours = { "bench/queue.lua", "1000000", maxsize, tostring(width) },
  }
  if maxsize == "1" and width == 1 then
    row.peers = { "asyncio", "uvloop", "go", peer = "queue", n = "200000" }
    row.against = "go"
    row.most = { ["lua5.4"] = 1.5, ["lua5.5"] = 1.5, luajit = 1.0 }
  end
  return row
end

local function edge(name, title, peers)
  return {
    name = name,
    title = title,
    ours = { "bench/edge.lua", name, "200000" },
    peers = peers and { peer = name, n = "100000", (table.unpack or unpack)(peers) } or nil,
  }
end

return {
  switch(1),
  switch(1000),
  switch(100000),
  {
    name = "pair",
    title = "switch / resume and yield in that Lua",
    floor = { "bench/pair.lua", "2000000" },
    ours = { "bench/switch.lua", "2000000", "1" },
    most = { ["lua5.1"] = 1.1, default = 1.0 },
  },
  {
    name = "spawn",
    title = "spawn, run and await one",
    floor = { "bench/spawn.lua", "200000" },
    ours = { "bench/spawn.lua", "200000" },
    value = 2,
    most = { default = 0.85 },
    peers = { "asyncio", "uvloop", "go", "node", peer = "spawn", n = "100000" },
  },
  {
    name = "gather",
    title = "gather 100,000",
    ours = { "bench/gather.lua", "100000" },
    peers = { "asyncio", "uvloop", "go", "node", peer = "gather", n = "100000" },
    against = "asyncio",
    most = { default = 0.1 },
  },
  queue("1", 1, "maxsize 1, 1 x 1"),
  queue("1", 10, "maxsize 1, 10 x 10"),
  queue("10", 1, "maxsize 10, 1 x 1"),
  queue("10", 10, "maxsize 10, 10 x 10"),
  queue("0", 1, "unbounded, 1 x 1"),
  queue("0", 10, "unbounded, 10 x 10"),
  {
    name = "semaphore",
    title = "semaphore, acquire and release",
    floor = { c = "floor_methods", "2000000" },
    ours = { "bench/permit.lua", "semaphore", "2000000" },
    most = { default = 1.6 },
    peers = { "asyncio", "uvloop", peer = "semaphore", n = "300000" },
  },
  { name = "semaphore-waiters", title = "semaphore, 1,000 hand it round",
    ours = { "bench/permit.lua", "semaphore", "300000", "1000" } },
  {
    name = "lock",
    title = "lock, acquire and release",
    floor = { c = "floor_methods", "2000000" },
    ours = { "bench/permit.lua", "lock", "2000000" },
    peers = { "asyncio", "uvloop", peer = "lock", n = "300000" },
  },
  { name = "lock-waiters", title = "lock, 1,000 hand it round",
    ours = { "bench/permit.lua", "lock", "300000", "1000" } },
  edge("timeout", "timeout around what does not wait", { "asyncio", "uvloop" }),
  edge("cancel", "spawn, sleep, cancel", { "asyncio", "uvloop" }),
  edge("call_soon", "call_soon", { "asyncio", "uvloop", "node" }),
  edge("timers", "a timer set and cancelled", { "asyncio", "uvloop", "node" }),
  {
    name = "skynet",
    title = "skynet, per leaf",
    ours = { "bench/skynet.lua", "100000" },
    peers = { "asyncio", "uvloop", "go", "node", peer = "skynet", n = "100000" },
  },
  {
    name = "sleepers",
    title = "100,000 asleep, bytes each",
    rounds = 1,
    floor = { "bench/sleepers.lua", "floor", "100000" },
    ours = { "bench/sleepers.lua", "tide", "100000" },
    plus = true,
    most = { ["lua5.1"] = 160, ["lua5.2"] = 160, ["lua5.3"] = 160, ["lua5.4"] = 176,
      ["lua5.5"] = 176, luajit = 88 },
    peers = { "asyncio", "uvloop", "go", "node", peer = "sleepers", n = "100000" },
  },
}
