--- Queue:iter: the part of a queue that a closure of Lua's makes best.

local core = require "tide.core"

core.own_chunk()

local get = core.Queue.get

--- An iterator over what `get` returns, to the end of the queue.
function core.Queue:iter()
  core.check_queue(self, "Queue:iter")
  return function()
    return get(self)
  end
end

return {
  queue = core.queue,
  lifo_queue = core.lifo_queue,
  priority_queue = core.priority_queue,
}
