-- Children, with a cancel at every await: none may be left.
local tide = require "tide"
local process = require "tide.process"
local testing = require "tide.testing"
local children = require "spec.process_support"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local it = children.it_looks(it, pending)
local SEEDS = support.few_seeds(1, 20) -- each run has children of its own

--- Explores body(note): note(child) tells of one that may not be left then, nor
-- may anything else.
local function explored(title, body)
  it(title, function()
    local pids, before = {}, nil
    tide.run(process.run, { "true" }) -- libuv opens a descriptor for itself, once
    for seed = 1, SEEDS do
      local runs = testing.explore(function()
        pids, before = {}, children.descriptors()
        return body(function(child)
          pids[#pids + 1] = child.pid
          return child
        end)
      end, function(outcome)
        local where = ("seed %d, await %d, %s"):format(seed, outcome.k, outcome.at)
        for _, pid in ipairs(pids) do
          assert.is_true(children.is_gone(pid), where)
        end
        assert.is_nil(support.left(), where)
        assert.equal(before, children.descriptors(), where)
      end, { seed = seed, clock = "real" })
      assert.is_true(runs > 3)
    end
  end)
end

describe("under explore,", function()
  explored("run leaves nothing", function()
    assert(process.run { "cat", input = ("x"):rep(200000), stderr = "null" })
    return "done"
  end)

  explored("run leaves nothing of a group whose pipes are held", function()
    assert(process.shell("sleep 1000 & echo", { linger = 0.001, grace = 0.01 }))
    return "done"
  end)

  explored("155: a process that is closed at the end leaves nothing", function(note)
    local child = note(assert(process.spawn { "sh", "-c", "cat; echo >&2", stdin = "pipe",
      stdout = "pipe", stderr = "pipe", detached = true }))
    tide.finally(function()
      child.stdin:write "hello"
      child.stdin:shutdown()
      assert(child.stdout:read(-1) == "hello")
      assert(child.stderr:readline() == "")
      assert(child:wait() == 0)
    end, function() child:close() end)
    return "done"
  end)

  explored("a process that is terminated leaves nothing", function(note)
    local child = note(assert(process.spawn { "sh", "-c", "trap '' TERM; echo; sleep 1000",
      stdout = "pipe", detached = true }))
    tide.finally(function()
      child.stdout:readline()
      child:terminate(0.01)
    end, function() child:close() end)
    return "done"
  end)

  explored("a process that is left with tide.with leaves nothing", function(note)
    -- No trap: a shell that is told between two commands waits for the second.
    local child = note(assert(process.spawn { "sh", "-c", "echo; exec sleep 1000",
      stdout = "pipe", detached = true }))
    tide.with(child, function() child.stdout:readline() end)
    return "done"
  end)

  explored("three at a time leave nothing", function()
    local slots = tide.semaphore(2)
    tide.group(function(group)
      for i = 1, 3 do
        group:task(slots.with, slots, function()
          assert(process.run({ "sh", "-c", "exit " .. i }).code == i)
        end)
      end
    end)
    return "done"
  end)
end)
