-- A write of more pieces than go out at once is whole, or the stream's last one.
local tide = require "tide"
local testing = require "tide.testing"

local PIECES = 300 -- of a list; numbers among them are made strings on the way
local a, b, list, whole, got

local function write(stream)
  for _ = 1, 3 do
    local ok, _, code = stream:write(list)
    assert(ok or code == "ENOMEM", code)
  end
end

return {
  prepare = function()
    a, b = testing.stream_pair()
    list, got = {}, nil
    for i = 1, PIECES do
      list[i] = i % 50 == 0 and 1000000 + i or "<" .. i .. ">"
    end
    whole = table.concat(list)
  end,
  main = function()
    write(a)
  end,
  before = function()
    tide.run(function()
      local failed = not a:write("END")
      a:close()
      got = b:read(-1)
      b:close()
      local text = failed and got or got:sub(1, -4)
      for _ = 1, 3 do
        if text:sub(1, #whole) == whole then
          text = text:sub(#whole + 1)
        end
      end
      assert(text == "" or failed and text == whole:sub(1, #text), "a part of a write is lost")
    end)
  end,
}
