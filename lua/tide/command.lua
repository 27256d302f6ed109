--- The command bin/tide: runs a script as the main task.

local core = require "tide.core"
local tide = require "tide"

local unpack = unpack or table.unpack

local M = {}

local usage = [==[
usage: tide [options] [script [args]]
  -e code  run code
  -v       print the version
  -        run standard input
  --       end of options
]==]

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

local function complain(message)
  io.stderr:write("tide: ", tostring(message), "\n")
  return 1
end

--- Where the error happened, when there is a place; else the error itself.
local function describe(task, err)
  local traceback = task and task:done() and task:traceback()
  if traceback then
    return traceback
  end
  if err == nil then
    return "nil"
  end
  return tostring(err)
end

local function execute(chunk, ...)
  local main
  local ok, err = pcall(core.run, function(...)
    main = tide.current_task()
    return chunk(...)
  end, ...)
  if ok then
    return 0
  elseif tide.is(err, tide.Interrupted) then
    io.stderr:write("tide: interrupted\n")
    return 130
  end
  return complain(describe(main, err))
end

--- The options before the script: what to run, and the index of the script.
local function parse(arg)
  local chunks, i = {}, 1
  while arg[i] and arg[i]:sub(1, 1) == "-" and arg[i] ~= "-" do
    local option = arg[i]
    i = i + 1
    if option == "--" then
      break
    elseif option == "-v" then
      chunks.version = true
    elseif option:sub(1, 2) == "-e" then
      local code = option:sub(3)
      if code == "" then
        code = arg[i]
        i = i + 1
      end
      if not code then
        return nil, "'-e' needs argument"
      end
      chunks[#chunks + 1] = code
    else
      return nil, ("unrecognized option '%s'"):format(option)
    end
  end
  return chunks, i
end

--- Lua's own layout: the script at 0, what came before it below.
local function shift(arg, script)
  local shifted = {}
  for i = -1, #arg do
    shifted[i - script] = arg[i]
  end
  return shifted
end

local function load_script(name)
  if name == "-" then
    return loadfile()
  end
  return loadfile(name)
end

local function run_chunk(chunk, message, ...)
  if not chunk then
    return complain(message)
  end
  return execute(chunk, ...)
end

--- Runs the command line; returns the exit code.
function M.main(argv)
  local chunks, script = parse(argv)
  if not chunks then
    io.stderr:write("tide: ", script, "\n", usage)
    return 1
  end
  if chunks.version then
    print(("%s  (%s)"):format(tide._VERSION, jit and jit.version or _VERSION))
  end
  if #chunks == 0 and not argv[script] then
    if not chunks.version then
      io.stderr:write(usage)
    end
    return chunks.version and 0 or 1
  end
  install()
  tide.loop():set_interrupt(true)
  _G.arg = shift(argv, argv[script] and script or 0) -- luacheck: ignore 122
  for _, code in ipairs(chunks) do
    local status = run_chunk((loadstring or load)(code, "=(command line)"))
    if status ~= 0 then
      return status
    end
  end
  if not argv[script] then
    return 0
  end
  local chunk, message = load_script(argv[script])
  return run_chunk(chunk, message, unpack(argv, script + 1))
end

return M
