--- busted's `it` and hooks as tasks: helper = "tide.busted", or required in a
-- spec file, for that file.
--
-- It stands on busted's events. What is registered while this module is in
-- package.loaded (which busted restores after each file) is registered again,
-- wrapped. Of busted's own records these fields are read: `run`, `descriptor`,
-- `trace` and `env` of an element, its list `after_each`, and the file's
-- `getTrace`.

local NAME = "tide.busted"

local core = require "tide.core"
core.own_chunk()

-- ---- the environment of functions: busted looks at it

local function env_of(fn)
  if getfenv then
    return getfenv(fn)
  end
  for i = 1, 255 do
    local name, value = debug.getupvalue(fn, i)
    if name == "_ENV" then
      return value
    elseif not name then
      return _G
    end
  end
  return _G
end

--- act(...) as a function that has the environment of fn.
local function in_env_of(fn, act)
  local _ENV = type(fn) == "function" and env_of(fn) or _G
  local function run()
    return act(_ENV)
  end
  return setfenv and setfenv(run, _ENV) or run
end

-- ---- opened once, whatever package.loaded says

local opened = debug.getregistry()[NAME]
if opened then
  opened.adopt_caller(3)
  return opened.public
end

local busted = require "busted"
local tide = require "tide"
local trial = require "tide.trial"

if not busted.subscribe then
  error("tide.busted: busted is not running", 0)
elseif core.is_running() then
  error("tide.busted: tests have a loop to themselves: start busted with lua, not with tide", 0)
end

local public = {}            -- what require gives
local base = {}              -- the options that `configure` set
local around = base          -- the options of the block that is being defined
local options_of = setmetatable({}, { __mode = "k" })  -- of our functions
local explicit = setmetatable({}, { __mode = "k" })    -- what `async` gave -> {fn =, options =}
local given                  -- the options of what is being registered
local place                  -- where it stands in the file
local blocks = { {} }        -- the suite, the file, the describes around: {trial =, base =}
local test                   -- the test that runs: {trial =, element =, parent =, ...}
local passing                -- an event of our own is on its way
local interrupted            -- nothing more is begun

local function publish(...)
  local before = passing
  passing = true
  busted.publish(...)
  passing = before
end

-- ---- where an error came from

local failure -- where the error that is about to be raised came from
local traced = setmetatable({}, { __mode = "k" }) -- files that know of it
local busted_dir = debug.getinfo(busted.fail, "S").source:match("^(.*[/\\])")

local function is_foreign(info)
  return info.what == "C" or info.currentline < 1 or core.is_own(info.source)
    or info.source:match("^(.*[/\\])") == busted_dir
    or info.short_src:find("luassert[/\\].*%.lua$")
end

--- What busted looks for on the stack, but on that of the task.
local function locate(co)
  local level = 0
  local info = debug.getinfo(co, level, "Sl")
  while info and is_foreign(info) do
    level = level + 1
    info = debug.getinfo(co, level, "Sl")
  end
  if info then
    info.traceback = debug.traceback(co, "", level)
  end
  return info
end

local function on_error(err, co)
  failure = locate(type(co) == "thread" and co or coroutine.running())
  return err
end

local function defined_at(fn)
  local info = debug.getinfo((debug.getmetatable(fn) or {}).__call or fn, "S")
  info.currentline = info.linedefined
  return info
end

--- busted asks a file's getTrace to correct what it found.
local function trace_file(element)
  while element and element.descriptor ~= "file" do
    element = busted.parent(element)
  end
  local run = element and element.run
  if type(run) ~= "table" or not run.getTrace or traced[run] then
    return
  end
  traced[run] = true
  local native = run.getTrace
  function run.getTrace(name, info)
    for key, value in pairs(failure or {}) do
      info[key] = value
    end
    failure = nil
    return native(name, info)
  end
end

-- ---- trials

--- Ends the test's trial. The end of the test, which we held back, is told.
local function finish_test()
  local ended = test
  test = nil
  local left = ended.trial:finish()
  local element, status = ended.element, ended.status
  if not status then
    return -- a before_each failed: busted has told
  end
  if left and status == "success" then
    status = "failure"
    publish({ "failure", element.descriptor }, element, ended.parent, left, element.trace)
  end
  publish({ "test", "end" }, element, ended.parent, status)
end

local function begin_test()
  test = test or { trial = trial.begin(), seen = {}, skipped = interrupted }
  return test
end

local function finish_block(block, element)
  local left = block.trial and block.trial:finish()
  block.trial = nil
  if left then
    publish({ "error", element.descriptor }, element, busted.parent(element), left,
      element.trace or {})
  end
end

local function begin_block(block)
  if test then
    finish_test()
  end
  block.trial = block.trial or trial.begin()
  return block
end

--- Calls fn as a part of a test or block: nil, or false and its error.
local function try(part, fn, options)
  failure = nil
  if options.task == false then
    fn()
    return
  end
  local ok, err = part.trial:call(fn, options, on_error)
  if ok then
    return
  end
  failure = failure or defined_at(fn)
  interrupted = interrupted or tide.is(err, tide.Interrupted)
  return false, err
end

local function call(...)
  local ok, err = try(...)
  if ok == false then
    error(err, 0)
  end
end

-- ---- what busted runs in place of the functions that it was given

local act = {}

function act.it(fn, options)
  if test.skipped then
    test.element.env.pending("interrupted")
  end
  call(test, fn, options)
end

--- The same one again is of the next test.
function act.before_each(fn, options)
  if test and (test.status or test.seen[fn]) then
    finish_test()
  end
  begin_test().seen[fn] = true
  if not test.skipped then
    call(test, fn, options)
  end
end

--- The last one ends the test.
function act.after_each(fn, options)
  local ok, err
  if not begin_test().skipped then
    ok, err = try(test, fn, options)
  end
  test.after = (test.after or 0) - 1
  if test.after == 0 and test.status then
    local before = failure
    finish_test()
    failure = before
  end
  if ok == false then
    error(err, 0)
  end
end

local function in_block(fn, options, block)
  call(begin_block(block), fn, options)
end

local function before_block(fn, options, block)
  if not interrupted then
    in_block(fn, options, block)
  end
end

act.lazy_setup, act.strict_setup = before_block, before_block
act.lazy_teardown, act.strict_teardown = in_block, in_block

--- A block: what is defined in it has its options.
local function define(fn, options)
  return function(...)
    around = options
    fn(...)
    around = base
  end
end

local function wrap(descriptor, fn, options)
  if descriptor == "describe" then
    return define(fn, options)
  end
  local block = blocks[#blocks]
  local run = in_env_of(fn, function() act[descriptor](fn, options, block) end)
  options_of[run] = options
  return run
end

-- ---- registering

local function options_for(mark, own)
  local options = trial.options(around, own)
  if mark then
    options.task = true
    options = trial.options(options, mark.options)
  end
  return options
end

--- Options in the place of a hook's title, refused where the hook stands.
local function hook_options(options, descriptor, trace)
  local ok, all = pcall(trial.options, {}, options, 1, descriptor)
  if not ok then
    error(("%s:%d: %s"):format(trace.short_src, trace.currentline, all:gsub("^.-:%d+: ", "")), 0)
  end
  return all
end

local function on_register(descriptor, title, fn, trace, attributes)
  local own = given
  if descriptor ~= "it" and descriptor ~= "describe" and type(title) == "table" then
    title, own = nil, hook_options(title, descriptor, trace)
  end
  local mark = explicit[fn]
  local run = fn
  if core.is_callable(fn) and (own or mark or package.loaded[NAME]) then
    run = wrap(descriptor, mark and mark.fn or fn, options_for(mark, own))
  end
  publish({ "register", descriptor }, title, run, place or trace, attributes)
end

--- Where the caller of our caller stands, as busted keeps it.
local function caller(title)
  local info = debug.getinfo(3, "Sl")
  info.traceback = trial.stack(4)
  info.message = title
  return info
end

--- busted's function of that name, which takes a table of options before fn.
local function titled(name)
  local native = busted[name]
  return function(title, options, fn)
    if type(options) ~= "table" or core.is_callable(options) then
      options, fn = nil, options
    end
    local own = options and trial.options({}, options, 2, name)
    local here = caller(title)
    local function register(f)
      given, place = own, here
      native(title, f)
      given, place = nil, nil
    end
    if fn == nil and type(title) ~= "function" then
      return register
    end
    register(fn)
  end
end

local with_options = {}
for _, name in ipairs { "it", "test", "spec", "describe", "context", "insulate", "expose" } do
  with_options[name] = titled(name)
end

local function adopt(env)
  for name, fn in pairs(with_options) do
    env[name] = fn
  end
end

--- Functions that take options for the spec file that requires this module.
local function adopt_caller(level)
  local info = debug.getinfo(level, "Sf")
  while info do
    local env = info.what ~= "C" and info.func and env_of(info.func)
    if env and env ~= _G and env.it == busted.it then
      blocks[2] = blocks[2] or { base = base }
      adopt(env)
      return
    end
    level = level + 1
    info = debug.getinfo(level, "Sf")
  end
end

-- ---- events

--- act(...) before busted's own subscribers; true from it ends the event.
local function on(channel, handle)
  busted.subscribe(channel, function(...)
    return nil, passing or not handle(...)
  end, { priority = 1 })
end

local function hooks_after(element)
  local n = 0
  repeat
    element = busted.parent(element)
    n = n + #(element and element.after_each or {})
  until not element
  return n
end

--- What `finally` is given in a test runs in its task.
local function wrap_finally(element)
  local native, options = element.env.finally, options_of[element.run]
  function element.env.finally(fn)
    native(function() call(test, fn, options) end)
  end
end

local function test_start(element)
  trace_file(element)
  if test and (test.element or test.status) then
    finish_test()
  end
  if options_of[element.run] then
    begin_test()
    test.element, test.after = element, hooks_after(element)
    wrap_finally(element)
  end
end

local function test_end(element, parent, status)
  if not test or test.element ~= element then
    return
  end
  test.parent, test.status = parent, status
  if test.after == 0 then
    finish_test()
  end
  return true
end

local function block_start(element)
  if test then
    finish_test()
  end
  trace_file(element)
  blocks[#blocks + 1] = { base = base }
  if element.descriptor == "file" then
    around = base
    if package.loaded[NAME] then
      element.env = element.env or {}
      adopt(element.env)
    end
  end
end

local function block_end(element)
  if test then
    finish_test()
  end
  if #blocks > 1 then
    local block = table.remove(blocks)
    finish_block(block, element)
    if element.descriptor == "file" then
      base, around = block.base, block.base
    end
  end
end

local function suite_end(element)
  finish_block(blocks[1], element)
end

on({ "file", "start" }, block_start)
on({ "file", "end" }, block_end)
on({ "describe", "start" }, block_start)
on({ "describe", "end" }, block_end)
on({ "suite", "end" }, suite_end)
on({ "test", "start" }, test_start)
on({ "test", "end" }, test_end)
for _, descriptor in ipairs { "it", "describe", "before_each", "after_each", "lazy_setup",
  "lazy_teardown", "strict_setup", "strict_teardown" } do
  on({ "register", descriptor }, function(...)
    on_register(descriptor, ...)
    return true
  end)
end

-- ---- luassert on 5.1

--- Its assertions about errors call the built-in pcall, across which nothing
-- can wait there.
if tide.pcall ~= pcall then
  local assertions, bound = require "luassert.namespaces".assertion, {}
  for _, name in ipairs { "error", "errors", "error_matches", "matches_error" } do
    local callback = assertions[name] and assertions[name].callback
    if callback and not bound[callback] then
      bound[callback] = true
      busted.bindfenv(callback, "pcall", tide.pcall)
    end
  end
end

-- ---- what is public

--- The options of all tests and hooks from here on; in a spec file, of that
-- file's.
function public.configure(options)
  if type(options) ~= "table" then
    core.misuse("bad argument #1 to 'busted.configure' (table expected, got " .. type(options)
      .. ")")
  end
  base = trial.options(base, options, 1, "busted.configure")
  around = base
end

--- fn as a test or hook that runs as a task, also where they do not.
function public.async(options, fn)
  if fn == nil then
    options, fn = nil, options
  elseif type(options) ~= "table" then
    core.misuse("bad argument #1 to 'busted.async' (table expected, got " .. type(options) .. ")")
  end
  core.check_callable(fn, options and 2 or 1, "busted.async")
  local function run(...)
    return fn(...)
  end
  explicit[run] = { fn = fn, options = trial.options({}, options, 1, "busted.async") }
  return run
end

debug.getregistry()[NAME] = { public = public, adopt_caller = adopt_caller }
adopt_caller(3)

return public
