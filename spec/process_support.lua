--- What the specs of children share.

local assert = require "luassert"
local tide = require "tide"
local process = require "tide.process"
local support = require "spec.support"

local M = {}

--- The state of a process, "S" or "Z" say; nil if there is none.
function M.state(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  local stat = file and file:read "*a"
  if file then
    file:close()
  end
  return stat and stat:match "^.*%) (%a)"
end

--- Whether the spec can look.
M.can_look = M.state(1) ~= nil

--- An `it` for those that do.
function M.it_looks(it, pending)
  return support.it_if(M.can_look, "/proc", it, pending)
end

--- Whether a process runs: where nobody reaps what was inherited, it is left as a
-- zombie for ever.
function M.runs(pid)
  local state = M.state(pid)
  return state ~= nil and state ~= "Z" and state ~= "X"
end

--- Until it does not: what was killed takes a moment.
function M.wait_for_end(pid)
  while M.runs(pid) do
    tide.sleep(0.001)
  end
end

--- What comes after these is nil, a message like that and that code.
function M.fails(code, pattern, ...)
  local got = support.pack(...)
  assert.equal(3, got.n)
  assert.is_nil(got[1])
  assert.matches(pattern, got[2])
  assert.equal(code, got[3])
end

--- Neither as a process nor as a zombie of ours. What was killed is there until a
-- busy system lets it end; the next spawn sees to that.
function M.is_gone(pid)
  local tries = 0
  while M.state(pid) and tries < 500 do
    process.run { "true" }
    tries = tries + 1
  end
  return M.state(pid) == nil
end

--- How many descriptors are open.
function M.descriptors()
  local n = 0
  for fd = 0, 255 do
    local file, _, code = io.open("/proc/self/fd/" .. fd)
    if file then
      file:close()
    end
    if file or code ~= 2 then
      n = n + 1
    end
  end
  return n
end

--- The same, to begin with: of what earlier tests have left to the collector none
-- is open any more, which else may be closed before the next count.
function M.descriptors_before()
  collectgarbage()
  collectgarbage()
  return M.descriptors()
end

--- The name of a file that is not there, and is gone when fn(name) has returned.
function M.with_file(fn)
  local name = os.tmpname()
  os.remove(name)
  local ok, err = tide.pcall(fn, name)
  os.remove(name)
  if not ok then
    error(err, 0)
  end
end

function M.read_file(name)
  local file = assert(io.open(name))
  local text = file:read "*a"
  file:close()
  return text
end

function M.write_file(name, text)
  local file = assert(io.open(name, "w"))
  file:write(text)
  file:close()
end

return M
