--- Stream:lines, File:lines: the part of reading that a closure of Lua's makes
-- best.

local core = require "tide.core"

core.own_chunk()

local check_stream = core.check_stream

local function add_lines(class, name)
  local readline = class.readline

  --- For `for line in stream:lines([options]) do`: `readline` to the end. What goes
  -- wrong on the way is raised, as an OSError.
  function class:lines(options)
    check_stream(self, name)
    return function()
      local line, message, code = readline(self, options)
      if line == nil and code ~= "EOF" then
        error(core.OSError { message = message, code = code }, 0)
      end
      return line
    end
  end
end

add_lines(core.Stream, "Stream:lines")
add_lines(core.File, "File:lines")
