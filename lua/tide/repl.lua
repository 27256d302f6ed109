--- The prompt of bin/tide. Each statement runs in the main task, so it may
-- await; other tasks run while a line is waited for.

local core = require "tide.core"
local tide = require "tide"
local lineedit = require "tide.lineedit"
local cothread = require "tide.coroutine"

core.own_chunk()

local load = loadstring or load

local M = {}

-- ---- reading a statement ----

local function prompt(name, default)
  local value = _G[name]
  return value == nil and default or tostring(value)
end

--- Its message ends with <eof>: more lines may make it whole.
local function is_incomplete(message)
  return message:find("<eof>'?$") ~= nil
end

local function pass(...)
  return ...
end

--- A chunk of an expression, to be called with `pass`: were its last call a tail
-- call, errors could not be told where they are. What ends with a semicolon has
-- to do without.
local function compile_expression(text)
  local chunk = load("return " .. text, "=stdin")
  return chunk and (load("local _pass = ... return _pass(" .. text .. "\n)", "=stdin") or chunk)
end

--- A chunk and what to call it with; or nil and a message; or nil and "eof" or
-- "interrupt", true.
local function read_statement(reader)
  local text, why = reader:read(prompt("_PROMPT", "> "))
  if not text then
    return nil, why, true
  end
  local chunk = compile_expression((text:gsub("^=", "")))
  if chunk then
    return chunk, pass
  end
  text = text:gsub("^=", "return ", 1) -- an older form of it
  while true do
    local message
    chunk, message = load(text, "=stdin")
    if chunk then
      return chunk
    elseif not is_incomplete(message) then
      return nil, message
    end
    local line
    line, why = reader:read(prompt("_PROMPT2", ">> "))
    if not line then
      if why == "eof" then
        return nil, message
      end
      return nil, why, true
    end
    text = text .. "\n" .. line
  end
end

-- ---- running it ----

local function complain(message)
  io.stdout:flush()
  io.stderr:write(message, "\n")
end

--- What cancelled the statement is over with it.
local function lift_cancel()
  local interrupted = core.take_interrupt()
  local main = tide.current_task()
  while main:uncancel() > 0 do end
  return interrupted
end

local function report(interrupted, err)
  if interrupted then
    complain("interrupted")
  else
    complain(tostring(err)) -- of all but a cancellation, with its traceback
  end
end

--- True when it was the last one: tide.exit was called.
local function finish(ok, ...)
  if core.is_exiting() then
    return true
  end
  local interrupted = lift_cancel()
  if not ok then
    report(interrupted, (...))
  elseif select("#", ...) > 0 then
    local printed, err = cothread.pcall(_G.print, ...)
    if not printed then
      complain(("error calling 'print' (%s)"):format(tostring(err)))
    end
  end
  return false
end

--- What the scope around the statement has returned: true and what xpcall has,
-- or false and why it was cancelled.
local function leave(entered, ok, ...)
  if not entered then
    return finish(false, ok)
  elseif not ok then
    return finish(false, ... or "the scope of the statement was cancelled")
  end
  return finish(...)
end

local function call(_, chunk, ...)
  return cothread.xpcall(chunk, core.describe, ...)
end

--- In a scope of its own, so that one which it leaves open ends with it.
local function run(chunk, ...)
  return leave(cothread.pcall(tide.scope, call, chunk, ...))
end

local function step(reader)
  local chunk, message, ended = read_statement(reader)
  if chunk and message then
    return run(chunk, message)
  elseif chunk then
    return run(chunk)
  elseif not ended then
    complain(message)
  elseif message == "interrupt" then
    lift_cancel()
  end
  return ended and message == "eof"
end

--- The main task may be cancelled from outside while a line is waited for: that
-- ends nothing here, unless it is to leave.
local function survive(ok, ended)
  if ok then
    return ended
  elseif core.is_exiting() then
    return true
  end
  report(lift_cancel(), ended)
  return false
end

local function new_reader(input, dump)
  local is_capable = input:is_terminal() and core.is_terminal(1) and
    os.getenv("TERM") ~= "dumb" and package.config:sub(1, 1) == "/"
  return is_capable and lineedit.editor(input, dump) or lineedit.plain(input)
end

--- What others print while a line is waited for stands above it.
local function beside(reader, f)
  return function(...)
    local waiting = reader:is_waiting()
    if waiting then
      io.stdout:flush()
      reader:hide()
    end
    local ok, err = pcall(f, ...)
    if waiting then
      reader:show()
    end
    if not ok then
      error(err, 0)
    end
  end
end

--- Reads and runs statements until the end of input; in the main task. `dump`
-- writes the task tree.
function M.run(dump)
  local reader = new_reader(tide.stdio.stdin, dump)
  local loop = tide.loop()
  _G.tide = _G.tide == nil and tide or _G.tide
  _G.print = beside(reader, print)
  core.set_interactive()
  core.set_breaking(true)
  core.on_signal("SIGQUIT", beside(reader, dump))
  if not loop:get_exception_handler() then
    loop:set_exception_handler(beside(reader, core.print_report))
  end
  while not survive(cothread.pcall(step, reader)) do end
  core.set_breaking(false)
end

return M
