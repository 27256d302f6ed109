--- The command bin/tide: runs a script as the main task, as Lua's own does.

local core = require "tide.core"
local tide = require "tide"

core.own_chunk()

local native_require = require
local unpack = unpack or table.unpack

local M = {}

local usage = [==[
usage: tide [options] [script [args]]
Available options are:
  -e stat   execute string 'stat'
  -i        enter interactive mode after executing 'script'
  -l mod    require library 'mod' into global 'mod'
  -l g=mod  require library 'mod' into global 'g'
  -v        show version information
  -W        turn warnings on
  --debug   turn the debug mode of tide on
  --        stop handling options
  -         stop handling options and execute stdin
]==]

-- ---- the command line ----

--- An option that takes what follows, here or in the next word.
local function argument(argv, i)
  local option = argv[i]
  if #option > 2 then
    return option:sub(3), i + 1
  elseif not argv[i + 1] or argv[i + 1]:sub(1, 1) == "-" then
    return nil, ("'%s' needs argument"):format(option)
  end
  return argv[i + 1], i + 2
end

--- What stands before the script: {steps..., interactive=, version=, debug=},
-- and the index of the script; or nil and what is wrong.
local function parse(argv)
  local options, i = {}, 1
  while argv[i] and argv[i]:sub(1, 1) == "-" and argv[i] ~= "-" do
    local option = argv[i]
    local letter = option:sub(2, 2)
    if option == "--" then
      return options, i + 1
    elseif letter == "e" or letter == "l" then
      local value, after = argument(argv, i)
      if not value then
        return nil, after
      end
      i = after
      options[#options + 1] = { letter = letter, value = value }
      options.code = options.code or letter == "e"
    elseif option == "-i" or option == "-v" or option == "--debug" then
      options.interactive = options.interactive or option == "-i"
      options.version = options.version or option ~= "--debug"
      options.debug = options.debug or option == "--debug"
      i = i + 1
    elseif option == "-W" and rawget(_G, "warn") then
      options[#options + 1] = { letter = "W" }
      i = i + 1
    else
      return nil, ("unrecognized option '%s'"):format(option)
    end
  end
  return options, i
end

--- Lua's own layout: the script at 0, what came before it below.
local function shift(argv, script)
  local shifted, first = {}, 0
  while argv[first - 1] do
    first = first - 1
  end
  for i = first, #argv do
    shifted[i - script] = argv[i]
  end
  return shifted
end

-- ---- what is printed ----

local function complain(message)
  io.stdout:flush()
  io.stderr:write("tide: ", message, "\n")
  return 1
end

local function print_version()
  print(("%s  (%s)"):format(tide._VERSION, jit and jit.version or _VERSION))
  io.stdout:flush()
end

--- Writes the tree of tasks to stderr.
function M.dump()
  tide.debug.dump(io.stderr)
end

-- ---- what is run ----

-- What cannot be loaded has no traceback.
local Unloaded = {}

local function check_loaded(chunk, message)
  if not chunk then
    error(setmetatable({ message = message }, Unloaded), 0)
  end
  return chunk
end

--- As Lua's: `-l a=b` is `a = require "b"`, `-l a-b` is `a = require "a-b"`.
local function require_into_global(spec)
  local name, module = spec:match("^(.-)=(.*)$")
  if not name then
    name, module = spec:match("^[^-]*"), spec
  end
  local value = require(module)
  _G[name] = value
end

local function run_step(step)
  if step.letter == "l" then
    require_into_global(step.value)
  elseif step.letter == "W" then
    warn("@on") -- luacheck: ignore 113
  else
    check_loaded((loadstring or load)(step.value, "=(command line)"))()
  end
end

--- With the arguments that `arg` has by now.
local function run_script(name)
  if type(arg) ~= "table" then
    error("'arg' is not a table", 0)
  end
  if name == "-" then
    name = nil
  end
  check_loaded(loadfile(name))(unpack(arg, 1, #arg))
end

local function run(options, script)
  for _, step in ipairs(options) do
    run_step(step)
  end
  if script then
    run_script(script)
  end
  if options.interactive then
    native_require "tide.repl".run(M.dump)
  end
end

--- What a script may expect: every coroutine, require and pcall can await.
local function install()
  core.set_script()
  require "tide.compat51"
  for name, f in pairs(tide.coroutine) do
    if coroutine[name] ~= nil then
      coroutine[name] = f -- luacheck: ignore 122
    end
  end
  require = require "tide.require" -- luacheck: ignore 121
end

--- Of lua's own, too: the second interrupt is to end the process at once.
local function watch_signals()
  core.default_signal("SIGINT")
  tide.loop():set_interrupt(true)
  core.on_signal("SIGQUIT", M.dump)
end

--- Where the error happened, when there is a place; else the error itself.
local function describe(task, err)
  if getmetatable(err) == Unloaded then
    return err.message
  end
  local text = task and task:done() and task:traceback() or tostring(err)
  return (text:gsub("\nstack traceback:$", "")) -- of what the command did itself
end

local function execute(...)
  local main
  local ok, err = pcall(core.run, function(...)
    main = tide.current_task():set_name("main")
    run(...)
  end, ...)
  if ok then
    return 0
  elseif tide.is(err, tide.Interrupted) then
    complain("interrupted")
    return 130
  end
  return complain(describe(main, err))
end

--- Runs the command line; returns the exit code.
function M.main(argv)
  local options, first = parse(argv)
  if not options then
    io.stderr:write("tide: ", first, "\n", usage)
    return 1
  end
  local script = argv[first]
  if not script and not options.code and not options.version then
    if core.is_terminal(0) then
      options.interactive, options.version = true, true
    else
      script = "-"
    end
  end
  if options.version then
    print_version()
  end
  install()
  watch_signals()
  if options.debug then
    tide.loop():set_debug(true)
  end
  _G.arg = shift(argv, argv[first] and first or 0) -- luacheck: ignore 122
  return execute(options, script)
end

return M
