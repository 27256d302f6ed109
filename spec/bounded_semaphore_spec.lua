local tide = require "tide"
local support = require "spec.support"
local semaphores = require "spec.semaphore_support"

require("tide.busted").configure { clock = "virtual" }

local turns, misuse = support.turns, support.misuse
local acquirers, said = semaphores.acquirers, semaphores.said

describe("a bounded semaphore", function()
  it("102: released too often raises and changes nothing", function()
    local sem = tide.bounded_semaphore(2)
    misuse("released too often", function() sem:release() end)
    sem:acquire()
    misuse("released too often", function() sem:release(2) end)
    misuse("released too often", function() sem:release(2 ^ 53) end)
    assert.equal(1, sem:value())
    sem:release()
    assert.equal(2, sem:value())
    local none = tide.bounded_semaphore(0)
    misuse("released too often", function() none:release() end)
    misuse("", function() getmetatable(sem).__close(sem) end)
    assert.equal(2, sem:value())
    assert.equal(1, tide.bounded_semaphore():value())
  end)

  it("102: an unbounded one can be released above its first value", function()
    local sem = tide.semaphore(1)
    sem:release(2)
    assert.equal(3, sem:value())
  end)

  it("102: too many with waiters wake none of them", function()
    local sem, log = tide.bounded_semaphore(1), {}
    sem:acquire()
    local tasks = acquirers(sem, log, "a b")
    misuse("released too often", function() sem:release(2) end)
    turns(2)
    assert.equal("", said(log))
    sem:release()
    tasks[1]:await()
    sem:release()
    tasks[2]:await()
    sem:release()
    assert.equal("a b", said(log))
    misuse("released too often", function() sem:release() end)
  end)
end)
