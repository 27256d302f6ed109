--- A busy program, which test/lua_lifecycle*.c end after each of its events.
--
-- `life` is what C lends: event() counts, and may be the last; await, stubborn
-- and work wait in C; spawn starts a task there, future makes one that a post
-- completes; posts come from a thread and call `posted`.

local dns = require "tide.dns"
local fs = require "tide.fs"
local net = require "tide.net"
local process = require "tide.process"
local send_signal = require "tide.core".send_signal
local signal = require "tide.signal"
local stdio = require "tide.stdio"
local testing = require "tide.testing"
local tide = require "tide"
local life = life -- luacheck: ignore 113
local event = life.event
local pcall = tide.pcall

local function nap(seconds)
  tide.sleep(seconds or 0)
  event()
end

local function cleanup() nap() end

local shared = {
  queue = tide.queue(2),
  stack = tide.lifo_queue(),
  sorted = tide.priority_queue(),
  semaphore = tide.semaphore(2),
  lock = tide.lock(),
  event = tide.event(),
  condition = tide.condition(),
  barrier = tide.barrier(3),
  future = tide.future(),
  name = tide.var("nobody"),
}

local parts = {}

function parts.items()
  tide.group(function(g)
    g:task(function()
      for i = 1, 20 do
        shared.queue:put(i)
        shared.stack:put(i)
        shared.sorted:put(i, -i)
        event()
      end
      shared.queue:shutdown()
    end)
    for _ = 1, 2 do
      g:task(function()
        while shared.queue:get() do
          event()
          shared.queue:task_done()
          shared.stack:get()
          shared.sorted:get()
        end
      end)
    end
    shared.queue:join()
    event()
  end)
end

function parts.permits()
  tide.group(function(g)
    for _ = 1, 10 do
      g:task(function()
        shared.semaphore:with(nap)
        shared.lock:with(nap, 0.001)
      end)
    end
  end)
end

function parts.signals()
  local turn = 0
  tide.group(function(g)
    for i = 1, 3 do
      g:task(function()
        shared.event:wait()
        shared.condition:with(function()
          shared.condition:wait_for(function() return turn >= i end)
          event()
        end)
        shared.barrier:wait()
        event()
      end)
    end
    nap(0.001)
    shared.event:set()
    for _ = 1, 3 do
      shared.condition:with(function()
        turn = turn + 1
        shared.condition:notify_all()
      end)
      nap()
    end
  end)
end

--- Of those that do nothing by themselves.
function parts.listening()
  local signals = signal.iter("SIGWINCH", "SIGURG")
  send_signal "SIGURG"
  signals()
  event()
  tide.group(function(g)
    g:task(function() signal.wait "SIGWINCH" event() end)
    g:task(function() signals() event() end)
    nap()
    send_signal "SIGWINCH"
  end)
  tide.move_on_after(0.001, signals)
  signals:close()
end

function parts.stdio()
  for _, name in ipairs { "stdin", "stdout", "stderr" } do
    stdio[name]:is_terminal()
    event()
  end
  stdio.stdout:write("")
  event()
end

function parts.calls()
  local loop = tide.loop()
  local never = loop:call_later(1000, event)
  loop:call_soon(event)
  loop:call_later(0.001, function()
    event()
    shared.future:set_result("called")
  end)
  shared.future:await()
  event()
  never:cancel()
  loop:call_later(1000, event)
  tide.park(function(wake)
    loop:call_later(0.001, wake)
    return event
  end)
  event()
  tide.move_on_after(0.001, tide.park, function() return event end)
end

function parts.coroutines()
  local inner = tide.coroutine.wrap(function()
    for i = 1, 10 do
      nap(0.001)
      tide.coroutine.yield(i)
    end
  end)
  local numbers = tide.generator(function(yield)
    for i = 1, 10 do
      nap()
      yield(i, inner())
    end
  end)
  while numbers() do
    event()
  end
  local left = tide.generator(function(yield)
    tide.finally(function() yield(1) end, cleanup)
  end)
  left()
  left:close()
end

function parts.scopes()
  shared.name:set("scopes")
  assert(not tide.move_on_after(0.002, tide.finally, tide.sleep, cleanup, 1000))
  assert(not pcall(tide.timeout, 0.001, function()
    tide.shield(nap, 0.002)
    nap(1000)
  end))
  tide.scope(function(scope)
    tide.loop():call_later(0.001, function()
      event()
      scope:cancel("enough")
    end)
    pcall(nap, 1000)
    nap(1000)
  end)
end

function parts.tasks()
  local function fails()
    nap()
    error("expected", 0)
  end
  assert(not pcall(tide.gather, tide.task(nap, 1000), tide.task(fails)))
  tide.race(tide.task(nap, 0.001), tide.task(nap, 1000))
  local completed = tide.as_completed { tide.task(nap, 0), tide.task(nap, 0.001) }
  completed():await()
  completed():await()
  local cancelled = tide.task(nap, 1000)
  cancelled:add_done_callback(event)
  nap()
  cancelled:cancel()
  pcall(cancelled.await, cancelled)
  pcall(tide.group, function(g)
    g:task(nap, 1000)
    g:task(fails)
    g:start(function(started)
      nap()
      started()
      nap(1000)
    end)
  end)
end

function parts.native()
  for _ = 1, 10 do
    life.await()
    event()
  end
  life.stubborn()
  event()
  tide.move_on_after(0, life.await)
  tide.move_on_after(0.001, life.stubborn)
  event()
  life.work()
  event()
  tide.move_on_after(0.001, life.work)
  life.future():await()
  event()
  life.spawn(nap, 0.001)
  tide.sleep(0.002)
end

function parts.names()
  tide.group(function(g)
    for i = 1, 3 do
      g:task(function()
        dns.getaddrinfo("localhost", i)
        event()
      end)
    end
  end)
  tide.move_on_after(0, dns.getnameinfo, "127.0.0.1", 80)
  event()
end

local function talk(stream)
  stream:write("hello\n")
  event()
  stream:readline()
  event()
  stream:close()
end

function parts.streams()
  local near, far = testing.stream_pair { limit = 2, high_water = 2 }
  local peer, silent = testing.stream_pair()
  local waiter = tide.task(silent.readuntil, silent, { "\n", "\r\n" })
  tide.gather({ function() talk(near) end, function() talk(far) end })
  event()
  peer:close()
  waiter:await()
end

function parts.sockets()
  local server = assert(net.listen("127.0.0.1", 0))
  tide.group(function(g)
    g:task(function() talk(assert(server:accept())) end)
    g:task(function() talk(assert(net.connect(server:sockname()))) end)
  end)
  server:close()
  event()
end

--- It may end at any event, and is to leave nothing behind.
function parts.files()
  tide.group(function(g)
    for _ = 1, 4 do
      g:task(function()
        fs.stat "/"
        event()
        fs.read_file "test/lifecycle.lua"
        event()
      end)
    end
  end)
  local scan = fs.scandir "spec"
  event()
  scan()
  tide.move_on_after(0, fs.realpath, ".")
end

--- All lives have the same file, so that none leaves one behind.
function parts.open_files()
  local file = assert(fs.open(life.file, "w+"))
  event()
  tide.group(function(g)
    for _ = 1, 3 do
      g:task(function()
        file:write(("x"):rep(100000), "\n")
        event()
      end)
    end
    file:pread(10, 0)
    event()
  end)
  file:seek "set"
  file:readline { limit = 200000 }
  event()
  tide.move_on_after(0, file.read, file, 1000000)
  file:truncate(0)
  event()
  file:close()
  event()
  shared.file = assert(fs.open(life.file))
  tide.task(shared.file.read, shared.file)
end

function parts.watches()
  local watch = assert(fs.watch(life.file))
  event()
  tide.group(function(g)
    g:task(function()
      watch:next()
      event()
    end)
    nap()
    local file = assert(io.open(life.file, "a"))
    file:write "x"
    file:close()
  end)
  watch:close()
  shared.watch = assert(fs.watch "spec")
  tide.move_on_after(0, shared.watch.next, shared.watch)
  event()
end

--- What is left ends with its stdin, also where no Lua is closed.
function parts.children()
  local child = assert(process.spawn { "cat", stdin = "pipe", stdout = "pipe", detached = true })
  event()
  tide.group(function(g)
    g:task(function()
      process.run { "true", input = "hello" }
      event()
    end)
    child.stdin:write "hello\n"
    child.stdout:readline()
    event()
    tide.move_on_after(0.0005, child.wait, child)
    event()
  end)
  shared.child = child
  tide.task(child.wait, child)
  event()
end

function parts.descriptors()
  local server = assert(net.listen("127.0.0.1", 0))
  local near = assert(net.connect(server:sockname()))
  local far = assert(server:accept())
  tide.group(function(g)
    g:task(function()
      tide.poll(near, "r")
      event()
      tide.poll(near, "r")
      event()
    end)
    tide.poll(far, "w")
    event()
    far:write "x"
    tide.move_on_after(0.001, tide.poll, far, "r")
    event()
    tide.poll_forget(near)
    near:close()
  end)
  far:close()
  server:close()
  event()
end

function posted() -- luacheck: ignore 111
  event()
  tide.task(nap)
end

local order = {
  "items", "permits", "signals", "calls", "coroutines", "scopes", "tasks", "native", "names",
  "listening", "streams",
}

if life.sockets then
  for _, name in ipairs {
    "files", "open_files", "watches", "stdio", "sockets", "descriptors", "children",
  } do
    order[#order + 1] = name
  end
end

-- Not in a group: what is left at its end is what lua_close meets.
local main = tide.task(function()
  local tasks = {}
  for i, name in ipairs(order) do
    tasks[i] = tide.task(parts[name]):set_name(name)
  end
  for _, task in ipairs(tasks) do
    task:await()
  end
  event()
end)

--- Raises what went wrong.
function is_over() -- luacheck: ignore 111
  return main:done() and (main:result() or true)
end

-- What lasts longer than the program.
tide.task(function() tide.finally(tide.sleep, event, 1e6) end)
tide.task(tide.generator(function(yield) nap(1e6) yield(1) end))
tide.task(function() shared.lock:with(tide.sleep, 0.001) tide.queue():get() end)
