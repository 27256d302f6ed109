-- A child is made or it is not; none is left behind.
local tide = require "tide"
local process = require "tide.process"

local input = ("x"):rep(70000)

local function talk()
  local child, message = process.spawn { "sh", "-c", "read x; exit 3", stdin = "pipe",
    stdout = "pipe", stderr = "null", env = { A = "1", B = 2 }, detached = true }
  assert(child, message)
  local ok, err = tide.pcall(function()
    assert(child.stdin:write "x\n")
    assert(child.stdout:read(-1))
    assert(child:wait() == 3)
  end)
  child:close()
  if not ok then
    error(err, 0)
  end
end

--- One that is given another's output.
local function link()
  local first = assert(process.spawn { "true", stdout = "pipe" })
  local ok, err = tide.pcall(function()
    local last = assert(process.spawn { "true", stdin = first.stdout, stdout = "null" })
    last:close()
  end)
  first:close()
  if not ok then
    error(err, 0)
  end
end

--- One that ends because it is left.
local function leave()
  local child = assert(process.spawn { "sleep", "1000" })
  tide.with(child, function() tide.sleep(0) end)
end

local function main()
  talk()
  link()
  leave()
  local result, message = process.run { "cat", input = input }
  assert(result, message)
  assert(#result.stdout <= #input)
end

--- Where there is no memory for a coroutine of a pcall, on 5.1, the collector
-- closes the child. A call that could not become a task is held until there is
-- another.
local function before()
  tide.run(tide.sleep, 0)
  for _ = 1, 2 do collectgarbage() end
end

return { main = main, before = before }
