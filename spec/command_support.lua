--- Runs bin/tide, in a folder of its own, from a pipe or on a terminal.

local support = require "spec.support"

local M = {}

local program = debug.getinfo(1, "S").source:sub(2):gsub("spec/[^/]*$", "") .. "bin/tide"
local terminal = os.getenv("TIDE_PTY") or "build/runtime/test/pty"
local scratch

function M.setup()
  scratch = os.tmpname()
  os.remove(scratch)
  os.execute("mkdir " .. scratch)
end

function M.teardown()
  os.execute("rm -r " .. scratch)
end

--- The scratch folder, in which modules are found.
function M.folder()
  return scratch
end

--- A file in the scratch folder.
function M.write(name, code)
  local file = assert(io.open(scratch .. "/" .. name, "w"))
  file:write(code)
  file:close()
  return scratch .. "/" .. name
end

local function quote(s)
  return "'" .. s:gsub("'", "'\\''") .. "'"
end

--- How the shell starts it.
function M.line(args)
  local words = {}
  for i, word in ipairs(args) do words[i] = quote(word) end
  return ("%s %s %s"):format(support.interpreter(), program, table.concat(words, " "))
end

--- What a line of the shell prints, and its status.
local function output_of(line)
  local pipe = assert(io.popen(("LUA_PATH=%s\"$LUA_PATH\"; export LUA_PATH; %s; echo \"exit $?\"")
    :format(quote(scratch .. "/?.lua;"), line)))
  local output = pipe:read("*a")
  pipe:close()
  local text, status = output:match("^(.*)exit (%d+)\n$")
  return text, tonumber(status)
end

local LIMIT = "if command -v timeout >/dev/null; then t='timeout 20'; fi; "

--- Runs bin/tide with these arguments and this input: stdout, stderr, status.
-- `from` is put before it in the shell: a pipe into it, say.
function M.run(args, input, from)
  local stdin = from and "" or "<" .. (input and M.write("stdin", input) or "/dev/null")
  local text, status = output_of(("%s%s $t %s %s 2>%s/stderr"):format(
    LIMIT, from or "", M.line(args), stdin, scratch))
  local file = assert(io.open(scratch .. "/stderr"))
  local errors = file:read("*a")
  file:close()
  return text, errors, status
end

--- Starts bin/tide: a pipe from which to read what it prints, errors too.
function M.open(args)
  return assert(io.popen(("%s exec $t %s 2>&1"):format(LIMIT, M.line(args))))
end

--- Runs it on a terminal, at which test/pty.c plays the user: the output, the
-- status. `environment` is put before it.
function M.play(script, args, environment)
  local text, status = output_of(("TERM=xterm %s %s %s %s"):format(
    environment or "", terminal, M.write("play", script),
    M.line(args or {})))
  return text:gsub("\r", ""), status
end

return M
