-- Tasks that wait for descriptors, with a cancel at every await.
local tide = require "tide"
local explored = require("spec.support").explored
local poll_support = require "spec.poll_support"

require("tide.busted").configure { task = false }

if not poll_support.there("tide.poll under explore", describe, pending) then
  return
end

describe("under explore,", function()
  local got, sent

  --- Reads what is there, when it is there.
  local function read(stream)
    while #got < 3 do
      local ready = tide.poll(stream, "r")
      if not ready then
        return
      end
      got[#got + 1] = assert(stream:receive(1))
    end
  end

  local function write(stream)
    for i = 1, 3 do
      assert(tide.poll(stream, "w") == "w")
      assert(stream:send(tostring(i)))
      sent = i
      tide.sleep(0)
    end
  end

  explored("nothing stays watched, and nothing is missed", function()
    got, sent = {}, 0
    local a, b = poll_support.pair()
    return tide.finally(function()
      tide.group(function(group)
        group:task(read, a)
        group:task(write, b)
        group:task(tide.poll, a, "w")
        group:task(tide.move_on_after, 0, tide.poll, b, "r")
      end)
      return "done"
    end, function()
      poll_support.close_all()
    end)
  end, function(outcome, where)
    if not outcome.hit then
      assert.equal(3, sent, where)
      assert.equal("123", table.concat(got), where)
    end
  end)

  explored("poll_forget wakes who waits, whenever it comes", function()
    local a = poll_support.pair()
    return tide.finally(function()
      tide.group(function(group)
        group:task(function() got = { tide.poll(a, "r") } end)
        group:task(function()
          tide.sleep(0)
          tide.sleep(0)
          tide.poll_forget(a)
          a:close()
        end)
      end)
    end, function()
      poll_support.close_all()
    end)
  end, function(outcome, where)
    if not outcome.hit then
      assert.is_true(got[3] == "ECANCELED" or got[3] == "EBADF", where)
    end
  end)
end)
