--- What user code may do while tide is in the middle of something.

local tide = require "tide"
local testing = require "tide.testing"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

--- The exception handler of fn is `handler`.
local function with_handler(handler, fn)
  local loop = tide.loop()
  loop:set_exception_handler(handler)
  local ok, err = pcall(tide.run, fn)
  loop:set_exception_handler(nil)
  assert(ok, err)
end

local function busy(seconds)
  local start = os.clock()
  while os.clock() - start < seconds do end -- luacheck: ignore 542
end

describe("the exception handler", function()
  it("may cancel the task that it is told of as slow", function()
    local loop, task = tide.loop(), nil
    loop:set_debug(true)
    loop.slow_callback_duration = 0.002
    with_handler(function(report)
      if task and report.message:find "ran for" then
        task:cancel()
      end
    end, function()
      task = tide.task(function()
        busy(0.01)
        tide.sleep(60)
      end)
      assert.is_false((pcall(task.await, task)))
      assert.is_true(task:cancelled())
    end)
    loop:set_debug(false)
    loop.slow_callback_duration = 0.1
  end)

  it("gets the one Task that a failed task has, which is never another's", function()
    local seen
    with_handler(function()
      seen = tide.all_tasks()
    end, function()
      tide.task(function() error "failed" end)
      collectgarbage()
      tide.sleep(0)
      tide.sleep(0)
      local victim = tide.task(function() return tide.sleep(0.01, "untouched") end)
      for _, task in ipairs(seen) do
        if task ~= tide.current_task() then
          task:cancel()
        end
      end
      assert.equal("untouched", victim:await())
    end)
  end)
end)

describe("a coroutine that waited in a loop that was closed", function()
  it("cannot be resumed by anybody", function()
    local inner = tide.coroutine.create(function() tide.park(function() end) end)
    tide.task(function() tide.coroutine.resume(inner) end)
    tide.sleep(0.001)
    tide.loop():close()
    tide.run(function()
      local ok, err = tide.coroutine.resume(inner)
      assert.is_false(ok)
      assert.matches("cannot resume", err)
    end)
  end)
end)

describe("a task that cancels itself", function()
  it("and waits after that, shielded, has its results: it was not its last step", function()
    testing.run(function()
      local task = tide.task(function()
        tide.current_task():cancel()
        tide.shield(tide.sleep, 1)
        return "results"
      end)
      assert.equal("results", task:await())
    end)
  end)
end)

describe("tide.exit", function()
  it("is refused under a host that steps the loop, and ends nothing later", function()
    local err
    local task = tide.task(function() err = select(2, pcall(tide.exit, 7)) end)
    while not task:done() do
      tide.loop():step()
    end
    assert.matches("the loop is a host's", err)
    tide.loop():close()
    assert.equal("on", tide.run(function() return "on" end))
  end)
end)

describe("a grace of 0", function()
  it("still cancels what is left, and gives it a turn", function()
    local cleaned = false
    tide.loop():set_grace(0)
    tide.run(function()
      tide.task(tide.finally, function() tide.sleep(60) end, function() cleaned = true end)
      tide.sleep(0)
    end)
    tide.loop():set_grace(5)
    assert.is_true(cleaned)
  end)
end)

describe("an error that run raises", function()
  it("is caught many times in a compiled loop", function()
    local caught = 0
    for _ = 1, 300 do
      local ok = pcall(tide.run, function()
        tide.sleep(0)
        error({}, 0)
      end)
      caught = caught + (ok and 0 or 1)
      assert.same({ 1, { 2 } }, { 1, { 2 } })
    end
    assert.equal(300, caught)
  end)
end)

describe("an await that need not wait, where nothing can be suspended,", function()
  it("keeps what it took, however often", function()
    testing.run(function()
      local sem, queue, lock = tide.semaphore(300), tide.queue(), tide.lock()
      local got = 0
      for i = 1, 300 do queue:put_nowait(i) end
      string.gsub(("x"):rep(300), "x", function()
        sem:acquire()
        lock:acquire():release()
        got = got + (queue:get() and 1 or 0)
      end)
      assert.same({ 0, 300, 0 }, { sem:value(), got, queue:qsize() })
    end)
  end)
end)
