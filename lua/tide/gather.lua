--- Waiting for several: gather, wait, race, as_completed.

local core = require "tide.core"
local scope = require "tide.scope"
local protected = require "tide.coroutine".xpcall

core.own_chunk()

local unpack = table.unpack or unpack
local new_gather, gather_wait = core.new_gather, core.gather_wait

local M = {}

--- A table that is neither called nor awaited: a list, or options.
local function is_plain(v)
  return type(v) == "table" and not core.is_callable(v)
end

local function copy(list, name)
  local n, items = list.n or #list, {}
  if type(n) ~= "number" or not (n >= 0 and n < 2 ^ 31) or n ~= math.floor(n) then
    core.misuse(("bad argument #1 to '%s' (n: whole number from 0 up expected)"):format(name))
  end
  for i = 1, n do
    items[i] = list[i]
  end
  return items, n
end

local function check_options(options, allowed, name)
  options = options == nil and {} or options
  if not is_plain(options) then
    core.misuse(("bad argument #2 to '%s' (table expected, got %s)"):format(name, type(options)))
  end
  for key in pairs(options) do
    if not allowed[key] then
      core.misuse(("bad argument #2 to '%s' (unknown option '%s')"):format(name, tostring(key)))
    end
  end
  return options
end

--- asyncio's keywords come behind the awaitables; here options are a list's.
local function check_last(name, allowed, place, last)
  if is_plain(last) then
    for key in pairs(last) do
      if allowed[key] then
        core.misuse(("bad argument #%d to '%s' (options follow a list: %s({...}, {%s = ...}))")
          :format(place, name, name, key))
      end
    end
  end
end

--- Of `f(aw, ...)` or `f(list, options)`, with so many arguments: its own list,
-- the number of items, and the options if it was a list.
local function collect(name, allowed, count, first, second, ...)
  if is_plain(first) then
    local items, n = copy(first, name)
    return items, n, check_options(second, allowed, name)
  end
  local items = { first, second, ... }
  check_last(name, allowed, count, items[count])
  return items, count
end

local function check_list(list, name)
  if not is_plain(list) then
    core.misuse(("bad argument #1 to '%s' (list expected, got %s)"):format(name,
      core.is_awaitable(list) and "one to await: put it in braces" or type(list)))
  end
end

local function raise_first(gather, items, place)
  core.report_others(gather, place)
  return items[place]:result()
end

local GATHER_OPTIONS = { return_exceptions = true, pack = true }

local function gather_list(items, n, options)
  local mode = options.return_exceptions and "return_exceptions" or "gather"
  local gather = new_gather(items, n, mode, true)
  local failed = gather_wait(gather)
  if failed then
    return raise_first(gather, items, failed)
  end
  local results, errors = core.gather_results(gather, options.pack)
  if options.return_exceptions then
    return results, errors
  end
  return results
end

--- Runs them all at the same time: the first result of each, in order. The
-- first error cancels the others, which are awaited, and is raised.
function M.gather(...)
  local items, n, options = collect("tide.gather", GATHER_OPTIONS, select("#", ...), ...)
  if options then
    return gather_list(items, n, options)
  end
  local gather = new_gather(items, n, "gather", false)
  local failed = gather_wait(gather)
  if failed then
    return raise_first(gather, items, failed)
  end
  local results = core.gather_results(gather)
  return unpack(results, 1, n)
end

local RACE_OPTIONS = {}

--- The results or the error of the one that ends first; the others are cancelled
-- and awaited.
function M.race(...)
  local items, n, options = collect("tide.race", RACE_OPTIONS, select("#", ...), ...)
  if n == 0 then
    core.misuse("bad argument #1 to 'tide.race' (nothing to race)")
  end
  local gather = new_gather(items, n, "race", options ~= nil)
  return raise_first(gather, items, gather_wait(gather))
end

local RETURN_WHEN = { all_completed = true, first_completed = true, first_exception = true }
local WAIT_OPTIONS = { timeout = true, return_when = true }

--- A Task or Future twice counts once, a function twice runs twice.
local function unique(items, n)
  local seen, list = {}, {}
  for i = 1, n do
    local item = items[i]
    if not (seen[item] and core.is_awaitable(item)) then
      list[#list + 1] = item
    end
    seen[item] = true
  end
  return list, #list
end

local function split(items)
  local done, pending = {}, {}
  for _, item in ipairs(items) do
    local list = item:done() and done or pending
    list[#list + 1] = item
  end
  return done, pending
end

local function wait_at_most(seconds, gather)
  if seconds == nil then
    return gather_wait(gather)
  end
  return scope.move_on_after(seconds, gather_wait, gather)
end

local function leave(gather, items, ok, err)
  core.gather_leave(gather)
  if not ok then
    error(err, 0)
  end
  return split(items)
end

--- Waits for Tasks and Futures: those that are done and those that are not, both
-- in the order of the list. Cancels none of them.
function M.wait(list, options)
  check_list(list, "tide.wait")
  options = check_options(options, WAIT_OPTIONS, "tide.wait")
  local mode, seconds = options.return_when or "all_completed", options.timeout
  if not RETURN_WHEN[mode] then
    core.misuse("bad argument #2 to 'tide.wait' (return_when: 'all_completed', " ..
      "'first_completed' or 'first_exception' expected)")
  end
  if seconds ~= nil then
    seconds = core.check_seconds(seconds, 2, "tide.wait")
  end
  local items, n = copy(list, "tide.wait")
  if n == 0 then
    core.misuse("bad argument #1 to 'tide.wait' (nothing to wait for)")
  end
  local gather = new_gather(items, n, mode, true)
  items = unique(items, n)
  return leave(gather, items, protected(wait_at_most, core.note, seconds, gather))
end

local COMPLETED_OPTIONS = { timeout = true }

local function wait_until(deadline, gather)
  if deadline == nil or core.gather_ready(gather) then
    return gather_wait(gather)
  end
  return scope.timeout_at(deadline, gather_wait, gather)
end

--- What was cancelled while it waited for the next one cancels the rest.
local function give_up(gather, err)
  core.gather_cancel(gather)
  scope.shield(gather_wait, gather)
  error(err, 0)
end

--- What `as_completed` returns goes through this. Those that are `late` had not
-- ended at the deadline: there is one TimeoutError for each.
local function next_completed(self)
  local gather = self.gather
  local ok, place = protected(wait_until, core.note, self.deadline, gather)
  if ok and place then
    return self.items[place]
  elseif ok and self.late == 0 then
    return nil
  elseif ok then
    self.late = self.late - 1
    error(core.TimeoutError("the deadline passed"), 0)
  elseif core.is(place, core.TimeoutError) then
    if not core.gather_ready(gather) then -- none has ended in this very turn
      self.late = core.gather_leave(gather)
    end
    return next_completed(self)
  elseif core.is_own_cancel(place) then
    give_up(gather, place)
  end
  error(place, 0)
end

--- Iterates over them, as Tasks and Futures, in the order in which they end. Of
-- those that are left when it is dropped, what it made itself is cancelled.
function M.as_completed(list, options)
  check_list(list, "tide.as_completed")
  options = check_options(options, COMPLETED_OPTIONS, "tide.as_completed")
  local seconds, deadline = options.timeout, nil
  if seconds ~= nil then
    deadline = core.loop():time() + core.check_seconds(seconds, 2, "tide.as_completed")
  end
  local items, n = copy(list, "tide.as_completed")
  new_gather(items, n, "as_completed", true) -- checks them all
  items, n = unique(items, n)
  local gather = new_gather(items, n, "as_completed", true)
  core.gather_begin(gather)
  local self = { gather = gather, items = items, deadline = deadline, late = 0 }
  local function iterate()
    return next_completed(self)
  end
  return iterate, nil, nil, gather
end

return M
