local tide = require "tide"
local luasocket_support = require "spec.luasocket_support"
local support = require "spec.support"

require("tide.busted").configure { timeout = 10 }

local there = luasocket_support.there
if not (there("socket", "LuaSec in tide.luasocket", describe, pending) and
  there("ssl", "LuaSec in tide.luasocket", describe, pending))
then
  return
end

--- A key and a certificate that it signed itself, made anew; nil: by nobody.
local function certificate()
  local name = os.tmpname()
  local ok = os.execute(("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost " ..
    "-keyout %s.key -out %s.pem >/dev/null 2>&1"):format(name, name))
  os.remove(name)
  if ok == true or ok == 0 then
    return name .. ".key", name .. ".pem"
  end
end

local key, pem = certificate()
if not key then
  describe("LuaSec in tide.luasocket", function()
    pending "is not tried: there is no openssl to make a certificate with"
  end)
  return
end

local socket = require "tide.luasocket"
local ssl = socket.ssl

local HOST, listen = luasocket_support.HOST, luasocket_support.listen
local opens, pair = luasocket_support.opens, luasocket_support.pair
local pack, pcall, sleep = support.pack, tide.pcall, tide.sleep

local SERVER = { mode = "server", protocol = "any", key = key, certificate = pem }
local CLIENT = { mode = "client", protocol = "any", verify = "peer", cafile = pem }

describe("LuaSec in tide.luasocket", function()
  teardown(function()
    os.remove(key)
    os.remove(pem)
  end)
  luasocket_support.keep(after_each)

  --- Two of which each trusts the other, in two tasks.
  local function secure()
    local a, b = pair()
    a, b = opens(ssl.wrap(a, SERVER)), opens(ssl.wrap(b, CLIENT))
    local shaking = tide.task(a.dohandshake, a)
    assert.is_true(b:dohandshake())
    assert.is_true(shaking:await())
    return a, b
  end

  it("the handshake of two tasks", function()
    local a, b = secure()
    assert.matches("^SSL", tostring(a))
    assert.is_truthy(b:info "cipher")
    assert.is_truthy(b:getpeercertificate())
  end)

  it("reads what comes in pieces, and sends what nobody takes yet", function()
    local a, b = secure()
    local reading = tide.task(function() return { a:receive(), a:receive(5), a:receive "*a" } end)
    for _, part in ipairs { "he", "llo\r\n1", "23", "45a" } do
      assert(b:send(part))
      sleep(0.002)
    end
    local text = ("x"):rep(2 ^ 22)
    assert.equal(#text, b:send(text))
    -- Takes the session's tickets: a close with bytes unread resets, and loses text.
    b:settimeout(0)
    assert.same(pack(nil, "wantread", ""), pack(b:receive(1)))
    b:close()
    assert.same({ "hello", "12345", "a" .. text }, reading:await())
    assert.equal("closed", (select(2, a:receive())))
  end)

  it("keeps its timeouts, of which LuaSec says what it waited for", function()
    local a = secure()
    a:settimeout(0.005)
    assert.same(pack(nil, "wantread", ""), pack(a:receive(1)))
    a:settimeout(0)
    assert.same(pack(nil, "wantread", ""), pack(a:receive(1)))
    local b = opens(ssl.wrap(pair(), SERVER))
    b:settimeout(0.005)
    local done, message = b:dohandshake()
    assert.is_falsy(done)
    assert.equal("wantread", message)
  end)

  it("a handshake that is cancelled leaves nothing", function()
    local a = pair()
    a = opens(ssl.wrap(a, CLIENT))
    local before = tide.stats().handles
    local shaking = tide.task(a.dohandshake, a)
    sleep(0.002)
    shaking:cancel()
    pcall(shaking.await, shaking)
    assert.is_true(shaking:cancelled())
    assert.equal(before, tide.stats().handles)
  end)

  it("what cannot be wrapped says so", function()
    local a = pair()
    local nothing, message = ssl.wrap(a, { mode = "server", protocol = "none" })
    assert.is_nil(nothing)
    assert.is_string(message)
  end)

  it("two requests of https in two tasks are under way at once", function()
    local server, port = listen()
    local function accept()
      local conn = assert(ssl.wrap(server:accept(), SERVER))
      assert(conn:dohandshake())
      return conn
    end
    local answering = luasocket_support.answer_together(accept, 2)
    local url = ("https://%s:%d/"):format(HOST, port)
    local bodies = tide.gather {
      function() return assert(socket.https.request(url .. "one")) end,
      function() return assert(socket.https.request(url .. "two")) end,
    }
    answering:await()
    assert.same({ "you asked for /one", "you asked for /two", n = 2 }, bodies)
  end)

  it("socket.http takes it for https", function()
    local server, port = listen()
    local answering = luasocket_support.answer_together(function()
      local conn = assert(ssl.wrap(server:accept(), SERVER))
      assert(conn:dohandshake())
      return conn
    end, 1)
    assert.equal("you asked for /", socket.http.request(("https://%s:%d/"):format(HOST, port)))
    answering:await()
  end)
end)
