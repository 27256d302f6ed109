-- What finalisers may do while tide allocates: at each place where it does.
local tide = require "tide"
local places = require "spec.places_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local pcall = tide.pcall

local function nothing() end

--- At one place at least, or the test tests nothing.
local function each(fn)
  assert.is_true(places.each(fn))
end

describe("a finaliser, at each place,", function()
  local called
  local function callback() called = called + 1 end
  before_each(function() called = 0 end)

  it("may add a done callback while a future is set", function()
    each(function(arm, disarm)
      local future, added = tide.future(), 2
      called = 0
      future:add_done_callback(callback)
      future:add_done_callback(callback)
      arm(function()
        added = 3
        future:add_done_callback(callback)
      end)
      future:set_result(1, 2)
      disarm()
      support.turns(2)
      assert.equal(added, called)
    end)
  end)

  it("may remove a done callback while a future is set", function()
    each(function(arm, disarm)
      local future, removed, others = tide.future(), 0, 0
      local function other() others = others + 1 end
      called = 0
      future:add_done_callback(callback)
      future:add_done_callback(other)
      future:add_done_callback(other)
      arm(function() removed = future:remove_done_callback(callback) end)
      future:set_result(1, 2)
      disarm()
      support.turns(2)
      assert.same({ 1, 2 }, { called + removed, others })
    end)
  end)

  it("may set a future while a done callback is added", function()
    each(function(arm, disarm)
      local future = tide.future()
      called = 0
      arm(function() future:set_result(1) end)
      future:add_done_callback(callback)
      disarm()
      pcall(future.set_result, future, 1)
      support.turns(2)
      assert.equal(1, called)
    end)
  end)

  it("may add a done callback while a task ends", function()
    each(function(arm, disarm)
      local task, added
      added, called = 2, 0
      task = tide.task(function()
        arm(function()
          added = 3
          task:add_done_callback(callback)
        end)
        return 1, 2
      end)
      task:add_done_callback(callback)
      task:add_done_callback(callback)
      support.turns(2)
      disarm()
      support.turns(2)
      assert.equal(added, called)
    end)
  end)

  local ends = {
    set_result = function(future)
      local ok, done = pcall(future.set_result, future, 1, 2)
      return ok and done
    end,
    set_exception = function(future)
      local ok, done = pcall(future.set_exception, future, "bad")
      return ok and done
    end,
    cancel = function(future) return future:cancel() end,
  }
  for outer, first in pairs(ends) do
    for inner, second in pairs(ends) do
      it("may do " .. inner .. " while a future does " .. outer .. ": one of them does", function()
        each(function(arm, disarm)
          local future, by_second = tide.future(), nil
          called = 0
          future:add_done_callback(callback)
          local waiting = tide.task(function() return pcall(future.await, future) end)
          support.turns(1)
          arm(function() by_second = second(future) end)
          local by_first = first(future)
          disarm()
          support.turns(2)
          pcall(future.exception, future)
          assert.equal(1, called)
          if by_second ~= nil and inner ~= "cancel" and outer ~= "cancel" then
            assert.not_equal(by_first, by_second)
          end
          local winner = by_second and inner or outer
          local done, value = waiting:await()
          assert.equal(winner == "set_result", done)
          assert.equal(winner == "cancel", future:cancelled())
          assert.equal(winner == "set_exception", value == "bad")
        end)
      end)
    end
  end

  it("may look at a future whose cancellation is just noticed", function()
    each(function(arm, disarm)
      local future = tide.future()
      called = 0
      future:add_done_callback(callback)
      future:add_done_callback(callback)
      local waiting = tide.task(future.await, future)
      support.turns(1)
      waiting:cancel()
      arm(function() future:done() end)
      assert.is_true(future:cancelled())
      disarm()
      support.turns(2)
      assert.equal(2, called)
    end)
  end)

  --- A cancel is not lost that comes when its checkpoint is behind it.
  local function is_cancelled(wait)
    each(function(arm, disarm)
      local task, cancelled
      task = tide.task(function()
        arm(function()
          cancelled = true
          task:cancel()
        end)
        wait(disarm)
      end)
      tide.sleep(1)
      disarm()
      local ended = task:done()
      task:cancel()
      tide.sleep(1)
      assert.is_true(ended or not cancelled)
    end)
  end

  it("may cancel a task that begins to park", function()
    is_cancelled(function(disarm)
      tide.park(function()
        disarm()
        return nothing
      end)
    end)
  end)

  it("may cancel a task that begins to gather", function()
    is_cancelled(function(disarm)
      local function child()
        disarm()
        tide.sleep(60)
      end
      tide.gather(child)
    end)
  end)

  it("may cancel a task that begins to wait for the next that completes", function()
    is_cancelled(function(disarm)
      local function child()
        disarm()
        tide.sleep(60)
      end
      for _ in tide.as_completed { child } do
        nothing()
      end
    end)
  end)

  it("may close a group that a task is added to", function()
    each(function(arm, disarm)
      local made, ran = 0, 0
      tide.loop():set_exception_handler(nothing) -- it could not wait for them
      pcall(tide.group, function(group)
        arm(function() debug.getmetatable(group).__close(group) end)
        for _ = 1, 2 do
          if pcall(group.task, group, function() ran = ran + 1 end) then
            made = made + 1
          end
        end
        disarm()
      end)
      disarm()
      tide.sleep(1)
      tide.loop():set_exception_handler(nil)
      assert.is_true(ran <= made)
    end)
  end)

  it("gets the same scope", function()
    each(function(arm, disarm)
      local scope, same
      tide.move_on_after(1, function()
        arm(function() same = tide.current_scope() end)
        scope = tide.current_scope()
        disarm()
        tide.sleep(2)
      end)
      assert.equal(scope, same or scope)
      assert.is_true(same == nil or same:expired())
    end)
  end)

  -- In a child: each runtime of this process may have opened it already.
  it("gets the same stream of standard error", function()
    local text = support.child [[
      package.loaded["tide.busted"] = {} -- which does not run here
      local places = require "spec.places_support"
      local stdio = require "tide.stdio"
      places.each(function(arm, disarm) -- there may be none on LuaJIT
        local same
        arm(function() same = stdio.stderr end)
        local stream = stdio.stderr
        disarm()
        assert(same == nil or same == stream)
      end)
      print "the same"]]
    assert.equal("the same\n", text)
  end)

  it("may let go of a server that accepts", function()
    local net = require "tide.net"
    each(function(arm, disarm)
      local server = assert(net.listen("127.0.0.1", 0))
      local client = assert(net.connect(server:sockname()))
      local first = assert(server:accept())
      local second = assert(net.connect(server:sockname()))
      arm(function() debug.getmetatable(server).__gc(server) end)
      local ok, accepted = pcall(server.accept, server)
      disarm()
      server:close()
      for _, stream in pairs { client, first, second, ok and accepted or nil } do
        stream:close()
      end
    end)
  end)
end)
