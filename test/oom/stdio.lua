-- The three are there or not; nothing is read or shown.
local tide = require "tide"
local stdio = require "tide.stdio"

return function()
  for _, name in ipairs { "stdin", "stdout", "stderr" } do
    local stream = stdio[name]
    assert(stream == stdio[name])
    assert(stream:fileno())
    if not stream:is_terminal() then
      local ok, message, code = stream:set_raw(true)
      assert(not ok and message and code)
      assert(not stream:window_size())
    end
  end
  tide.group(function(group)
    group:task(stdio.stdout.write, stdio.stdout, "", { "" })
    group:task(stdio.stderr.write, stdio.stderr, "")
  end)
end
