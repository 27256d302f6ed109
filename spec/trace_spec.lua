-- tide.debug.trace: a timeline that Perfetto and chrome://tracing open.
local debugging = require "tide.debug"
local json = require "spec.json"
local support = require "spec.support"
local tide = require "tide"

require("tide.busted").configure { task = false }

local function read(name)
  local file = assert(io.open(name, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- fn(name) with the name of a file that is removed afterwards.
local function with_name(fn)
  local name = os.tmpname()
  local ok, err = pcall(fn, name)
  debugging.trace(nil)
  os.remove(name)
  if not ok then
    error(err, 0)
  end
end

--- What a viewer relies on: order in time, slices inside each other, none left
-- open, flows that begin before they end.
local function check(events)
  local open, last, flows = {}, 0, {}
  local function ensure(condition, e, message)
    if not condition then -- luassert would take seconds
      error(("%s: %s on %s at %s"):format(message, e.ph, e.tid, e.ts))
    end
  end
  for _, e in ipairs(events) do
    local depth = open[e.tid] or 0
    ensure(e.pid == 1 and (e.ph == "M" or e.ts >= last), e, "order")
    last = e.ts or last
    if e.ph == "B" then
      ensure(type(e.name) == "string", e, "no name")
      open[e.tid] = depth + 1
    elseif e.ph == "E" then
      ensure(depth > 0, e, "nothing is open")
      open[e.tid] = depth - 1
    elseif e.ph == "s" then
      ensure(not flows[e.id], e, "flow")
      flows[e.id] = e.tid
    elseif e.ph == "f" then
      ensure(flows[e.id] and depth > 0, e, "flow")
    else
      ensure(e.ph == "M" or e.ph == "i", e, "phase")
    end
  end
  for _, depth in pairs(open) do
    assert.equal(0, depth)
  end
end

--- Its events, and its tracks by name: {tid =, names of its slices in order}.
local function parse(text)
  local events, tracks, by_tid = json.parse(text), {}, {}
  check(events)
  for _, e in ipairs(events) do
    if e.ph == "M" and e.name == "thread_name" then
      local track = by_tid[e.tid] or { tid = e.tid }
      by_tid[e.tid], tracks[e.args.name] = track, track
    elseif e.ph == "B" and by_tid[e.tid] then
      table.insert(by_tid[e.tid], e.name)
    end
  end
  return events, tracks
end

--- The timeline of fn(), run as the main task.
local function traced(fn)
  local events, tracks
  with_name(function(name)
    local trace = assert(debugging.trace(name))
    local ok, err = pcall(tide.run, fn)
    assert(trace:stop())
    assert(ok, err)
    events, tracks = parse(read(name))
  end)
  return events, tracks
end

local function first(events, fields)
  for i, e in ipairs(events) do
    local same = true
    for key, v in pairs(fields) do
      same = same and e[key] == v
    end
    if same then
      return e, i
    end
  end
end

local function line()
  return ("spec/trace_spec.lua:%d"):format(debug.getinfo(2, "l").currentline)
end

describe("a timeline", function()
  it("has a track for each task, with its runs and what it waited for", function()
    local place
    local events, tracks = traced(function()
      local queue = tide.queue()
      local getter = tide.task(function()
        place = line() queue:get()
        tide.sleep(0.001)
      end):set_name("getter")
      tide.sleep(0)
      queue:put("item")
      getter:await()
    end)
    assert.equal("run queue.get run sleep run", table.concat(tracks.getter, " "))
    local get = first(events, { ph = "B", name = "queue.get" })
    assert.equal(place, get.args.at:match("^%S+"))
    local main
    for name, track in pairs(tracks) do
      main = name:match("%(main%)$") and track or main
    end
    assert.equal("await", main[#main - 1])
    assert.equal("run", main[#main])
    local await = first(events, { ph = "B", name = "await", tid = main.tid })
    assert.matches("^task%-%d+$", await.args.of)
  end)

  it("leads from who woke or made a task to its next run", function()
    local events, tracks = traced(function()
      local event = tide.event()
      tide.task(event.wait, event):set_name("waiter")
      tide.sleep(0)
      tide.task(event.set, event):set_name("setter")
      tide.sleep(0)
      tide.sleep(0)
    end)
    local from, to = {}, nil
    for _, e in ipairs(events) do
      if e.ph == "s" then
        from[e.id] = e.tid
      elseif e.ph == "f" and e.tid == tracks.waiter.tid then
        to = e.id
      end
    end
    assert.equal(tracks.setter.tid, from[to])
    local woken = first(events, { ph = "E", tid = tracks.waiter.tid, name = nil })
    assert.is_table(woken)
    assert.is_table(first(events, { ph = "i", name = "spawn" }))
  end)

  it("marks cancels, callbacks, and waits of the loop", function()
    local here
    local events, tracks = traced(function()
      local task = tide.task(tide.sleep, 10):set_name("victim")
      tide.sleep(0)
      task:cancel()
      here = line() tide.loop():call_soon(function() end)
      tide.sleep(0.005)
    end)
    assert.equal(tracks.victim.tid, first(events, { ph = "i", name = "cancelled" }).tid)
    local callback = first(events, { ph = "B", name = "callback" })
    assert.equal(tracks.loop.tid, callback.tid)
    assert.equal(here, callback.args["function"])
    assert.equal(tracks.loop.tid, first(events, { ph = "B", name = "wait for events" }).tid)
  end)

  it("has the waits of the main program, too", function()
    with_name(function(name)
      assert(debugging.trace(name))
      tide.sleep(0.001)
      assert(debugging.trace(nil))
      local _, tracks = parse(read(name))
      assert.same({ tid = tracks["main program"].tid, "sleep" }, tracks["main program"])
    end)
  end)

  it("is JSON whatever the names are", function()
    local _, tracks = traced(function()
      for _, name in ipairs { 'a"b\\c/d\n\0e', "h\195\169 \240\159\140\138",
        "\255\195(\237\160\128", ("x"):rep(5000) } do
        tide.task(tide.sleep, 0):set_name(name)
      end
      tide.sleep(0)
      tide.sleep(0)
    end)
    assert.is_table(tracks['a"b\\c/d<000a>'] )
    assert.is_table(tracks["h\195\169 \240\159\140\138"])
    assert.is_table(tracks["<fffd><fffd>(<fffd><fffd><fffd>"])
    assert.is_table(tracks[("x"):rep(200)])
  end)

  it("has the waits and names of tasks that were there before", function()
    with_name(function(name)
      tide.run(function()
        local task = tide.task(tide.sleep, 10):set_name("early")
        tide.sleep(0)
        local trace = assert(debugging.trace(name))
        task:set_name("late")
        task:cancel()
        tide.sleep(0)
        tide.sleep(0)
        assert(trace:stop())
      end)
      local events, tracks = parse(read(name))
      assert.equal("sleep", tracks.early[1])
      assert.equal(tracks.early.tid, tracks.late.tid)
      assert.is_table(first(events, { ph = "E", tid = tracks.late.tid }))
    end)
  end)

  it("ends what is open when it ends inside of a task, a callback or a wait", function()
    with_name(function(name)
      tide.run(function()
        tide.task(tide.sleep, 10)
        local trace = assert(debugging.trace(name))
        tide.sleep(0.001)
        tide.loop():call_soon(function() trace:stop() end)
        tide.sleep(0)
        tide.sleep(0)
        parse(read(name))
        assert(debugging.trace(name))
        tide.sleep(0)
        assert(debugging.trace(nil))
        parse(read(name))
      end)
    end)
  end)

  it("of very many tasks is whole", function()
    local events = traced(function()
      local list = {}
      for i = 1, 2000 do list[i] = function() tide.sleep(0.001) end end
      tide.gather(list)
    end)
    local runs = 0
    for _, e in ipairs(events) do
      runs = runs + (e.ph == "B" and e.name == "run" and 1 or 0)
    end
    assert.is_true(runs > 4000)
  end)

  it("may lack its end: each line is a whole event", function()
    with_name(function(name)
      support.child(([=[
        local tide = require "tide"
        assert(require "tide.debug".trace(%q))
        tide.run(function() for i = 1, 1000 do tide.task(tide.sleep, 0) end tide.sleep(0) end)
        tide.run(tide.sleep, 0.001)
        os.exit(0, false)
      ]=]):format(name))
      local text = read(name)
      assert.is_false(text:sub(-2) == "]\n")
      json.parse(text .. "]")
    end)
  end)

  it("ends with the loop, and with the Lua state", function()
    with_name(function(name)
      assert(debugging.trace(name))
      tide.run(tide.sleep, 0)
      tide.loop():close()
      parse(read(name))
      local output, status = support.child(([=[
        local tide = require "tide"
        assert(require "tide.debug".trace(%q))
        tide.run(tide.sleep, 0)
      ]=]):format(name))
      assert.equal("", output)
      assert.equal(0, status)
      parse(read(name))
    end)
  end)
end)

describe("debug.trace", function()
  it("takes an open file, which stays open", function()
    local file = assert(io.tmpfile())
    local trace = assert(debugging.trace(file))
    tide.run(tide.sleep, 0)
    assert.is_true(trace:stop())
    file:seek("set")
    parse(file:read("*a"))
    file:close()
  end)

  it("tells when its file was closed", function()
    local file = assert(io.tmpfile())
    local trace = assert(debugging.trace(file))
    file:close()
    tide.run(tide.sleep, 0)
    local ok, message, code = trace:stop()
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("EBADF", code)
    assert.same({ nil, message, code, n = 3 }, support.pack(debugging.trace(file)))
  end)

  it("with a function lasts as long as that", function()
    with_name(function(name)
      assert.same({ 1, nil, n = 2 }, support.pack(debugging.trace(name, function(a)
        tide.run(tide.sleep, 0)
        return a, nil
      end, 1)))
      parse(read(name))
      local ok, err = pcall(debugging.trace, name, function() error("inside", 0) end)
      assert.same({ false, "inside" }, { ok, err })
      json.parse(read(name))
      tide.run(function()
        assert.equal("slept", debugging.trace(name, tide.sleep, 0, "slept"))
      end)
    end)
  end)

  it("returns nil, message, code for a file that cannot be opened", function()
    local ok, message, code = debugging.trace("/nonexistent/file")
    assert.is_nil(ok)
    assert.is_string(message)
    assert.equal("ENOENT", code)
    assert.is_nil((debugging.trace("/nonexistent/file", error)))
  end)

  it("stops again, and stops no other than its own", function()
    with_name(function(name)
      local trace = assert(debugging.trace(name))
      assert.is_true(trace:stop())
      local other = assert(debugging.trace(name))
      assert.is_true(trace:stop())
      support.misuse("a trace is being written already", function() debugging.trace(name) end)
      assert.is_true(other:stop())
      assert.is_true(debugging.trace(nil))
    end)
  end)

  it("refuses what is no file", function()
    support.misuse("bad argument #1 to 'debug.trace' %(name", function() debugging.trace(1) end)
    support.misuse("bad argument #2 to 'debug.trace'", function() debugging.trace("x", 1) end)
  end)

  it("does not change the order in which tasks run", function()
    local function order()
      local log = {}
      tide.run(function()
        for i = 1, 3 do
          tide.task(function()
            for _ = 1, 3 do
              log[#log + 1] = i
              tide.sleep(0)
            end
          end)
        end
        for _ = 1, 5 do tide.sleep(0) end
      end)
      return table.concat(log)
    end
    local plain = order()
    with_name(function(name)
      assert.equal(plain, debugging.trace(name, order))
    end)
  end)
end)
