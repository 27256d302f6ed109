--- Functions that take a callback, as functions that await.

local core = require "tide.core"
local check = require "tide.with".check

core.own_chunk()

local park = core.park
local pack = table.pack or function(...) return { n = select("#", ...), ... } end
local unpack = table.unpack or unpack

local M = {}

--- What the callback was given -> results, or an error raised.
local outcomes = {
  first = function(err, ...)
    if err ~= nil then
      error(err, 0)
    end
    return ...
  end,
  ["nil"] = check,
  none = function(...) return ... end,
}

local function check_options(options)
  if type(options) ~= "table" then
    core.misuse(("bad argument #2 to 'tide.from_callback' (table expected, got %s)")
      :format(type(options)))
  end
  for key in pairs(options) do
    if key ~= "error" and key ~= "abort" then
      core.misuse(("bad argument #2 to 'tide.from_callback' (unknown option '%s')")
        :format(tostring(key)))
    end
  end
  if options.error ~= nil and not outcomes[options.error] then
    core.misuse("bad argument #2 to 'tide.from_callback' " ..
      "(error: 'first', 'nil' or 'none' expected)")
  elseif options.abort ~= nil and not core.is_callable(options.abort) then
    core.misuse("bad argument #2 to 'tide.from_callback' (abort: function expected)")
  end
end

--- A function that calls `fn(..., callback)` and waits for the callback. Options:
-- error = "first", "nil" or "none": how the callback is told of an error;
-- abort(...): stops what fn has started, of which it is given the results.
function M.from_callback(fn, options)
  core.check_callable(fn, 1, "tide.from_callback")
  options = options == nil and {} or options
  check_options(options)
  local outcome, abort = outcomes[options.error or "first"], options.abort
  return function(...)
    local args = pack(...)
    return outcome(park(function(wake)
      args[args.n + 1] = wake
      local started = pack(fn(unpack(args, 1, args.n + 1)))
      return abort and function() return abort(unpack(started, 1, started.n)) end
    end))
  end
end

return M
