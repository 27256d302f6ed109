-- The programs of the benchmark run, with next to nothing to do.
local net = require "tide.net"
local support = require "spec.support"
local tide = require "tide"

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
  local seen, elsewhere = {}, { fs = true, startup = true, tcp = true }
  for _, row in ipairs(require "bench.rows") do
    if not row.ours and not elsewhere[row.run[1]] then
      program_it("tide", row)
    end
    if row.floor == "coroutines" and not elsewhere[row.run[1]] and not seen[row.run[1]] then
      seen[row.run[1]] = true
      program_it("coroutines", row)
    end
  end

  it("growth: every operation", function()
    assert.equal("", run("growth", '"all", 10'))
  end)
end)

describe("the benchmark's programs of files", function()
  it("read small ones", function()
    local fs = require "tide.fs"
    local dir = assert(fs.mkdtemp())
    for i = 0, 2 do
      assert(fs.write_file(("%s/f%04d"):format(dir, i), ("x"):rep(1024)))
    end
    for _, name in ipairs { "tide", "coroutines" } do
      local pipe = io.popen(("%s bench/programs/fs/%s.lua small 3 %s"):format(support.interpreter(),
        name, dir))
      assert.matches("^[%d.]+ [%d.]+\n$", pipe:read "*a")
      pipe:close()
    end
    assert(fs.remove(dir, { recursive = true }))
  end)
end)

describe("the benchmark's server", function()
  --- What it answers to the first connection, which is all that it takes.
  local function answer_to(mode, request)
    local server = io.popen(("%s bench/programs/tcp/tide.lua %s 1 </dev/null")
      :format(support.interpreter(), mode))
    local port = tonumber(server:read("*l"))
    local answer = tide.run(function()
      local conn = assert(net.connect("127.0.0.1", port))
      conn:write(request)
      conn:shutdown()
      local all = conn:read(-1)
      conn:close()
      return all
    end)
    server:close()
    return answer
  end

  it("echo", function()
    assert.equal(("x"):rep(200000), answer_to("echo", ("x"):rep(200000)))
  end)

  it("once", function()
    assert.equal("some bytes", answer_to("once", "some bytes"))
  end)

  it("sink", function()
    assert.equal("200000\n", answer_to("sink", ("x"):rep(200000)))
  end)

  it("source", function()
    assert.equal(("abcdefghijklmnop"):rep(5000), answer_to("source", "80000\n"))
  end)
end)
