-- The programs of the benchmark run, with next to nothing to do.
local support = require "spec.support"

require("tide.busted").configure { task = false }

--- What a program prints when it is told these words.
local function run(program, words)
  local output, status = support.child(("arg = { [0] = %q, %s } dofile(arg[0])")
    :format("bench/programs/" .. program .. ".lua", words))
  assert.equal(0, status, output)
  return output
end

--- A row's words, but for what would take long.
local function words_of(row)
  local words = { ("%q"):format(row.run[1]), "100" }
  for i = 2, #row.run do
    words[i + 1] = ("%q"):format(row.run[i] == "100000" and "10" or row.run[i])
  end
  if row.run[1] == "sleepers" then
    words[3] = "0.01"
  end
  return table.concat(words, ", ")
end

local function program_it(program, row)
  it(("%s: %s"):format(program, row.name), function()
    assert.truthy(run(program, words_of(row)):match("^%-?[%d.]+[%-%d. ]*\n$"))
  end)
end

describe("the benchmark's programs", function()
  local seen = {}
  for _, row in ipairs(require "bench.rows") do
    if not row.ours and row.run[1] ~= "startup" then
      program_it("tide", row)
    end
    if row.floor == "coroutines" and row.run[1] ~= "startup" and not seen[row.run[1]] then
      seen[row.run[1]] = true
      program_it("coroutines", row)
    end
  end

  it("growth: every operation", function()
    assert.equal("", run("growth", '"all", 10'))
  end)
end)
