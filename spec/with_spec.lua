local tide = require "tide"
local testing = require "tide.testing"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local task_it = support.task_it
local misuse, pack, raises = support.misuse, support.pack, support.raises

local run, pcall, sleep, with, check = testing.run, tide.pcall, tide.sleep, tide.with, tide.check

--- A resource with a method close that sleeps, and says in `closed` how often.
local function closable(seconds)
  return {
    closed = 0,
    close = function(self, ...)
      assert.equal(0, select("#", ...))
      sleep(seconds or 0)
      self.closed = self.closed + 1
    end,
  }
end

--- One with the metamethod: notes the errors it is given in `errors`.
local function variable()
  return setmetatable({ n = 0, errors = {} }, {
    __metatable = "hidden",
    __close = function(self, err)
      sleep(1)
      self.n = self.n + 1
      self.errors[self.n] = err
    end,
    __index = { close = function() error("__close comes first") end },
  })
end

describe("tide.with", function()
  local function passes()
    local r = closable()
    assert.same(pack(r, 1, nil, 3, nil), pack(with(r, function(resource, ...)
      assert.equal(0, r.closed)
      return resource, ...
    end, 1, nil, 3, nil)))
    assert.equal(1, r.closed)
    assert.same(pack(), pack(with(r, function() end)))
    assert.equal(2, r.closed)
    local callable = setmetatable({}, { __call = function(_, resource) return resource end })
    assert.equal(r, with(r, callable))
  end
  task_it("89: calls fn with the resource and the arguments, and closes it (in a task)", passes)
  it("89: calls fn with the resource and the arguments, and closes it (main program)", passes)

  task_it("89: closes it when fn fails, and the error passes unchanged", function()
    local r, object = closable(1), {}
    assert.same(pack(false, object), pack(pcall(with, r, function() sleep(1) error(object) end)))
    assert.equal(1, r.closed)
    assert.is_false((pcall(with, r, error)))
    assert.equal(2, r.closed)
  end)

  task_it("89: prefers __close, also of a hidden metatable, and gives it the error", function()
    local r = variable()
    assert.equal("result", with(r, function() return "result" end))
    assert.same({ 1, {} }, { r.n, r.errors })
    assert.same({ false, "bad" }, { pcall(with, r, function() error("bad", 0) end) })
    assert.same({ 2, { [2] = "bad" } }, { r.n, r.errors })
  end)

  task_it("closes shielded: a cancelled task waits for it, and then is cancelled", function()
    local r = closable(5)
    local task = tide.task(with, r, function() sleep(60) end)
    sleep(0)
    task:cancel("first")
    sleep(1)
    task:cancel("again")
    assert.equal(0, r.closed)
    raises(tide.CancelledError, task.await, task)
    assert.equal(1, r.closed)
    assert.is_false(tide.move_on_after(1, with, r, function() sleep(60) end))
    assert.equal(2, r.closed)
  end)

  task_it("a cancel that comes while it closes does not undo the results", function()
    local r = closable(2)
    local task = tide.task(with, r, function() return "result" end)
    sleep(1)
    task:cancel()
    assert.equal("result", task:await())
    assert.equal(1, r.closed)
  end)

  task_it("a failing close replaces results and errors", function()
    local r = { close = function() sleep(0) error("close failed", 0) end }
    assert.same({ false, "close failed" }, { pcall(with, r, function() return 1 end) })
    assert.same({ false, "close failed" }, { pcall(with, r, function() error("fn failed") end) })
  end)

  task_it("ignores what the close returns", function()
    local r = { close = function() return nil, "not quite", 5 end }
    assert.equal("result", with(r, function() return "result" end))
  end)

  task_it("uses a resource with a method `with` through it", function()
    local sem = tide.semaphore(1)
    assert.same(pack(sem, 0, "x", nil), pack(with(sem, function(s, ...)
      return s, s:value(), ...
    end, "x", nil)))
    assert.equal(1, sem:value())
    assert.is_false((pcall(with, sem, error)))
    assert.equal(1, sem:value())
    local own = setmetatable({ with = function(self, fn, ...) return self, fn(...) end },
      { __close = function() error("not closed") end, close = print })
    assert.same({ own, own, 2 }, { with(own, function(...) return ... end, 2) })
  end)

  task_it("a `with` or `close` that cannot be called is none", function()
    local r = closable()
    r.with = "not callable"
    with(r, function() end)
    assert.equal(1, r.closed)
    local n = 0
    local callable = setmetatable({}, { __call = function() n = n + 1 end })
    with({ close = callable }, function() end)
    assert.equal(1, n)
    misuse("something to close expected, got table", function() with({ close = 1 }, print) end)
  end)

  it("89: closes Lua's files, also those that fn has closed or that are pipes", function()
    local name = os.tmpname()
    local kept
    assert.equal(5, with(check(io.open(name, "w")), function(file)
      kept = file
      file:write("text\n")
      return 5
    end))
    assert.equal("closed file", io.type(kept))
    assert.equal("text", with(io.open(name), function(file)
      local line = file:read()
      file:close()
      return line
    end))
    assert.equal("echoed", with(io.popen("echo echoed"), kept.read))
    assert.same({ false, "bad" }, { pcall(with, io.open(name), function(file)
      kept = file
      error("bad", 0)
    end) })
    assert.equal("closed file", io.type(kept))
    os.remove(name)
  end)

  task_it("nothing to close: fn is not called, and the error is at the caller's line", function()
    local function never() error("called") end
    local guarded = setmetatable({}, { __index = function(_, key) error("no field " .. key) end })
    for _, bad in ipairs { 1, true, "text", {}, print, guarded,
      coroutine.create(never), tide.current_task() } do
      local pattern = "bad argument #1 to 'tide.with' %(something to close expected, got "
      misuse(pattern .. type(bad), function() with(bad, never) end)
    end
    misuse("bad argument #1 to 'tide.with' .*got nil", function() with(nil, never) end)
    misuse("bad argument #1 to 'tide.with' .*got nil", function() with() end)
  end)

  it("a string is no resource, whatever its library has", function()
    string.close, string.with = print, print -- luacheck: ignore
    local ok, err = pcall(with, "text", print)
    string.close, string.with = nil, nil -- luacheck: ignore
    assert.is_false(ok)
    assert.matches("something to close expected, got string", err)
  end)

  task_it("without a function: the resource is left as it is", function()
    local r = closable()
    for _, bad in ipairs { 1, "x", {}, false } do
      local pattern = "bad argument #2 to 'tide.with' %(function expected, got " .. type(bad)
      misuse(pattern, function() with(r, bad) end)
      misuse(pattern, function() with(tide.semaphore(), bad) end)
    end
    misuse("bad argument #2 to 'tide.with'", function() with(r) end)
    assert.equal(0, r.closed)
  end)

  it("where nothing can wait it is refused before fn", function()
    local r, err = closable(), nil
    tide.loop():call_soon(function() err = select(2, pcall(with, r, error)) end)
    sleep(0)
    assert.matches("'tide.with' cannot wait in a callback", err)
    local pattern = "'tide.with' cannot wait in a plain coroutine"
    misuse(pattern, coroutine.wrap(function() with(r, error) end))
    assert.equal(0, r.closed)
  end)

  task_it("nests, and closes from the inside out", function()
    local log = {}
    local function noting(name)
      return { close = function() sleep(1) log[#log + 1] = name end }
    end
    assert.is_false((pcall(with, noting("outer"), function()
      return with(noting("inner"), function() error("bad") end)
    end)))
    assert.same({ "inner", "outer" }, log)
  end)
end)

describe("tide.check", function()
  it("passes all values through, in tasks and outside", function()
    local function passes()
      for _, values in ipairs { pack(), pack(1), pack(1, nil, 3, nil), pack(false, "no error"),
        pack(nil), pack(nil, nil, 3) } do
        assert.same(values, pack(check((unpack or table.unpack)(values, 1, values.n))))
      end
    end
    passes()
    run(passes)
    coroutine.wrap(passes)()
  end)

  it("raises OSError for nil, message, code", function()
    local err = raises(tide.OSError, check, nil, "no such thing", "ENOENT")
    assert.same({ "no such thing", "ENOENT" }, { err.message, err.code })
    assert.equal("OSError: no such thing", tostring(err))
    err = raises(tide.OSError, check, nil, "closed")
    assert.same({ "closed", nil }, { err.message, err.code })
    local object = {}
    assert.equal(object, raises(tide.OSError, check, nil, object).message)
    assert.is_false(raises(tide.OSError, check, nil, false).message)
  end)

  it("works on what io gives", function()
    local err = raises(tide.OSError, function() return check(io.open("/no/such/file")) end)
    assert.equal("/no/such/file: No such file or directory", err.message)
    assert.equal(2, err.code)
    check(io.open("/")):close()
  end)

  task_it("makes a failure of a task an error of its awaiter", function()
    local task = tide.task(check, nil, "reset", "ECONNRESET")
    assert.equal("ECONNRESET", raises(tide.OSError, task.await, task).code)
  end)
end)
