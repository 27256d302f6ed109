-- Generators, with a cancel at every await.
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local sleep, generator = tide.sleep, tide.generator

--- One that yields 1 to n and notes in `log` what it opened and closed; its
-- cleanup awaits, shielded.
local function source(log, n)
  return (generator(function(yield)
    log.open = log.open + 1
    tide.finally(function()
      for i = 1, n do
        sleep(i % 2)
        log.made = log.made + 1
        yield(i)
      end
    end, function()
      sleep(1)
      log.open = log.open - 1
    end)
  end))
end

--- All that g gives, in order, into log.got; then closes it.
local function consume(log, g)
  return tide.with(g, function()
    local v = g()
    while v do
      log.got[#log.got + 1] = v
      v = g()
    end
  end)
end

local function explored(title, body)
  local log
  support.explored(title, function()
    log = { open = 0, made = 0, got = {} }
    return body(log)
  end, function(result, where)
    assert.equal(0, log.open, where)
    assert.is_true(log.made >= #log.got, where)
    for i, v in ipairs(log.got) do
      assert.equal(i, v, where)
    end
    if result.ok then
      assert.equal(log.expected, #log.got, where)
    end
  end)
end

describe("under explore,", function()
  explored("a generator is closed at the end, whatever happened", function(log)
    log.expected = 4
    consume(log, source(log, 4))
  end)

  explored("two generators, one of which feeds the other, end together", function(log)
    log.expected = 3
    local inner = source(log, 3)
    consume(log, generator(function(yield)
      tide.with(inner, function()
        local v = inner()
        while v do
          yield(v)
          v = inner()
        end
      end)
    end))
  end)

  explored("one task begins, others go on, the last closes", function(log)
    log.expected = 3
    local g = source(log, 5)
    tide.with(g, function()
      for _ = 1, 3 do
        local task = tide.task(g)
        tide.finally(function()
          log.got[#log.got + 1] = task:await()
        end, function()
          tide.pcall(task.await, task) -- entered cancelled, the first did not wait
        end)
      end
    end)
  end)
end)
