-- tide in Neovim, and the plugin of examples/neovim. Neovim has LuaJIT, so it is
-- started by the specs of LuaJIT, whose tide.core it loads.
local support = require "spec.support"

require("tide.busted").configure { task = false }

describe("a global 'vim' that is no editor's", function()
  it("is left alone by tide.luv", function()
    local output, status = support.child [[
      vim = { schedule = print, api = {} }
      local has_uv, uv = pcall(require, "luv")
      if has_uv then
        require("tide.luv").attach { uv = uv }
        require("tide").task(print, "ran")
        uv.run()
      else
        print "ran"
      end
    ]]
    assert.equal("ran\n", output)
    assert.equal(0, status)
  end)
end)

if not jit then
  return
end

local pipe = io.popen "command -v nvim && nvim --version"
local version = pipe:read "*a"
pipe:close()
if not version:find "LuaJIT" then
  describe("tide in Neovim", function()
    pending("is not tried: there is no nvim with LuaJIT")
  end)
  return
end

-- What the scripts begin with: note(...) is a line of what they are asked for.
local PRELUDE = [[
local tide = require "tide"
local out = assert(io.open("%s", "w"))
function note(...)
  local words = { ... }
  for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
  out:write(table.concat(words, " "), "\n")
  out:flush()
end
vim.notify = function(text, level) note("notify", level, (text:gsub("\n.*", ""))) end
vim.defer_fn(function() note "too late" vim.cmd "cquit" end, 15000)
]]

--- Runs the script in an editor: its notes, what the editor printed, its status.
local function edit(script)
  local notes, file = os.tmpname(), os.tmpname()
  local handle = assert(io.open(file, "w"))
  handle:write(PRELUDE:format(notes), script)
  handle:close()
  local run = assert(io.popen(("timeout -k 1 20 nvim --headless -u NONE -i NONE -n " ..
    "--cmd 'set runtimepath^=examples/neovim' -c 'runtime plugin/count_lines.lua' " ..
    "-c 'luafile %s' </dev/null 2>&1; echo \"exit $?\""):format(file)))
  local output, status = run:read("*a"):match("^(.*)exit (%d+)\n$")
  run:close()
  handle = assert(io.open(notes))
  local text = handle:read "*a"
  handle:close()
  os.remove(notes)
  os.remove(file)
  return text, output, tonumber(status)
end

local function edits(expected, script)
  local notes, output, status = edit(script)
  assert.equal(expected, notes, output)
  assert.equal(0, status)
end

describe("tide in Neovim", function()
  it("runs tasks while the editor idles, which may use all of its functions", function()
    edits("1 2 3 false\n", [[
      require("tide.luv").attach()
      tide.task(function()
        for i = 1, 3 do
          tide.sleep(0.001)
          vim.api.nvim_buf_set_lines(0, i - 1, -1, false, { tostring(i) })
        end
        note(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), " "), vim.in_fast_event())
        vim.cmd "quit!"
      end)
    ]])
  end)

  it("runs what a key and a command start, also when all tasks wait", function()
    edits("idle\nkey\ncommand\n", [[
      require("tide.luv").attach()
      vim.api.nvim_set_keymap("n", "x", "", { callback = function()
        tide.task(function()
          note "key"
          vim.cmd "Note"
        end)
      end })
      vim.api.nvim_create_user_command("Note", function()
        tide.task(function()
          tide.sleep(0)
          note "command"
          vim.cmd "quit!"
        end)
      end, {})
      tide.task(function()
        note "idle"
        tide.sleep(3600)
      end)
      vim.defer_fn(function() vim.api.nvim_input "x" end, 20)
    ]])
  end)

  it("goes on by callbacks of vim.loop", function()
    edits("directory\n", [[
      require("tide.luv").attach()
      tide.task(function()
        note(tide.from_callback(vim.loop.fs_stat)("/").type)
        vim.cmd "quit!"
      end)
    ]])
  end)

  it("waits while a task runs the editor's loop, and then goes on", function()
    edits("waited\nother\n", [[
      require("tide.luv").attach()
      local other = tide.task(function()
        tide.sleep(0.001)
        note "other"
      end)
      tide.task(function()
        vim.wait(50)
        note "waited"
        other:await()
        vim.cmd "quit!"
      end)
    ]])
  end)

  it("shows errors that nobody awaits, soon, by vim.notify", function()
    edits("notify 4 tide: task-1 failed and nobody awaited it: oops\n", [[
      require("tide.luv").attach()
      tide.task(function() error("oops", 0) end)
      local show = vim.notify
      vim.notify = function(...)
        show(...)
        vim.cmd "quit!"
      end
    ]])
  end)

  it("leaves a handler of the program's in its place", function()
    edits("handled oops\n", [[
      tide.loop():set_exception_handler(function(report)
        note("handled", report.error)
        vim.schedule(function() vim.cmd "quit!" end)
      end)
      require("tide.luv").attach()
      tide.task(function() error("oops", 0) end)
    ]])
  end)

  it("does not wait outside of tasks", function()
    edits("'tide.sleep' cannot wait in the main program: it must not block\n", [[
      require("tide.luv").attach()
      local _, err = pcall(tide.sleep, 1)
      note((err:gsub("^.-:%d+: ", "")))
      vim.cmd "quit!"
    ]])
  end)

  it("is shared by plugins: the second to attach finds it there", function()
    edits("1 2\n", [[
      require("tide.luv").attach()
      package.loaded["tide.luv"] = nil
      require("tide.luv").attach { budget = 1 }
      local log = {}
      tide.task(function()
        for i = 1, 2 do
          log[i] = i
          tide.next_tick()
        end
        note(unpack(log))
        vim.cmd "quit!"
      end)
    ]])
  end)

  it("quits with tasks in mid-flight, at once, by a command or inside of a task", function()
    for _, quit in ipairs { "vim.cmd 'quitall!'", "tide.task(vim.cmd, 'quitall!')",
      "vim.defer_fn(function() vim.cmd 'quitall!' end, 10)" } do
      edits("leaving\n", [[
        require("tide.luv").attach()
        for i = 1, 10 do
          tide.task(function() tide.finally(tide.sleep, note, 3600) end)
          tide.task(function() while true do tide.sleep(0) end end)
        end
        vim.cmd "autocmd VimLeave * lua note 'leaving'"
        vim.schedule(function() ]] .. quit .. [[ end)
      ]])
    end
  end)
end)

describe("the plugin of examples/neovim", function()
  it("counts the lines of files, tells how far it is, and shows them", function()
    local notes, output, status = edit [[
      vim.cmd "CountLines examples/neovim/plugin"
      tide.task(function()
        while vim.bo.buftype ~= "nofile" do tide.sleep(0.001) end
        note(vim.api.nvim_buf_get_lines(0, 0, 1, false)[1])
        vim.cmd "quitall!"
      end)
    ]]
    assert.equal("       9 count_lines.lua\n", notes, output)
    assert.matches("counting: 1 of 1", output)
    assert.equal(0, status)
  end)

  it("is stopped by its command", function()
    local notes, output, status = edit [[
      vim.cmd "CountLines spec | CountLinesStop"
      tide.task(function()
        while #tide.all_tasks() > 1 do tide.sleep(0.001) end
        note("windows", vim.fn.winnr "$")
        vim.cmd "quitall!"
      end)
    ]]
    assert.equal("windows 1\n", notes, output)
    assert.matches("counting: stopped", output)
    assert.equal(0, status)
  end)

  it("shows what went wrong", function()
    local notes = edit [[
      vim.cmd "CountLines /nowhere"
      local show = vim.notify
      vim.notify = function(...)
        show(...)
        vim.cmd "quitall!"
      end
    ]]
    assert.matches("^notify 4 tide: count lines of /nowhere failed .*: ENOENT.*\n$", notes)
  end)
end)
