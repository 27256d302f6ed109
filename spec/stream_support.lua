--- What the specs of streams need.

local tide = require "tide"
local testing = require "tide.testing"

local M = {}

local opened, feeders = {}, {}

--- Closed when the test has ended.
function M.opens(...)
  for i = 1, select("#", ...) do
    opened[#opened + 1] = (select(i, ...))
  end
  return ...
end

function M.pair(options)
  return M.opens(testing.stream_pair(options))
end

--- Two, the second of which takes nothing more until "###" is read from it.
function M.stuffed(options)
  options = options or {}
  options.limit = 1
  local from, to = M.pair(options)
  assert(from:write("###"))
  return from, to
end

--- The hook of a file that calls `opens` or `pair`.
function M.close_after_each(after_each)
  after_each(function()
    for i = #opened, 1, -1 do
      opened[i]:close()
      opened[i] = nil
    end
    for i = #feeders, 1, -1 do
      feeders[i]:cancel()
      feeders[i] = nil
    end
  end)
end

--- A task that writes these, a second apart; then the end.
function M.feed(stream, ...)
  local chunks = { ... }
  local feeder = tide.task(function()
    for _, chunk in ipairs(chunks) do
      tide.sleep(1)
      assert(stream:write(chunk))
    end
    tide.sleep(1)
    assert(stream:shutdown())
  end)
  feeders[#feeders + 1] = feeder
  return feeder
end

--- A stream from which these can be read, then its end.
function M.source(options, ...)
  local from, to = M.pair(options)
  M.feed(from, ...)
  return to, from
end

return M
