--- Stream:lines: the part of a stream that a closure of Lua's makes best.

local core = require "tide.core"

core.own_chunk()

local Stream = core.Stream
local readline, check_stream = Stream.readline, core.check_stream

--- For `for line in stream:lines([options]) do`: `readline` to the end. What goes
-- wrong on the way is raised, as an OSError.
function Stream:lines(options)
  check_stream(self, "Stream:lines")
  return function()
    local line, message, code = readline(self, options)
    if line == nil and code ~= "EOF" then
      error(core.OSError { message = message, code = code }, 0)
    end
    return line
  end
end
