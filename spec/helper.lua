--- What busted does beside running the specs: see .busted.

local busted = require "busted"
require "tide.busted"

--- Without what it ran: its functions, and with them the modules that its file
-- had loaded anew.
local function let_go(element)
  for _, child in ipairs(busted.children(element)) do
    let_go(child)
    child.run, child.env = nil, nil
  end
end

-- busted keeps all files to the end. The specs that collect garbage would mark
-- all of them again each time, more than a hundred at the end.
busted.subscribe({ "file", "end" }, function(file)
  let_go(file)
  return nil, true
end)
