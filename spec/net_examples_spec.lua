-- examples/net: each program serves on a port of its own, and is talked to.
require("tide.busted").configure { timeout = 20 }

local tide = require "tide"
local net = require "tide.net"
local testing = require "tide.testing"
local command = require "spec.command_support"

local function example(name)
  return dofile("examples/net/" .. name .. ".lua")
end

local function connect(port)
  return tide.check(net.connect("127.0.0.1", port))
end

local function listen(options)
  local server = tide.check(net.listen("127.0.0.1", 0, options))
  return server, select(2, server:sockname())
end

--- A port that nobody listens at, and nobody else can get: `conn` has it.
local function refusing_port()
  local server, port = listen()
  local conn = connect(port)
  server:close()
  return (select(2, conn:sockname())), conn
end

--- body(...) while handler(conn) serves; then all handlers have to end.
local function while_served_by(server, handler, body, ...)
  tide.group(function(group, ...)
    group:task(server.serve, server, handler)
    body(...)
    server:close()
  end, ...)
end

--- The same with a server of its own: body(port).
local function while_serving(handler, body)
  local server, port = listen()
  while_served_by(server, handler, body, port)
end

--- Sends lines, and expects these answers.
local function say(conn, ...)
  for _, line in ipairs { ... } do
    tide.check(conn:write(line, "\n"))
  end
end

local function hears(conn, ...)
  for _, line in ipairs { ... } do
    assert.equal(line, tide.check(conn:readline()))
  end
end

local function hears_the_end(conn)
  local data, _, code = conn:read()
  assert.same({ nil, "EOF" }, { data, code })
  conn:close()
end

describe("the echo programs", function()
  local talk, echo = example "echo_client".talk, example "echo_server".echo

  local function answers(host, port, lines)
    local heard = {}
    talk(host, port, lines, function(line) table.insert(heard, line) end)
    return heard
  end

  it("send back what each of many clients sends", function()
    while_serving(echo, function(port)
      tide.group(function(group)
        for i = 1, 20 do
          group:task(function()
            local lines = { "hello from " .. i, "", "bye from " .. i }
            assert.same(lines, answers("127.0.0.1", port, lines))
          end)
        end
      end)
    end)
  end)

  -- A socket with a name in the file system: less fits in there.
  it("send back more than fits in between", function()
    local lines, path = {}, os.tmpname()
    for i = 1, 100 do lines[i] = ("%03d "):format(i):rep(15000) end
    os.remove(path)
    while_served_by(tide.check(net.listen("unix:" .. path)), echo, function()
      local heard = answers("unix:" .. path, nil, lines)
      assert.equal(#lines, #heard)
      assert.equal(table.concat(lines), table.concat(heard))
    end)
  end)
end)

describe("the chat", function()
  local new_room = example "chat".new_room

  --- A member with that name, which has seen itself join.
  local function join(port, name)
    local conn = connect(port)
    hears(conn, "What is your name?")
    say(conn, name)
    hears(conn, "* " .. name .. " joins")
    return conn
  end

  it("tells everybody what somebody says, who joins and who leaves", function()
    local room = new_room()
    while_serving(function(conn) room:join(conn) end, function(port)
      local ann = join(port, "ann")
      local bob = join(port, "bob")
      hears(ann, "* bob joins")
      say(ann, "hello")
      hears(ann, "ann: hello")
      hears(bob, "ann: hello")
      say(bob, "/quit")
      hears_the_end(bob)
      hears(ann, "* bob leaves")
      ann:shutdown()
      hears_the_end(ann)
    end)
    assert.same({}, room.members)
  end)

  it("asks again for a name that is taken", function()
    local room = new_room()
    while_serving(function(conn) room:join(conn) end, function(port)
      local ann, other = join(port, "ann"), connect(port)
      say(other, "ann", "", "eve", "hi")
      hears(other, "What is your name?", "That one is taken, another?",
        "That one is taken, another?", "* eve joins", "eve: hi")
      other:close()
      hears(ann, "* eve joins", "eve: hi", "* eve leaves")
      ann:close()
    end)
    assert.same({}, room.members)
  end)

  -- In memory, where nothing but its inbox and its stream holds what is said.
  it("drops who does not read, and nobody waits for that one", function()
    local room = new_room()
    tide.group(function(group)
      local function enter(name)
        local mine, theirs = testing.stream_pair()
        group:task(function()
          room:join(theirs)
          theirs:close()
        end)
        hears(mine, "What is your name?")
        say(mine, name)
        hears(mine, "* " .. name .. " joins")
        return mine
      end
      local slow, ann = enter "slow", enter "ann"
      local text, said = ("x"):rep(10000), 0
      while room.members.slow do
        say(ann, text)
        hears(ann, "ann: " .. text)
        said = said + 1
        assert.is_true(said < 1000)
      end
      hears(ann, "* slow leaves")
      assert.is_true(said > 64)
      say(ann, "/quit")
      hears_the_end(ann)
      slow:close()
    end)
  end)
end)

describe("the proxy", function()
  local relay = example "proxy".relay

  --- body(port of the proxy), which leads to what handler(conn) serves.
  local function while_relaying(handler, body)
    while_serving(handler, function(target)
      while_serving(function(client) relay(client, "127.0.0.1", target) end, body)
    end)
  end

  it("passes the end on when the client has sent all, and still the answer", function()
    while_relaying(function(conn)
      conn:write("it was: ", conn:read(-1))
    end, function(port)
      local conn = connect(port)
      conn:write("hello")
      conn:shutdown()
      assert.equal("it was: hello", conn:read(-1))
      conn:close()
    end)
  end)

  it("passes the end on when the server has sent all, and still the rest", function()
    local got
    while_relaying(function(conn)
      conn:write("go on")
      conn:shutdown()
      got = conn:read(-1)
    end, function(port)
      local conn = connect(port)
      assert.equal("go on", conn:read(-1))
      conn:write(("much "):rep(200000))
      conn:shutdown()
      hears_the_end(conn)
    end)
    assert.equal(1000000, #got)
  end)

  it("lets go of a server that writes where the client breaks", function()
    local ended
    while_relaying(function(conn)
      while conn:write(("much "):rep(10000)) do end
      ended = true
    end, function(port)
      local conn = connect(port)
      conn:readexactly(100000)
      conn:close()
    end)
    assert.is_true(ended)
  end)

  it("lets go of a client that waits where the server breaks", function()
    while_relaying(function(conn)
      hears(conn, "hello")
      conn:close() -- it has not read all: that is a reset
    end, function(port)
      local conn = connect(port)
      conn:write("hello\n", ("much "):rep(200000))
      assert.is_nil(conn:read())
      conn:close()
    end)
  end)

  it("tells where there is nobody to lead to, and the client sees the end", function()
    local nobody, holder = refusing_port()
    local ok, message
    while_serving(function(client)
      ok, message = relay(client, "127.0.0.1", nobody)
    end, function(port)
      hears_the_end(connect(port))
    end)
    holder:close()
    assert.is_nil(ok)
    assert.matches("refused", message)
  end)
end)

describe("the scanner", function()
  local scan = example "scan".scan

  it("finds what is open, in order", function()
    local ports, servers = {}, {}
    for i = 1, 9 do
      servers[i], ports[i] = listen()
    end
    for i = 1, 9, 2 do
      servers[i]:close()
    end
    local expected = { ports[2], ports[4], ports[6], ports[8] }
    table.sort(expected)
    assert.same(expected, scan("127.0.0.1", ports, 3, 20))
    for i = 2, 9, 2 do
      servers[i]:close()
    end
  end)

  it("does not wait longer for one that says nothing", function()
    local server, port = listen { backlog = 1 }
    local first, second = connect(port), connect(port) -- as many as may wait
    assert.same({}, scan("127.0.0.1", { port }, 1, 0.01))
    first:close()
    second:close()
    server:close()
  end)
end)

describe("the fetcher", function()
  local fetch = example "fetch".fetch

  --- An HTTP server: pages[path](conn, times it was asked for).
  local function while_publishing(pages, body)
    local asked = {}
    while_serving(function(conn)
      local path = conn:readuntil("\r\n\r\n"):match "^GET (%S+) HTTP/1.0\r\nHost: 127.0.0.1\r\n"
      asked[path] = (asked[path] or 0) + 1
      pages[path](conn, asked[path])
    end, function(port)
      body(function(path) return ("http://127.0.0.1:%d%s"):format(port, path) end)
    end)
    return asked
  end

  local function page(text)
    return function(conn)
      conn:write("HTTP/1.0 200 OK\r\nContent-Length: ", #text, "\r\n\r\n", text)
    end
  end

  it("gets pages in order, so many at a time from a host", function()
    local three, now, most = tide.barrier(3), 0, 0
    local expected, pages = {}, {}
    for i = 1, 21 do
      expected[i] = { status = 200, body = ("page %d "):format(i):rep(i * 100) }
      pages["/" .. i] = function(conn)
        now = now + 1
        most = math.max(most, now)
        three:wait()
        now = now - 1
        page(expected[i].body)(conn)
      end
    end
    while_publishing(pages, function(url)
      local urls = {}
      for i = 1, 21 do urls[i] = url("/" .. i) end
      assert.same(expected, fetch(urls, { per_host = 3 }))
    end)
    assert.equal(3, most)
  end)

  it("tries again what failed, was too slow, or was cut short", function()
    local function second(first)
      return function(conn, times)
        return (times > 1 and page "now it is there" or first)(conn)
      end
    end
    local pages = {
      ["/busy"] = second(function(conn) conn:write "HTTP/1.1 503 Busy\r\n\r\n" end),
      ["/gone"] = second(function(conn) conn:close() end),
      ["/short"] = second(function(conn)
        conn:write "HTTP/1.0 200 OK\r\ncontent-length: 100\r\n\r\nnot a hundred"
      end),
      ["/slow"] = second(function(conn) conn:read() end), -- until the client gives up
      ["/missing"] = function(conn) conn:write "HTTP/1.0 404 Not found\r\n\r\nno such page" end,
    }
    local asked = while_publishing(pages, function(url)
      local there = { status = 200, body = "now it is there" }
      assert.same({ there, there, there, { status = 404, body = "no such page" } },
        fetch({ url "/busy", url "/gone", url "/short", url "/missing" }, { delay = 0 }))
      assert.same({ there }, fetch({ url "/slow" }, { delay = 0, timeout = 0.1, tries = 100 }))
    end)
    assert.is_true(asked["/slow"] > 1)
    asked["/slow"] = nil
    assert.same({ ["/busy"] = 2, ["/gone"] = 2, ["/short"] = 2, ["/missing"] = 1 }, asked)
  end)

  it("gives up after so many tries, and tells why", function()
    local nobody, holder = refusing_port()
    local asked = while_publishing({
      ["/"] = function(conn) conn:write "HTTP/1.0 500 Oh\r\n\r\n" end,
      ["/mail"] = function(conn) conn:write "220 mail.example ready\r\n" end,
    }, function(url)
      local results = fetch({ url "", url "/mail", ("http://127.0.0.1:%d/"):format(nobody) },
        { delay = 0, tries = 3 })
      assert.same({ status = 500, body = "" }, results[1])
      assert.equal("it does not speak HTTP", results[2].error)
      assert.equal("ECONNREFUSED", results[3].error.code)
    end)
    holder:close()
    assert.same({ ["/"] = 3, ["/mail"] = 3 }, asked)
  end)
end)

describe("the store", function()
  local new_store = example "kv".new_store

  --- body(port) while a store serves, which it has to stop: what `serve` returns.
  local function while_storing(body, seconds)
    local server, port = listen()
    local serving
    tide.group(function(group)
      local store = new_store()
      serving = group:task(store.serve, store, server, seconds or math.huge)
      body(port)
    end)
    return serving:result()
  end

  it("keeps values, and forgets them", function()
    assert.is_true(while_storing(function(port)
      local ann, bob = connect(port), connect(port)
      say(ann, "GET x", "SET x 1 and more", "GET x")
      hears(ann, "NONE", "OK", "VALUE 1 and more")
      say(bob, "GET x", "DEL x", "DEL x", "", "HELP me", "QUIT")
      hears(bob, "VALUE 1 and more", "OK", "NONE", "ERROR no such command",
        "ERROR no such command", "BYE")
      hears_the_end(bob)
      say(ann, "GET x", "SHUTDOWN")
      hears(ann, "NONE", "BYE")
      hears_the_end(ann)
    end))
  end)

  it("shuts down without leaving an idle client or an answer behind", function()
    local value = ("v"):rep(60000)
    assert.is_true(while_storing(function(port)
      local idle, busy, admin = connect(port), connect(port), connect(port)
      say(idle, "SET x " .. value)
      hears(idle, "OK")
      busy:write(("GET x\n"):rep(100))
      hears(busy, "VALUE " .. value) -- the others are under way
      say(admin, "SHUTDOWN")
      hears(admin, "BYE")
      hears_the_end(admin)
      hears_the_end(idle)
      local line, _, code = busy:readline()
      while line do
        assert.equal("VALUE " .. value, line)
        line, _, code = busy:readline()
      end
      assert.equal("EOF", code)
      busy:close()
      assert.equal("ECONNREFUSED", (select(3, net.connect("127.0.0.1", port))))
    end))
  end)
end)

describe("the programs", function()
  setup(command.setup)
  teardown(command.teardown)

  it("run from the command line", function()
    local path = "examples/net/"
    local pipe = command.open { path .. "kv.lua", "0" }
    local port = pipe:read "*l":match "^store at 127.0.0.1, port (%d+)$"
    assert.same({ port .. "\n", "", 0 },
      { command.run { path .. "scan.lua", "127.0.0.1", port, port } })
    assert.same({ "OK\nVALUE 1\nBYE\n", "", 0 },
      { command.run { path .. "echo_client.lua", port, "SET x 1", "GET x", "SHUTDOWN" } })
    assert.equal("all clients were served", pipe:read "*l")
    assert.is_nil(pipe:read "*l")
    pipe:close()
    local out, _, status = command.run { path .. "fetch.lua" }
    assert.same({ "", 0 }, { out, status })
  end)
end)
