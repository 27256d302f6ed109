--- Programs where calls of the system fail: see test/faults.c.

local assert = require "luassert"
local support = require "spec.support"

local M = {}

local library = os.getenv "TIDE_FAULTS" or "build/runtime/test/faults.so"
local here = debug.getinfo(1, "S").source:sub(2):gsub("[^/]*$", "")

--- An `it` for where there is something to put before libc.
function M.faulty(it, pending)
  local file = io.open(library)
  if file then
    file:close()
  end
  return support.it_if(file, library, it, pending)
end

--- What the program of that name in spec/ prints, both streams, and then "exit
-- 0". `variables` are FAULTS and others, as in a shell.
function M.output(variables, name, arguments)
  local pipe = assert(io.popen(("if command -v timeout >/dev/null; then t='timeout 60'; fi; " ..
    "%s $t env LD_PRELOAD=\"$LD_PRELOAD %s\" %s %s %s 2>&1 </dev/null; echo \"exit $?\"")
    :format(variables, library, support.interpreter(), here .. name, arguments or "")))
  local output = pipe:read "*a"
  pipe:close()
  return output
end

--- Of a program that first prints a list of "call=code", what each call came to:
-- the list. It is left with what `left` says, and ends well.
function M.codes(variables, name, left)
  local output = M.output(variables, name)
  local codes, rest = output:match "^([^\n]*)\n(.*)$"
  assert.equal(("left %s\nexit 0\n"):format(left), rest, output)
  return codes
end

return M
