--- tide.stdio: standard input, output and error as streams.

local core = require "tide.core"
local tide = require "tide"
require "tide.stream"

core.own_chunk()

local numbers = { stdin = 0, stdout = 1, stderr = 2 }

-- Each runtime has its own.
return setmetatable({}, {
  __index = function(_, name)
    local number = numbers[name]
    if number then
      return (tide.check(core.stdio(number)))
    end
  end,
})
