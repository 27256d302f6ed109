--- What the specs of groups share.

local assert = require "luassert"
local tide = require "tide"
local support = require "spec.support"

local pcall, sleep = tide.pcall, tide.sleep

local M = {}

local start -- of the test that runs

--- Seconds since the test began, in whole microseconds.
function M.now()
  return math.floor((support.now() - start) * 1e6 + 0.5) / 1e6
end

--- A test that runs as a task.
function M.task_it(title, fn)
  support.task_it(title, function()
    start = support.now()
    fn()
  end)
end

--- A task body that sleeps and then raises err.
function M.sleeper(seconds, err)
  return function()
    sleep(seconds)
    error(err, 0)
  end
end

--- group(fn, ...) must raise: the error.
function M.fails(fn, ...)
  local ok, err = pcall(tide.group, fn, ...)
  assert.is_false(ok)
  return err
end

--- group(fn) must raise an ErrorGroup of exactly these: returns it.
function M.fails_with(errors, fn)
  local err = M.fails(fn)
  assert.is_true(tide.is(err, tide.ErrorGroup), tostring(err))
  assert.same(errors, err.errors)
  return err
end

--- What the exception handler is told while fn runs, and in the turn after it,
-- as texts.
function M.reports_of(fn)
  local list = {}
  tide.loop():set_exception_handler(function(report)
    local err = report.error
    list[#list + 1] = report.message .. (err ~= nil and ": " .. tostring(err) or "")
  end)
  local ok, err = pcall(fn)
  sleep(0)
  tide.loop():set_exception_handler(nil)
  assert(ok, err)
  return list
end

return M
