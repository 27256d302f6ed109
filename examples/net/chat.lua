-- A chat: tide examples/net/chat.lua [port], and for each member: nc localhost 8000
-- The first line is a name, the others are said to everybody, "/quit" leaves.
-- check: no
local tide = require "tide"
local net = require "tide.net"

local WAITING = 64 -- messages that may wait for a member
local GRACE = 5    -- seconds for who leaves to read what is under way

local Room = {}
Room.__index = Room

local function new_room()
  return setmetatable({ members = {} }, Room)
end

--- To everybody, and waits for nobody: who does not read is dropped. With its
-- stream closed, what its two tasks are waiting in returns nil, and they end.
function Room:say(text)
  for _, member in pairs(self.members) do
    if not member.inbox:put_nowait(text) then
      member.conn:close()
    end
  end
end

local function ask_name(room, conn)
  conn:write("What is your name?\n")
  local name = conn:readline()
  while name and (name == "" or room.members[name]) do
    conn:write("That one is taken, another?\n")
    name = conn:readline()
  end
  return name
end

local function listen(room, name, conn)
  local line = conn:readline()
  while line and line ~= "/quit" do
    room:say(name .. ": " .. line)
    line = conn:readline()
  end
end

--- Waits for this member only: what it is not fast enough for stays in its inbox.
local function tell(conn, inbox)
  local text = inbox:get()
  while text and conn:write(text, "\n") do
    text = inbox:get()
  end
  conn:shutdown()
end

--- One connection, from its name to its end.
function Room:join(conn)
  local name = ask_name(self, conn)
  if not name then
    return
  end
  local member = { conn = conn, inbox = tide.queue(WAITING) }
  self.members[name] = member
  self:say("* " .. name .. " joins")
  tide.group(function(group)
    local teller = group:task(tell, conn, member.inbox)
    tide.finally(listen, function()
      self.members[name] = nil
      member.inbox:shutdown()
      self:say("* " .. name .. " leaves")
    end, self, name, conn)
    tide.wait({ teller }, { timeout = GRACE })
    conn:close()
  end)
end

local function main(port)
  local server = tide.check(net.listen("127.0.0.1", port or 8000))
  io.stderr:write(("chat at %s, port %d\n"):format(server:sockname()))
  local room = new_room()
  server:serve(function(conn) room:join(conn) end)
end

if arg and arg[0]:find "chat%.lua$" then
  tide.run(main, ...)
end
return { new_room = new_room }
