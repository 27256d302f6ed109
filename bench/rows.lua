--- The rows of the benchmark: what is measured, against what, and how much may
-- be. `make bench BENCH=queue` runs those whose name begins with "queue".
--
--   run      what the programs are told: the name of their row, and more
--   n, few   how often it is done; by peers, if they are given less to do
--   heavy    takes long: is run a third as often
--   best     short runs, three times as often, of which the best counts and not
--            the median: all else on a machine makes a server slower, never faster
--   floor    the system that it has to do with: "c" for bench/floors,
--            "coroutines" for those of that Lua; told `floor_run`, if given
--   against  instead of a floor: peers, the fastest of which is taken; may be
--            given by the name of a Lua, and then counts for those only
--   most     the limit of ours / floor, by the name of a Lua, or for all;
--            with `plus` of ours - floor
--   least    the same from below
--   more     is better; else it is less
--   value    which of the numbers that the programs print; `floor_value`
--   lines    several such, of the same runs

local unpack = table.unpack or unpack

local ALL = { "luv", "cqueues", "asyncio", "uvloop", "go", "node" }

local function without(...)
  local left, out = {}, {}
  for _, name in ipairs { ... } do
    out[name] = true
  end
  for _, name in ipairs(ALL) do
    if not out[name] then
      left[#left + 1] = name
    end
  end
  return left
end

local PYTHON = { "asyncio", "uvloop" }

local function switch(width, title, most)
  return {
    name = "switch-" .. width,
    title = "switch, " .. title,
    n = 2000000, few = 200000,
    run = { "switch", width },
    floor = "c",
    most = most and { default = 1.4, ["lua5.1"] = false, luajit = 2.0 },
    peers = { "coroutines", "luv", "cqueues", "asyncio", "uvloop", "go", "node",
      { "node", label = "node's await", run = { "microtask", width } } },
  }
end

local function queue(maxsize, width, title)
  local row = {
    name = ("queue-%s-%s"):format(maxsize, width),
    title = ("queue, %s, %s x %s, per item"):format(title, width, width),
    n = 500000, few = 100000,
    run = { "queue", maxsize, width },
    peers = without("node"),
  }
  if maxsize == "1" and width == "1" then
    row.against = { "go" }
    row.most = { ["lua5.4"] = 1.5, ["lua5.5"] = 1.5, luajit = 1.0 }
  end
  return row
end

local function permit(name, most)
  return {
    name = name,
    title = name .. ", acquire and release",
    n = 2000000, few = 300000,
    run = { name },
    floor = "c", floor_run = { "methods" },
    most = most,
    peers = without("luv", "cqueues", "node"),
  }, {
    name = name .. "-waiters",
    title = name .. ", 1,000 hand it round",
    n = 500000, few = 100000,
    run = { name, "1000" },
    peers = without("luv", "node"),
  }
end

--- Frames of a host's; the lines are of the same runs.
local function frames(name, percent, garbage, title)
  local lines = {
    { title = ("frame, %s: p50, ms"):format(title) },
    { title = "the same: p99", value = 2 },
    { title = "the same: max", value = 3 },
  }
  if garbage == "0" then
    lines[4] = { title = "the same: bytes each", value = 4, plus = true }
  end
  return {
    name = "frames-" .. name,
    n = 100000,
    heavy = true,
    run = { "frames", percent, garbage },
    ours = "c",
    floor = "c", floor_run = { "frames", percent, garbage, "bare" },
    peers = { "coroutines" },
    lines = lines,
  }
end

local SERVERS = { "luv", "cqueues", "asyncio", "asyncio's protocol", "uvloop", "uvloop's protocol",
  "go", "node" }
local TO_BEAT = { "luv", "cqueues", "asyncio", "uvloop", "node" }

--- Messages there and back for so many milliseconds; the lines are of the same runs.
local function messages(name, run, title, peers, targets)
  return {
    name = "tcp-" .. name,
    n = 700,
    best = true,
    run = run,
    floor = "c",
    peers = peers,
    lines = {
      { title = ("tcp, %s, a second"):format(title), more = true,
        least = targets and { default = 0.95 } },
      { title = "the same, beside peers", more = true, against = TO_BEAT, least = { default = 1 } },
      { title = "the same: us of CPU for each", value = 2, most = targets and { default = 1.3 } },
      { title = "the same: p50, us", value = 3 },
      { title = "the same: p99, us", value = 4 },
    },
  }
end

--- "coroutines" are the floor with a Lua string of each message and a coroutine
-- that is resumed with it: what a server in Lua has to do at least.
local function echo(size, connections, title)
  local row = messages(("%s-%s"):format(size, connections), { "tcp", "echo", size, connections },
    ("%s x %s"):format(title, connections), { "coroutines", unpack(SERVERS) }, true)
  table.insert(row.lines, 3, { title = "the same, beside bare coroutines", more = true,
    against = { "coroutines" }, least = { default = 0.95 } })
  return row
end

--- That many megabytes, of two to the twentieth, one way.
local function transfer(name, mode, title)
  return {
    name = "tcp-" .. name,
    n = 1024,
    run = { "tcp", mode },
    floor = "c",
    peers = SERVERS,
    lines = {
      { title = ("tcp, 1 GiB %s, megabytes a second"):format(title) },
      { title = "the same: us of CPU for each", value = 2 },
    },
  }
end

local semaphore, semaphore_waiters = permit("semaphore", { default = 1.6 })
local lock, lock_waiters = permit("lock")

return {
  switch("1", "1 task", true),
  switch("2", "2 tasks"),
  switch("1000", "1,000 tasks", true),
  switch("100000", "100,000 tasks"),
  {
    name = "pair",
    title = "switch / resume and yield in that Lua",
    n = 2000000,
    run = { "switch", "2" },
    floor = "coroutines",
    most = { ["lua5.1"] = 1.1, default = 1.0 },
  },
  {
    name = "spawn",
    title = "spawn, run and await one",
    n = 300000, few = 100000,
    run = { "spawn" },
    floor = "coroutines",
    most = { default = 0.85 },
    peers = ALL,
  },
  {
    name = "spawn-all",
    title = "spawn 100,000, then await them",
    n = 100000,
    run = { "spawn_all" },
    floor = "coroutines",
    peers = ALL,
  },
  {
    name = "gather",
    title = "gather 100,000",
    n = 100000,
    run = { "gather" },
    against = PYTHON,
    most = { default = 0.1 },
    peers = { "coroutines", "luv", "cqueues", "asyncio", "uvloop", "go", "node" },
  },
  queue("1", "1", "maxsize 1"),
  queue("1", "10", "maxsize 1"),
  queue("10", "1", "maxsize 10"),
  queue("10", "10", "maxsize 10"),
  queue("0", "1", "unbounded"),
  queue("0", "10", "unbounded"),
  semaphore,
  semaphore_waiters,
  lock,
  lock_waiters,
  {
    name = "timeout",
    title = "timeout around what does not wait",
    n = 300000, few = 100000,
    run = { "timeout" },
    peers = without("cqueues"),
  },
  {
    name = "cancel",
    title = "a sleep that is cancelled",
    n = 100000,
    run = { "cancel" },
    peers = ALL,
  },
  {
    name = "call_soon",
    title = "call_soon",
    n = 300000, few = 100000,
    run = { "call_soon" },
    peers = without("luv", "cqueues", "go"),
  },
  {
    name = "timers",
    title = "a million timers set and cancelled, each",
    n = 1000000,
    run = { "timers" },
    against = without("cqueues"),
    most = { default = 1 },
    peers = without("cqueues"),
  },
  {
    name = "skynet",
    title = "skynet of a million leaves, per leaf",
    n = 1000000,
    heavy = true,
    run = { "skynet" },
    peers = { "coroutines", "luv", "cqueues", "asyncio", "uvloop", "go", "node" },
  },
  {
    name = "sleepers",
    n = 1000000,
    heavy = true,
    run = { "sleepers", "3" },
    floor = "coroutines",
    peers = ALL,
    lines = {
      {
        title = "a million sleepers, bytes each",
        plus = true,
        most = { ["lua5.1"] = 160, ["lua5.2"] = 160, ["lua5.3"] = 160, ["lua5.4"] = 176,
          ["lua5.5"] = 176, luajit = 88 },
      },
      { title = "the same, megabytes in all", value = 2, most = { default = 1 },
        against = { luajit = { "node" }, ["lua5.4"] = { "asyncio" }, ["lua5.5"] = { "asyncio" } } },
      { title = "the same, seconds beyond the three", value = 3, against = ALL,
        most = { default = 1 } },
    },
  },
  {
    name = "idle",
    title = "idle step, a handle open / uv_run",
    n = 1000000,
    run = { "idle", "open" },
    ours = "c", value = 2,
    floor = "c", floor_value = 1,
    most = { default = 1.5 },
  },
  {
    name = "idle-closed",
    title = "idle step, nothing open / uv_run",
    n = 1000000,
    run = { "idle", "closed" },
    ours = "c", value = 2,
    floor = "c", floor_value = 1,
  },
  {
    name = "poll",
    title = "poll, a descriptor that is ready",
    n = 500000, few = 100000,
    run = { "poll" },
    floor = "c",
    peers = { "luv", "cqueues", "asyncio", "uvloop" },
  },
  frames("all", "100", "0", "100,000 actors"),
  frames("some", "1", "0", "1% of them awake"),
  frames("garbage", "1", "1", "1%, making tables"),
  echo("1024", "1", "1 KiB"),
  echo("1024", "100", "1 KiB"),
  echo("65536", "1", "64 KiB"),
  echo("65536", "100", "64 KiB"),
  messages("storm", { "tcp", "once", "64", "64" }, "connect, 64 bytes, close", SERVERS),
  transfer("send", "source", "sent"),
  transfer("receive", "sink", "received"),
  {
    name = "tcp-idle",
    n = 10000,
    heavy = true,
    run = { "tcp", "idle" },
    floor = "c",
    peers = SERVERS,
    lines = {
      { title = "tcp, 10,000 idle, bytes each", plus = true },
      { title = "the same: us of CPU to open each", value = 2 },
    },
  },
  { -- fork copies what the program has of pages: C has the fewest
    name = "process",
    n = 1000,
    run = { "process", "8" },
    floor = "c",
    peers = { "asyncio", "uvloop", "node" },
    lines = {
      { title = "1,000 short processes, us each", most = { default = 2 } },
      { title = "the same, beside peers", against = { "asyncio", "uvloop", "node" },
        most = { default = 1 } },
    },
  },
  {
    name = "fs-small",
    n = 10000,
    run = { "fs", "small" },
    floor = "coroutines",
    peers = { "asyncio", "uvloop", "node" },
    lines = {
      { title = "10,000 files of 1 KiB, us each" },
      { title = "the same, beside peers", against = { "asyncio", "uvloop", "node" },
        most = { default = 1 } },
      { title = "the same: us of CPU each", value = 2 },
    },
  },
  {
    name = "fs-read",
    n = 1024,
    run = { "fs", "read" },
    floor = "coroutines",
    peers = { "cat", "asyncio", "uvloop", "node",
      { "asyncio", label = "python, no thread", run = { "fs", "plain" } } },
    lines = {
      { title = "1 GiB in chunks of 64 KiB, megabytes a second" },
      { title = "the same, beside peers", against = { "asyncio", "uvloop", "node" },
        least = { default = 1 } },
    },
  },
  {
    name = "fs-at",
    n = 20000,
    run = { "fs", "at" },
    floor = "coroutines",
    peers = { "asyncio", "uvloop", "node" },
    lines = {
      { title = "4 KiB anywhere in a file, us" },
      { title = "the same, beside peers", against = { "asyncio", "uvloop", "node" },
        most = { default = 1 } },
    },
  },
  {
    name = "watch",
    title = "from a write to who watches, us",
    n = 20000,
    run = { "fs", "watch" },
    floor = "c",
    peers = { "node" },
  },
  {
    name = "startup",
    title = "start-up, milliseconds",
    n = 50, few = 20,
    run = { "startup" },
    floor = "coroutines",
    peers = ALL,
  },
}
