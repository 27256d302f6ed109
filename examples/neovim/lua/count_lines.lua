--- Counts the lines of the files of a folder, some of them at once, while the
-- editor goes on: an example of what tide is for in Neovim.
local tide = require "tide"

require("tide.luv").attach()

local uv = vim.uv or vim.loop
local AT_ONCE = 8
local CHUNK = 65536

-- luv's functions that take a callback(err, result), as ones that wait.
local scan = tide.from_callback(uv.fs_scandir)
local open = tide.from_callback(uv.fs_open)
local read = tide.from_callback(uv.fs_read)
local close = tide.from_callback(uv.fs_close)

local M = {}

local running -- the task, if there is one

local function say(text)
  vim.api.nvim_echo({ { text } }, false, {})
end

local function count(path)
  local fd = open(path, "r", 0)
  return tide.finally(function()
    local lines = 0
    repeat
      local data = read(fd, CHUNK, -1)
      lines = lines + select(2, data:gsub("\n", ""))
    until data == ""
    return lines
  end, function() close(fd) end)
end

local function files_of(folder)
  local names, entries = {}, scan(folder)
  for name, kind in uv.fs_scandir_next, entries do
    if kind == "file" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function count_all(folder)
  local names, counts, done = files_of(folder), {}, 0
  local slots = tide.semaphore(AT_ONCE)
  tide.group(function(group)
    for _, name in ipairs(names) do
      group:task(slots.with, slots, function()
        -- luv cannot take back what it has begun: a cancel comes between files
        counts[name] = tide.shield(count, folder .. "/" .. name)
        done = done + 1
        say(("counting: %d of %d"):format(done, #names))
      end)
    end
  end)
  return names, counts
end

local function show(names, counts)
  local lines = {}
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("%8d %s"):format(counts[name], name)
  end
  vim.cmd "new"
  vim.bo.buftype, vim.bo.bufhidden, vim.bo.swapfile = "nofile", "wipe", false
  vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
end

--- Begins to count; what is counted already is given up. Errors are nobody's
-- here, so tide.luv shows them.
function M.start(folder)
  M.stop()
  running = tide.task(function()
    local ok, names, counts = tide.pcall(count_all, folder)
    if running == tide.current_task() then
      running = nil -- an error of a task that is held would not be shown
    end
    if ok then
      show(names, counts)
    elseif tide.is_cancelled(names) then
      say "counting: stopped"
    else
      error(names, 0)
    end
  end)
  running:set_name("count lines of " .. folder)
end

function M.stop()
  if running then
    running:cancel()
    running = nil
  end
end

return M
