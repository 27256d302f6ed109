--- Steps the loop from one that luv owns: Neovim's, or luv's under plain Lua.
--
-- luv takes all handles of its loop for its own, so tide's stay on theirs, which
-- is nested in luv's: a poll handle watches its descriptor, a timer has its next
-- deadline. Both only end luv's wait. A prepare handle, called before each wait,
-- does the rest: it steps if something is due, and looks what comes next; so what
-- tasks or others have changed meanwhile is seen in time.

local core = require "tide.core"
local host = require "tide.host"

core.own_chunk()

local M = {}

local NAME = "tide.luv"
local LEFT = "tide.luv.left" -- one that is detached, its handles are still open
local BLIND = 0.01        -- seconds between looks where there is no descriptor
local LONGEST = 0x7fffffff -- milliseconds

local registry = debug.getregistry() -- outlives package.loaded

local function nothing() end

--- Neovim's `vim`, or nil.
local function editor()
  local vim = rawget(_G, "vim")
  return type(vim) == "table" and (vim.uv or vim.loop) and vim.schedule and vim or nil
end

-- ---- what is attached

local Attached = {}
Attached.__index = Attached

--- Others may have closed it, as they walk over all of luv's handles: libuv ends
-- the process for a closed one that is started or stopped.
local function is_open(handle)
  local ok, closing = pcall(handle.is_closing, handle)
  return ok and not closing
end

function Attached:detach()
  if registry[NAME] ~= self then
    return
  end
  registry[NAME], registry[LEFT] = nil, self
  for _, handle in ipairs(self.handles) do
    if is_open(handle) then
      handle:stop()
    end
  end
  for _, undo in ipairs(self.undo) do
    undo()
  end
  if not self.loop:is_closed() then
    self.loop:set_blocking(true)
  end
  if self.vim or self.uv.loop_mode() then
    self:close_handles()
  end
end

--- Where luv's loop does not run this waits until it does, or until all ends:
-- lua_close crashes (luv 1.44) where a close has begun and not ended.
function Attached:close_handles()
  registry[LEFT] = nil
  for _, handle in ipairs(self.handles) do
    if is_open(handle) then
      handle:close()
    end
  end
  if self.uv.run == self.patched then
    self.uv.run = self.run
  end
end

function Attached:step()
  self.scheduled = false
  if registry[NAME] == self and not self.loop:is_closed() and not self.loop:is_running() then
    self.readable = false
    self.loop:step(self.budget)
  end
end

--- A second time without a step between, since what a task calls runs luv's loop
-- or a step is still scheduled: it would be told again and again.
function Attached:on_readable()
  if self.readable then
    self.poll:stop()
    self.polling = false
  end
  self.readable = true
end

--- Luv's loop runs as long as there is anything to do on either.
function Attached:keep_alive()
  local uv = self.uv
  uv.unref(self.prepare)
  if self.loop:alive() or uv.loop_alive() then
    uv.ref(self.prepare)
  end
end

--- What ends luv's wait.
function Attached:arm()
  local timeout = self.loop:next_timeout()
  if not self.poll then
    timeout = math.min(timeout, BLIND)
  elseif not self.polling then
    self.poll:start("r", self.told)
    self.polling = true
  end
  if timeout < 0 or timeout == math.huge then
    self.timer:stop()
  else
    self.uv.update_time() -- its time is as old as the wait before the step
    self.timer:start(math.min(math.ceil(timeout * 1000), LONGEST), 0, self.woken)
  end
end

--- Before each wait of luv's loop.
function Attached:turn()
  if self.loop:is_closed() then -- the child of a fork has another
    self:detach()
  elseif self.scheduled or self.loop:is_running() then
    return
  elseif self.readable or self.loop:next_timeout() == 0 then
    if self.schedule then
      self.scheduled = true
      self.timer:start(0, 0, self.woken) -- Neovim looks for it only after the wait
      self.schedule(self.on_step)
      return
    end
    self:step()
  end
  if registry[NAME] == self and is_open(self.prepare) then
    self:arm()
    self:keep_alive()
  end
end

-- ---- attaching

local function new(loop, uv, vim, options)
  local schedule = options.schedule
  if schedule == nil and vim then
    schedule = vim.schedule
  end
  local self = setmetatable({
    loop = loop, uv = uv, vim = vim,
    budget = options.budget or host.BUDGET,
    schedule = schedule or nil,
    scheduled = false, -- a step is
    readable = false,  -- the descriptor was, since the last step
    polling = false,
    undo = {},
    prepare = uv.new_prepare(), timer = uv.new_timer(),
    poll = nil, -- where there is a descriptor
  }, Attached)
  local fd = loop:fd()
  self.poll = fd and uv.new_poll(fd)
  self.handles = { self.prepare, self.timer, self.poll }
  function self.on_step() self:step() end
  function self.told() self:on_readable() end
  self.woken = self.poll and nothing or self.told
  if self.poll then
    uv.unref(self.poll)
  end
  uv.unref(self.timer)
  uv.prepare_start(self.prepare, function() self:turn() end)
  return self
end

--- The descriptor has to be let go of before it is closed.
function Attached:watch_close()
  local Loop, close = core.Loop, core.Loop.close
  local function watched(loop, ...)
    if loop == self.loop and not core.is_running() then
      self:detach()
    end
    return close(loop, ...)
  end
  Loop.close = watched
  self.undo[1] = function()
    if Loop.close == watched then
      Loop.close = close
    end
  end
end

--- Each run begins with a look: tasks may have been made since the last one.
function Attached:watch_run()
  local uv, run = self.uv, self.uv.run
  self.run = run
  function self.patched(...)
    if registry[NAME] == self and is_open(self.prepare) then
      uv.ref(self.prepare)
    elseif registry[LEFT] == self then
      self:close_handles()
    end
    return run(...)
  end
  uv.run = self.patched
end

-- ---- Neovim

local function text_of(report)
  local text = "tide: " .. report.message
  local why = report.traceback -- it begins with the error
  if why == nil then
    why = report.error
  end
  return why == nil and text or text .. ": " .. tostring(why)
end

--- Errors that nobody awaits are shown, soon, where no other handler is set; and
-- at the end nothing of ours is left on the editor's loop.
function Attached:join_editor()
  local loop, vim = self.loop, self.vim
  core.set_interactive()
  if loop:get_exception_handler() == nil then
    local function notify(report)
      vim.schedule(function() vim.notify(text_of(report), vim.log.levels.ERROR) end)
    end
    loop:set_exception_handler(notify)
    self.undo[#self.undo + 1] = function()
      if not loop:is_closed() and loop:get_exception_handler() == notify then
        loop:set_exception_handler(nil)
      end
    end
  end
  local id = vim.api.nvim_create_autocmd("VimLeave", { callback = M.detach })
  self.undo[#self.undo + 1] = function() pcall(vim.api.nvim_del_autocmd, id) end
end

-- ---- what is public

local CHECKS = {
  uv = function(value)
    return type(value) == "table" and value.new_prepare ~= nil, "uv: the module luv expected"
  end,
  schedule = function(value)
    return value == false or core.is_callable(value), "schedule: function or false expected"
  end,
}

--- Steps tide's loop from luv's from now on. Options: uv = the module (that of
-- Neovim, or `require "luv"`); budget = seconds a step; schedule = by what a step
-- is called (vim.schedule in Neovim), or false. Attached already: nothing.
function M.attach(options)
  local name = "luv.attach"
  options = host.options(name, options, CHECKS)
  local vim, before = editor(), registry[NAME]
  local uv = options.uv or vim and (vim.uv or vim.loop) or require "luv"
  if before and before.uv ~= uv then
    core.misuse(("'%s': attached to another luv"):format(name))
  elseif before and is_open(before.prepare) then
    return
  elseif before then
    before:detach()
  end
  if registry[LEFT] then
    registry[LEFT]:close_handles()
  end
  local self = new(host.take(name), uv, vim, options)
  registry[NAME] = self
  self:watch_close()
  if vim then
    self:join_editor()
  else
    self:watch_run()
  end
end

--- Luv's loop steps it no more; tasks stay as they are.
function M.detach()
  local self = registry[NAME]
  if self then
    self:detach()
  end
end

return M
