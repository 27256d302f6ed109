-- examples/fs: the log follower and the file server.
require("tide.busted").configure { clock = "real", timeout = 20 }

local fs = require "tide.fs"
local net = require "tide.net"
local tide = require "tide"
local files = require "spec.file_support"

local path, put = files.path, files.put

files.keep(before_each, after_each)

local function example(name)
  return dofile("examples/fs/" .. name .. ".lua")
end

describe("the log follower", function()
  local follow = example "follow".follow

  --- body(expect): expect(...) waits for these lines.
  local function following(body, only_new)
    local lines = tide.queue()
    tide.group(function(group)
      group:task(follow, path "log", function(line) lines:put_nowait(line) end, only_new)
      tide.sleep(0)
      body(function(...)
        for _, line in ipairs { ... } do
          assert.equal(line, lines:get())
        end
      end)
      assert.equal(0, lines:qsize())
      group:cancel()
    end)
  end

  it("tells the lines that are there, and those that come", function()
    put("log", "one\ntwo\n")
    following(function(expect)
      expect("one", "two")
      put("log", "three\r\nfo", "ab")
      expect "three"
      put("log", "ur\n\n", "ab")
      expect("four", "")
    end)
  end)

  it("begins at the end if that is wanted", function()
    put("log", "old\n")
    following(function(expect)
      repeat tide.sleep(0.001) until tide.stats().handles >= 2
      tide.sleep(0.02)
      put("log", "new\n", "ab")
      expect "new"
    end, true)
  end)

  it("goes on after a rotation, and has the last lines of the old file", function()
    put("log", "one\n")
    following(function(expect)
      expect "one"
      put("log", "two\n", "ab")
      os.rename(path "log", path "log.1")
      put("log.1", "three\n", "ab")
      put("log", "four\n")
      expect("two", "three", "four")
      for i = 1, 5 do
        os.rename(path "log", path "log.1")
        put("log", i .. "\n")
        expect(tostring(i))
      end
    end)
  end)

  it("goes on after the file was cut", function()
    put("log", "one\ntwo\nthree\n")
    following(function(expect)
      expect("one", "two", "three")
      put("log", "1\n")
      expect "1"
      put("log", "")
      tide.sleep(0.02)
      put("log", "2\n")
      expect "2"
    end)
  end)

  it("waits for a file that is not there, and not there any more", function()
    following(function(expect)
      put("other", "x\n")
      put("log", "one\n")
      expect "one"
      os.remove(path "log")
      put("log", "two\n")
      expect "two"
    end)
  end)
end)

describe("the file server", function()
  local serving = example "serve".serving

  --- body(ask): ask(request) -> status, length, body.
  local function while_serving(body)
    local server = tide.check(net.listen("127.0.0.1", 0))
    local _, port = server:sockname()
    tide.group(function(group)
      group:task(server.serve, server, serving(path "root"))
      body(function(request)
        local conn = tide.check(net.connect("127.0.0.1", port))
        conn:write(request, " HTTP/1.0\r\nHost: here\r\n\r\n")
        local answer = tide.check(conn:read(-1))
        conn:close()
        local head, rest = answer:match "^(.-\r\n\r\n)(.*)$"
        return tonumber(head:match "^HTTP/1.0 (%d+)"),
          tonumber(head:match "Content%-Length: (%d+)"), rest, head
      end)
      server:close()
    end)
  end

  before_each(function()
    assert(os.execute(("mkdir -p %s %s"):format(path "root/sub", path "rootless")))
    put("secret", "secret")
    put("rootless/f", "secret")
    put("root/index.html", "<p>hello")
    put("root/sub/a b.txt", "spaces")
  end)

  it("sends files, and only the head of them for HEAD", function()
    while_serving(function(ask)
      local status, length, body, head = ask "GET /"
      assert.same({ 200, 8, "<p>hello" }, { status, length, body })
      assert.matches("text/html", head)
      status, length, body = ask "HEAD /index.html"
      assert.same({ 200, 8, "" }, { status, length, body })
      assert.equal("spaces", (select(3, ask "GET /sub/a%20b.txt?x=1")))
    end)
  end)

  it("says what is not there, and what it cannot do", function()
    while_serving(function(ask)
      assert.equal(404, (ask "GET /nothing"))
      assert.equal(404, (ask "GET /index.html/x"))
      assert.equal(404, (ask "GET /sub"))
      assert.equal(405, (ask "POST /"))
      assert.equal(400, (ask "GET index.html"))
      assert.equal(400, (ask "GET /a%00b"))
      assert.equal(400, (ask "hello"))
    end)
  end)

  it("gives nothing that is outside", function()
    assert.is_true(fs.symlink(path "secret", path "root/link"))
    assert.is_true(fs.symlink("index.html", path "root/inside"))
    while_serving(function(ask)
      for _, target in ipairs { "/../secret", "/sub/../../secret", "/%2e%2e/secret", "/..%2fsecret",
        "/link", "/..", "/../rootless/f" } do
        local status, _, body = ask("GET " .. target)
        assert.equal(403, status, target)
        assert.equal("Forbidden\n", body)
      end
      assert.equal("<p>hello", (select(3, ask "GET /inside")))
    end)
  end)

  it("sends large files to many at once", function()
    local text = ("0123456789abcdef"):rep(65536)
    put("root/large", text)
    while_serving(function(ask)
      tide.group(function(group)
        for _ = 1, 20 do
          group:task(function()
            local status, length, body = ask "GET /large"
            assert.equal(200, status)
            assert.equal(#text, length)
            assert.is_true(body == text)
          end)
        end
      end)
    end)
  end)
end)
