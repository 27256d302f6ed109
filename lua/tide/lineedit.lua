--- A line editor for terminals, and the plain reading of lines where there is
-- none. The loop runs on while a line is waited for.
--
-- A reader has read(prompt): a line; or nil and "eof" or "interrupt". While it
-- waits, which is_waiting() tells, hide() and show() go around what others print.

local core = require "tide.core"
local protected = require "tide.coroutine".pcall

core.own_chunk()

local M = {}

local function write(...)
  io.stdout:write(...)
  io.stdout:flush()
end

-- ---- plain lines ----

local Plain = {}
Plain.__index = Plain

--- A reader of lines as they come.
function M.plain(input)
  return setmetatable({ input = input, prompt = nil }, Plain)
end

--- An interrupt is the cancel of the main task, which is the reader's.
local function read_line(input)
  local ok, line = protected(input.readline, input, { limit = 2^30 })
  if ok then
    return line, "eof"
  elseif core.take_interrupt() then
    return nil, "interrupt"
  end
  error(line, 0)
end

function Plain:read(prompt)
  self.prompt = prompt
  write(prompt)
  local line, why = read_line(self.input)
  self.prompt = nil
  if not line then
    write("\n")
    return nil, why
  end
  return line
end

function Plain:is_waiting()
  return self.prompt ~= nil
end

function Plain:hide()
  if self.prompt then
    write("\n")
  end
end

function Plain:show()
  if self.prompt then
    write(self.prompt)
  end
end

-- ---- edited lines ----

-- An interrupt still is a signal: who computes reads no keys.
local keys_only = { interrupt = true }

local Editor = {}
Editor.__index = Editor

--- A reader for a terminal that has cursor movement. `dump` is called for Ctrl-\.
function M.editor(input, dump)
  return setmetatable({
    input = input,
    dump = dump,
    pending = "",   -- bytes that came and are not looked at yet
    history = {},
    active = false, -- a line is edited
    prompt = "",
    line = "",
    cursor = 0,     -- bytes before it
    place = 0,      -- in the history, which ends with the new line
    kept = "",      -- that line, while another is looked at
  }, Editor)
end

-- The line is UTF-8; any byte that is not stands for itself.
local function next_char(line, cursor)
  local _, last = line:find("^[%z\1-\127\192-\255][\128-\191]*", cursor + 1)
  return last or math.min(cursor + 1, #line)
end

local function previous_char(line, cursor)
  local first = line:sub(1, cursor):find("[%z\1-\127\192-\255][\128-\191]*$")
  return first and first - 1 or math.max(cursor - 1, 0)
end

--- Two columns for what East Asian scripts and emoji are written with.
local function width(char)
  local a, b = char:byte(1, 2)
  if a < 0xe1 or not b then
    return 1
  elseif a < 0xf0 then
    local wide = a == 0xe1 and b >= 0x84 and b < 0x86 or a == 0xe2 and b == 0xba
      or a >= 0xe3 and a <= 0xec or a == 0xed and b < 0x9f or a == 0xef and b >= 0xbc and b < 0xbe
    return wide and 2 or 1
  end
  return b >= 0x9f and 2 or 1
end

--- How many columns a text takes, in which there may be colours.
local function columns_of(text)
  text = text:gsub("\27%[[%d;]*m", "")
  local columns, i = 0, 0
  while i < #text do
    local last = next_char(text, i)
    columns, i = columns + width(text:sub(i + 1, last)), last
  end
  return columns
end

--- What of a line fits into so many columns around the cursor: the text, and the
-- columns of it before the cursor.
local function window(line, cursor, columns)
  local chars, at, before, i = {}, 0, 0, 0
  while i < #line do
    local last = next_char(line, i)
    local char = line:sub(i + 1, last):gsub("%c", " ")
    if i < cursor then
      at, before = at + 1, before + width(char)
    end
    chars[#chars + 1] = char
    i = last
  end
  local first = 1
  while before > columns do
    before = before - width(chars[first])
    first = first + 1
  end
  local shown, used = first - 1, 0
  while chars[shown + 1] and used + width(chars[shown + 1]) <= columns do
    shown = shown + 1
    used = used + width(chars[shown])
  end
  return table.concat(chars, "", first, math.max(shown, at)), before
end

function Editor:is_waiting()
  return self.active
end

function Editor:show()
  if not self.active then
    return
  end
  local columns = self.input:window_size() or 0
  local margin = columns_of(self.prompt)
  local room = (columns > 0 and columns or 80) - margin - 1
  local text, before = window(self.line, self.cursor, math.max(room, 1))
  local move = margin + before
  write("\r", self.prompt, text, "\27[K\r", move > 0 and ("\27[%dC"):format(move) or "")
end

function Editor:hide()
  if self.active then
    write("\r\27[K")
  end
end

-- ---- keys ----

function Editor:insert(text)
  self.line = self.line:sub(1, self.cursor) .. text .. self.line:sub(self.cursor + 1)
  self.cursor = self.cursor + #text
end

function Editor:cut(from, to)
  self.line = self.line:sub(1, from) .. self.line:sub(to + 1)
  self.cursor = from
end

function Editor:look_back(step)
  local place = self.place + step
  if place < 1 or place > #self.history + 1 then
    return
  end
  if self.place > #self.history then
    self.kept = self.line
  end
  self.place = place
  self.line = self.history[place] or self.kept
  self.cursor = #self.line
end

function Editor:word_before()
  local head = self.line:sub(1, self.cursor):gsub("[^%w_\128-\255]*$", "")
  return #head:gsub("[%w_\128-\255]*$", "")
end

function Editor:word_after()
  local _, last = self.line:find("^[^%w_\128-\255]*[%w_\128-\255]*", self.cursor + 1)
  return last
end

--- As the key does where it is the terminal's.
function Editor:suspend()
  self:hide()
  self.input:set_raw(false)
  core.send_signal("SIGTSTP", true)
  self.input:set_raw(true, keys_only)
end

local keys = {}
keys["\1"] = function(self) self.cursor = 0 end
keys["\2"] = function(self) self.cursor = previous_char(self.line, self.cursor) end
keys["\5"] = function(self) self.cursor = #self.line end
keys["\6"] = function(self) self.cursor = next_char(self.line, self.cursor) end
keys["\8"] = function(self) self:cut(previous_char(self.line, self.cursor), self.cursor) end
keys["\11"] = function(self) self:cut(self.cursor, #self.line) end
keys["\12"] = function() write("\27[H\27[2J") end
keys["\14"] = function(self) self:look_back(1) end
keys["\16"] = function(self) self:look_back(-1) end
keys["\21"] = function(self) self:cut(0, self.cursor) end
keys["\23"] = function(self) self:cut(self:word_before(), self.cursor) end
keys["\26"] = Editor.suspend
keys["\28"] = function(self) self:hide() self.dump() end
keys["\127"] = keys["\8"]
keys["\27[3~"] = function(self) self:cut(self.cursor, next_char(self.line, self.cursor)) end
keys["\27b"] = function(self) self.cursor = self:word_before() end
keys["\27f"] = function(self) self.cursor = self:word_after() end

--- The same key has several names.
local function alias(key, ...)
  for _, name in ipairs { ... } do
    keys["\27" .. name] = keys[key]
  end
end

alias("\16", "[A", "OA")
alias("\14", "[B", "OB")
alias("\6", "[C", "OC")
alias("\2", "[D", "OD")
alias("\1", "[H", "OH", "[1~", "[7~")
alias("\5", "[F", "OF", "[4~", "[8~")
alias("\27b", "[1;5D")
alias("\27f", "[1;5C")

local ends = { ["\r"] = "line", ["\n"] = "line", ["\3"] = "interrupt" }

--- The key at the start of `bytes`; nil: there is more to come.
local function first_key(bytes)
  if bytes:sub(1, 1) ~= "\27" then
    return bytes:match("^[^%c\127]+") or bytes:sub(1, 1)
  elseif #bytes == 1 or bytes == "\27O" or bytes:find("^\27%[[%d;?]*$") then
    return nil
  end
  return bytes:match("^\27%[[%d;?]*[%a~]") or bytes:match("^\27O%a") or bytes:sub(1, 2)
end

--- Does what the key does; "line", "interrupt" or "eof" when it ends the line.
function Editor:press(key)
  if key == "\4" then
    if self.line == "" then
      return "eof"
    end
    key = "\27[3~"
  end
  if keys[key] then
    keys[key](self)
  elseif not ends[key] and (key == "\t" or not key:find("^[%c\127]")) then
    self:insert(key)
  end
  return ends[key]
end

--- Takes the keys that came, until one ends the line.
function Editor:take_keys()
  while self.pending ~= "" do
    local key = first_key(self.pending)
    if not key then
      return nil
    end
    self.pending = self.pending:sub(#key + 1)
    local ended = self:press(key)
    if ended then
      return ended
    end
  end
end

local function edit(self)
  self.active = true
  local ended = self:take_keys()
  while not ended do
    self:show()
    local bytes = self.input:read()
    self.pending = self.pending .. (bytes or "")
    ended = not bytes and "eof" or self:take_keys()
  end
  return ended
end

function Editor:remember(line)
  if line:find("%S") and self.history[#self.history] ~= line then
    self.history[#self.history + 1] = line
  end
end

local function leave(self, ok, ended)
  self.cursor = #self.line
  self:show()
  self.active = false
  self.input:set_raw(false)
  write("\n")
  if not ok and core.take_interrupt() then
    self.pending = ""
    return nil, "interrupt"
  elseif not ok then
    error(ended, 0)
  elseif ended ~= "line" then
    return nil, ended
  end
  self:remember(self.line)
  return self.line
end

--- What is done at a signal while a line is edited.
local signals = {}

function signals.SIGWINCH(self)
  self:show()
end

--- The terminal may be in another mode after a stop.
function signals.SIGCONT(self)
  self.input:set_raw(false)
  self.input:set_raw(true, keys_only)
  self:show()
end

local function watch(self)
  for name, act in pairs(signals) do
    core.on_signal(name, function() act(self) end)
  end
end

local function unwatch()
  for name in pairs(signals) do
    core.on_signal(name, nil)
  end
end

function Editor:read(prompt)
  local above, last = prompt:match("^(.*\n)(.*)$")
  write(above or "")
  self.prompt, self.line, self.cursor = last or prompt, "", 0
  self.place, self.kept = #self.history + 1, ""
  self.input:set_raw(true, keys_only)
  watch(self)
  local ok, ended = protected(edit, self)
  unwatch()
  return leave(self, ok, ended)
end

return M
