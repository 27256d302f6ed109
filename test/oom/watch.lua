-- What has changed is told, or that something was lost.
local tide = require "tide"
local fs = require "tide.fs"

local path, watch

local function touch(text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

local function wait_for_change(w)
  local kind = w:next()
  assert(kind == "change" or kind == "overflow" or kind == nil)
end

local function both(group, w)
  group:task(wait_for_change, w)
  group:task(touch, "x")
end

return {
  prepare = function()
    path = os.tmpname()
    watch = nil
  end,
  main = function()
    local _, code
    watch, _, code = fs.watch(path)
    if not watch then
      assert(code == "ENOMEM", code)
      return
    end
    tide.group(both, watch)
    touch "y"
    wait_for_change(watch)
    watch:stats()
    watch:close()
    assert(not watch:next())
    fs.watch(path) -- garbage
  end,
  before = function()
    if watch then watch:close() end
  end,
  after = function()
    os.remove(path)
  end,
}
