-- Resources and callbacks, with a cancel at every await.
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local sleep, with = tide.sleep, tide.with

local function explored(title, body, check)
  support.explored("under explore, " .. title, body, check)
end

describe("tide.with", function()
  local opened, closed

  local function open()
    opened = opened + 1
    return {
      close = function()
        sleep(1)
        closed = closed + 1
      end,
    }
  end

  explored("closes once what was opened", function()
    opened, closed = 0, 0
    with(open(), function()
      sleep(1)
      with(open(), function() sleep(0) sleep(1) end)
      local task = tide.task(with, open(), function() sleep(2) end)
      task:await()
    end)
    return sleep(0)
  end, function(result, where)
    assert.equal(opened, closed, where)
    assert.is_true(not result.ok or opened == 3, where)
  end)
end)

describe("from_callback", function()
  local pending

  local function start(seconds, callback)
    pending = pending + 1
    return tide.loop():call_later(seconds, function()
      pending = pending - 1
      callback(nil, seconds)
    end)
  end

  local f = tide.from_callback(start, {
    abort = function(handle)
      handle:cancel()
      pending = pending - 1
    end,
  })
  local slow = tide.from_callback(start, { abort = function() return false end })

  explored("what was started has ended or was aborted, once", function()
    pending = 0
    local task = tide.task(f, 2)
    return f(1) + slow(1) + task:await() + f(0) + tide.shield(slow, 1)
  end, function(result, where)
    assert.equal(0, pending, where)
    assert.is_true(not result.ok or result[1] == 5, where)
  end)
end)
