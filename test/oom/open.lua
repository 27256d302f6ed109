-- The module is loaded, and the runtime opened by a C program, and closed.
return {
  bare = true,
  main = function()
    oom.open()
    local tide = require "tide"
    tide.loop():close()
    tide.loop()
    oom.open()
  end,
}
