local tide = require "tide"
local testing = require "tide.testing"

describe("sleep", function()
  it("33: sleep(0) gives exactly one turn, and returns its result", function()
    testing.run(function()
      local order = {}
      tide.loop():call_soon(function() order[#order + 1] = "callback" end)
      local task = tide.task(function()
        order[#order + 1] = "task"
      end)
      assert.equal("result", tide.sleep(0, "result"))
      order[#order + 1] = "main"
      task:await()
      assert.same({ "callback", "task", "main" }, order)
    end)
  end)
end)
