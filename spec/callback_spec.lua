local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { clock = "virtual" }

local misuse, pack, raises = support.misuse, support.pack, support.raises

local pcall, sleep, from_callback = tide.pcall, tide.sleep, tide.from_callback
local unpack = table.unpack or unpack

--- fn(seconds, ..., callback): gives `...` to callback, later; the handle.
local function later(seconds, ...)
  local args = pack(...)
  return tide.loop():call_later(seconds, function()
    args[args.n](unpack(args, 1, args.n - 1))
  end)
end

--- fn(...) whose callback the test holds: the task in it, and `box.callback`.
local function held(options, started)
  local box = {}
  local f = from_callback(function(callback)
    box.callback = callback
    return unpack(started or {})
  end, options)
  box.task = tide.task(f)
  sleep(0)
  return box
end

describe("from_callback", function()
  local function returns()
    local f = from_callback(later)
    assert.same(pack(1, nil, 3, nil), pack(f(0.001, nil, 1, nil, 3, nil)))
    assert.same(pack(), pack(f(0.001, nil)))
    assert.same(pack(), pack(f(0.001)))
    assert.same(pack(false), pack(f(0, nil, false)))
  end
  it("returns what the callback is given after the error (in a task)", returns)
  it("returns what the callback is given after the error (in the main program)", { task = false },
    returns)

  it("puts the callback behind all arguments, nils too", function()
    local seen
    local f = from_callback(function(...)
      seen = pack(...)
      seen[seen.n]()
      seen[seen.n] = nil
    end)
    for _, args in ipairs { pack(), pack(1), pack(nil, 2, nil), pack(nil) } do
      f(unpack(args, 1, args.n))
      args.n = args.n + 1
      assert.same(args, seen)
    end
  end)

  it("raises an error that comes first, whatever it is, unchanged", function()
    local f = from_callback(later)
    for _, err in ipairs { "text", { 1 }, 12, true, false } do
      assert.same(pack(false, err), pack(pcall(f, 1, err, "ignored")))
      assert.same(pack(false, err), pack(pcall(from_callback(later, { error = "first" }), 0, err)))
    end
  end)

  it("error = 'nil': raises OSError as check does", function()
    local f = from_callback(later, { error = "nil" })
    assert.same(pack("value", nil), pack(f(1, "value", nil)))
    assert.same(pack(nil), pack(f(1, nil)))
    assert.same(pack(false, "x"), pack(f(1, false, "x")))
    local err = raises(tide.OSError, f, 1, nil, "message", "ECODE")
    assert.same({ "message", "ECODE" }, { err.message, err.code })
  end)

  it("error = 'none': returns everything", function()
    local f = from_callback(later, { error = "none" })
    for _, values in ipairs { pack(), pack(nil), pack(nil, "message", 2), pack("error", nil) } do
      assert.same(values, pack(f(1, unpack(values, 1, values.n))))
    end
  end)

  it("takes any callable, and can be used by many at a time", function()
    local f = from_callback(setmetatable({}, { __call = function(_, ...) later(...) end }))
    local tasks = {}
    for i = 1, 10 do tasks[i] = tide.task(f, 11 - i, nil, i) end
    for i = 1, 10 do assert.equal(i, tasks[i]:await()) end
  end)

  it("the callback may be called at once, also with an error", function()
    local f = from_callback(function(err, value, callback) callback(err, value) end)
    assert.equal("now", f(nil, "now"))
    assert.same({ false, "bad" }, { pcall(f, "bad", nil) })
    assert.equal(0, tide.stats().wakers)
  end)

  it("the first call of the callback wins", function()
    local again
    local f = from_callback(function(callback)
      again = callback
      tide.loop():call_soon(function()
        callback(nil, "first")
        callback(nil, "second")
        callback("error")
      end)
      tide.loop():call_later(1, callback, "late error")
    end)
    assert.equal("first", f())
    assert.equal("slept", sleep(2, "slept"))
    again(nil, "third")
    assert.equal("next", from_callback(later)(1, nil, "next"))
  end)

  it("an error of fn is raised from the call, also after the callback", function()
    local object = {}
    assert.same({ false, object }, { pcall(from_callback(function() error(object) end)) })
    assert.same({ false, object }, { pcall(from_callback(function(callback)
      callback(nil, 1)
      error(object)
    end)) })
    assert.equal(0, tide.stats().wakers)
    assert.equal("x", sleep(1, "x"))
  end)

  it("fn and abort cannot await", function()
    local _, err = pcall(from_callback(function() sleep(1) end))
    assert.matches("cannot wait in the function given to 'park'", err)
    local box = held { abort = function() err = select(2, pcall(sleep, 1)) end }
    box.task:cancel()
    raises(tide.CancelledError, box.task.await, box.task)
    assert.matches("cannot wait in a callback", err)
  end)

  it("raises where nothing can wait, and fn is not called", { task = false }, function()
    local f, err = from_callback(error), nil
    tide.loop():call_soon(function() err = select(2, pcall(f)) end)
    sleep(0)
    assert.matches("cannot wait in a callback", err)
    assert.matches("cannot wait in a plain coroutine",
      select(2, coroutine.wrap(function() return pcall(f) end)()))
  end)
end)

describe("a cancel of from_callback", function()
  it("calls abort once, with what fn returned", function()
    local calls = {}
    local box = held({ abort = function(...) calls[#calls + 1] = pack(...) end },
      { "handle", false, 3 })
    box.task:cancel("why")
    box.task:cancel("why")
    assert.same({}, calls)
    assert.equal("why", raises(tide.CancelledError, box.task.await, box.task).reason)
    assert.same({ pack("handle", false, 3) }, calls)
    box.callback("late error")
    box.callback(nil, 1)
    assert.same({ pack("handle", false, 3) }, calls)
  end)

  it("without abort leaves at once, and the callback is stale", function()
    local box = held()
    box.task:cancel()
    raises(tide.CancelledError, box.task.await, box.task)
    box.callback("error")
    assert.equal("slept", sleep(1, "slept"))
  end)

  it("abort that returns false waits for the callback, and delivers it", function()
    local aborts = 0
    for _, err in ipairs { "error", false } do
      local box = held { abort = function() aborts = aborts + 1 return false end }
      box.task:cancel()
      sleep(5)
      assert.is_false(box.task:done())
      box.callback(err or nil, "value")
      local ok, got = pcall(box.task.await, box.task)
      assert.same({ not err, err or "value" }, { ok, got })
    end
    assert.equal(2, aborts)
  end)

  it("after the callback: its results are delivered, and the next await raises", function()
    local box, raised = {}, nil
    local f = from_callback(function(callback) box.callback = callback end,
      { abort = function() error("not aborted") end })
    local task = tide.task(function()
      local value = f()
      raised = select(2, pcall(sleep, 0))
      return value
    end)
    sleep(0)
    box.callback(nil, "granted")
    task:cancel()
    assert.equal("granted", task:await())
    assert.is_true(tide.is_cancelled(raised))
  end)

  it("before the callback in the same turn: the callback wins", function()
    local box = held { abort = function() error("not aborted") end }
    box.task:cancel()
    box.callback(nil, "won")
    assert.equal("won", box.task:await())
  end)

  it("abort may call the callback: that counts", function()
    local box
    box = held { abort = function() box.callback("aborted") end }
    box.task:cancel()
    assert.same({ false, "aborted" }, { pcall(box.task.await, box.task) })
  end)

  it("in a cancelled scope fn is not called", function()
    local called = false
    tide.scope(function(scope)
      scope:cancel()
      from_callback(function(callback) called = true callback() end)()
    end)
    assert.is_false(called)
  end)

  it("a callback that never comes: a timeout ends it, and is no deadlock", function()
    local f = from_callback(function() end)
    raises(tide.TimeoutError, tide.timeout, 1, f)
    assert.is_false(tide.move_on_after(1, f))
    assert.equal(0, tide.stats().wakers)
  end)
end)

describe("misuse of from_callback", function()
  it("is told at its line", { task = false }, function()
    for _, bad in ipairs { 1, "x", {}, false } do
      local pattern = "bad argument #1 to 'tide.from_callback' %(function expected, got "
      misuse(pattern .. type(bad), function() from_callback(bad) end)
    end
    misuse("bad argument #1 to 'tide.from_callback'", function() from_callback() end)
    for _, bad in ipairs { 1, "nil", print, false } do
      local pattern = "bad argument #2 to 'tide.from_callback' %(table expected, got "
      misuse(pattern .. type(bad), function() from_callback(print, bad) end)
    end
    misuse("unknown option 'errors'", function() from_callback(print, { errors = "nil" }) end)
    misuse("unknown option '1'", function() from_callback(print, { "nil" }) end)
    for _, bad in ipairs { 1, "last", {}, false, print } do
      local pattern = "#2 to 'tide.from_callback' %(error: 'first', 'nil' or 'none' expected"
      misuse(pattern, function() from_callback(print, { error = bad }) end)
      pattern = "#2 to 'tide.from_callback' %(abort: function expected"
      if bad ~= print then
        misuse(pattern, function() from_callback(print, { abort = bad }) end)
      end
    end
  end)
end)
