-- A client for servers that speak in lines, on a terminal:
--   tide examples/stdio/client.lua 127.0.0.1 8000
-- What the server says appears above the line that is being edited. Enter sends
-- that, Ctrl-U drops it, the arrows move in it; Ctrl-D says that no more will come,
-- Ctrl-C leaves. The terminal is as it was, whatever ends the program.
-- check: no
local tide = require "tide"
local net = require "tide.net"
local signal = require "tide.signal"
local stdio = require "tide.stdio"

local stdin, stdout = stdio.stdin, stdio.stdout

local PROMPT = "> "
local CLEAR = "\r\27[K"

-- ---- the line: its text, and how many bytes of it are before the cursor

local Line = {}
Line.__index = Line

local function new_line()
  return setmetatable({ text = "", cursor = 0 }, Line)
end

-- A character of UTF-8 is one, whatever bytes it has.
function Line:before()
  return (self.text:sub(1, self.cursor):find("[%z\1-\127\192-\255][\128-\191]*$") or 1) - 1
end

function Line:after()
  return select(2, self.text:find("^.[\128-\191]*", self.cursor + 1)) or self.cursor
end

function Line:insert(text)
  self.text = self.text:sub(1, self.cursor) .. text .. self.text:sub(self.cursor + 1)
  self.cursor = self.cursor + #text
end

function Line:cut(from, to)
  self.text = self.text:sub(1, from) .. self.text:sub(to + 1)
  self.cursor = from
end

--- What shows it, with the end of it if it is longer than the terminal is wide.
function Line:drawn()
  local room = (stdout:window_size() or 80) - #PROMPT - 1
  local first = math.max(1, self.cursor - room + 1)
  local shown = self.text:sub(first, first + room - 1)
  local _, bytes = self.text:sub(first, self.cursor):gsub("[\128-\191]", "")
  local column = #PROMPT + self.cursor - first + 1 - bytes
  return ("%s%s%s\r\27[%dC"):format(CLEAR, PROMPT, shown, column)
end

-- ---- keys

local keys = {
  ["\1"] = function(line) line.cursor = 0 end,
  ["\5"] = function(line) line.cursor = #line.text end,
  ["\21"] = function(line) line:cut(0, #line.text) end,
  ["\127"] = function(line) line:cut(line:before(), line.cursor) end,
  ["\27[C"] = function(line) line.cursor = line:after() end,
  ["\27[D"] = function(line) line.cursor = line:before() end,
  ["\27[3~"] = function(line) line:cut(line.cursor, line:after()) end,
}

--- The first key of these bytes, and the rest; nil: there is more of it to come.
local function first_key(bytes)
  if bytes == "" or bytes == "\27" or bytes:find "^\27%[[%d;]*$" then
    return nil, bytes
  end
  local key = bytes:match "^\27%[[%d;]*." or bytes:match "^[^%c\127]+" or bytes:sub(1, 1)
  return key, bytes:sub(#key + 1)
end

--- Does what the key does; true: it was the last one.
local function press(line, key, conn)
  if key == "\r" then
    local text = line.text
    line:cut(0, #text)
    tide.check(stdout:write(CLEAR, PROMPT, text, "\n"))
    tide.check(conn:write(text, "\n"))
  elseif key == "\4" then
    return line.text == ""
  elseif keys[key] then
    keys[key](line)
  elseif not key:find "^%c" then
    line:insert(key)
  end
end

--- Until Ctrl-D; then only the server can end it.
local function edit(line, conn)
  local rest, ended = "", false
  while not ended do
    tide.check(stdout:write(line:drawn()))
    local key
    key, rest = first_key(rest .. tide.check(stdin:read()))
    while key and not ended do
      ended = press(line, key, conn)
      key, rest = first_key(rest)
    end
  end
  conn:shutdown()
  tide.sleep(math.huge)
end

-- ---- what happens besides

--- One write each: nothing comes between the answer and the line below it.
local function show_answers(line, conn)
  local next_line = conn:lines()
  local answer = next_line()
  while answer do
    answer = answer:gsub("%c", "?") -- the server is not to move the cursor
    tide.check(stdout:write(CLEAR, answer, "\n", line:drawn()))
    answer = next_line()
  end
end

local function follow_size(line)
  tide.with(signal.iter "SIGWINCH", function(signals)
    while signals() do
      tide.check(stdout:write(line:drawn()))
    end
  end)
end

local function talk(conn)
  local line = new_line()
  tide.race(
    function() show_answers(line, conn) end,
    function() edit(line, conn) end,
    function() follow_size(line) end)
end

local function main(host, port)
  local conn = tide.check(net.connect(host, tonumber(port)))
  tide.with(conn, function()
    tide.check(stdin:set_raw(true, { interrupt = true }))
    tide.finally(talk, function()
      stdin:set_raw(false)
      stdout:write(CLEAR)
    end, conn)
    stdout:write("the server has ended the connection\n")
  end)
end

if arg and arg[0]:find "client%.lua$" then
  tide.run(main, arg[1] or "127.0.0.1", arg[2] or 8000)
end
return { new_line = new_line, first_key = first_key }
