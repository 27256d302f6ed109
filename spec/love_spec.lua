-- tide.love with a table that has what LÖVE's has, on every Lua; and the scene of
-- examples/love in LÖVE itself, which has LuaJIT.
local tide = require "tide"
local support = require "spec.support"

require("tide.busted").configure { task = false }

local module = require "tide.love"
local misuse, sleep = support.misuse, tide.sleep

describe("tide.love", function()
  local love, frame -- what LÖVE has; its next frame, true when it is over

  --- LÖVE's own love.run does this.
  local function run()
    if love.load then
      love.load()
    end
    return function()
      if love.quitting and not (love.quit and love.quit()) then
        return 0
      end
      love.quitting = nil
      if love.update then
        love.update(0.016)
      end
    end
  end

  --- Begins the game after its main.lua, and plays frames of it.
  local function play(frames)
    frame = frame or love.run()
    for _ = 1, frames do
      assert.is_nil(frame())
    end
  end

  before_each(function()
    love, frame = { run = run, timer = { sleep = function() end } }, nil
    rawset(_G, "love", love)
  end)
  after_each(function()
    module.detach()
    tide.loop():close()
    rawset(_G, "love", nil)
  end)

  --- A task that counts its frames.
  local function counter()
    local count = { frames = 0 }
    tide.task(function()
      while true do
        count.frames = count.frames + 1
        tide.next_tick()
      end
    end)
    return count
  end

  it("steps at the end of each love.update, whenever that is defined", function()
    local log = {}
    local function update(dt)
      log[#log + 1] = dt
    end
    for _, define in ipairs {
      function() love.update = update module.attach() end,
      function() module.attach() love.update = update end,
      function() love.load = function() love.update = update module.attach() end end,
      function() module.attach() love.load = function() love.update = update end end,
    } do
      love.load, love.update, love.run, frame, log = nil, nil, run, nil, {}
      define()
      play(0)
      tide.task(function()
        log[#log + 1] = "first"
        tide.next_tick()
        log[#log + 1] = "second"
      end)
      play(2)
      assert.same({ 0.016, "first", 0.016, "second" }, log)
      module.detach()
    end
  end)

  it("steps where there is no love.update", function()
    module.attach()
    local count = counter()
    play(3)
    assert.equal(3, count.frames)
  end)

  it("steps once a frame, also where love.update is wrapped or exchanged", function()
    module.attach()
    local count, calls = counter(), 0
    local function update() calls = calls + 1 end
    love.update = update
    play(2)
    local ours = love.update
    love.update = function(dt) ours(dt) end
    play(2)
    assert.equal(4, count.frames)
    assert.equal(4, calls)
    for _ = 1, 3 do
      love.update = update
      play(1)
      love.update = ours
      play(1)
    end
    assert.equal(10, count.frames)
    assert.equal(10, calls)
  end)

  it("goes on in a frame until nothing is ready or the budget is spent", function()
    module.attach { budget = 0 }
    local turns = 0
    local task = tide.task(function()
      for _ = 1, 3 do
        turns = turns + 1
        sleep(0)
      end
    end)
    play(1)
    assert.equal(1, turns)
    module.detach()
    module.attach { budget = 3600 }
    play(1)
    assert.is_true(task:done())
  end)

  it("does not wait outside of tasks", function()
    module.attach()
    misuse("'tide.sleep' cannot wait in the main program", function() sleep(0) end)
    module.detach()
    sleep(0)
  end)

  it("cancels what is left when the game ends, and lets it clean up", function()
    module.attach()
    local log = {}
    tide.task(function()
      tide.finally(sleep, function()
        sleep(0)
        log[#log + 1] = "cleaned up"
        tide.task(sleep, 3600)
      end, 3600)
    end)
    local loop = tide.loop()
    play(1)
    love.quitting = true
    assert.equal(0, frame())
    assert.same({ "cleaned up" }, log)
    assert.is_true(loop:is_closed())
  end)

  it("gives up what does not end", function()
    module.attach()
    local now, real = 0, tide.loop().time
    tide.task(function() tide.shield(sleep, 3600) end)
    play(1)
    require("tide.core").Loop.time = function()
      now = now + 0.1
      return now
    end
    love.quitting = true
    local ended = frame()
    require("tide.core").Loop.time = real
    assert.equal(0, ended)
  end)

  it("ends nothing where love.quit refuses, which is still asked", function()
    module.attach()
    local refuse = true
    love.quit = function() return refuse end
    local count = counter()
    play(1)
    love.quitting = true
    play(1)
    assert.equal(2, count.frames)
    refuse, love.quitting = false, true
    assert.equal(0, frame())
  end)

  it("attached again stays as it is", function()
    module.attach()
    local update, love_run = love.update, love.run
    module.attach { budget = 1 }
    assert.equal(update, love.update)
    assert.equal(love_run, love.run)
  end)

  it("detached, or its loop closed, it steps no more", function()
    module.attach()
    local count = counter()
    play(1)
    module.detach()
    play(2)
    assert.equal(1, count.frames)
    module.attach()
    play(1)
    assert.equal(2, count.frames)
    tide.loop():close()
    play(1)
    love.quitting = true
    assert.equal(0, frame())
  end)

  it("refuses what is no option, at the caller's line", function()
    local why = "bad argument #1 to 'love.attach' "
    misuse(why .. "%(table expected, got number%)", function() module.attach(1) end)
    misuse(why .. "%(unknown option 'uv'%)", function() module.attach { uv = 1 } end)
    misuse(why .. "%(budget: seconds expected%)", function() module.attach { budget = -1 } end)
    rawset(_G, "love", nil)
    misuse("'love.attach': there is no LÖVE here", function() module.attach() end)
  end)
end)

if not jit then
  return
end

describe("the scene of examples/love", function()
  local pipe = io.popen "for p in love xvfb-run xauth timeout; do command -v $p; done"
  local _, found = pipe:read("*a"):gsub("\n", "")
  pipe:close()
  if found < 4 then
    pending("is not played: there is no love, xvfb-run or xauth")
    return
  end

  it("moves its walkers, lets a key skip the cut-scene, and ends", function()
    local run = assert(io.popen("TIDE_PLAY=1 SDL_AUDIODRIVER=dummy timeout -k 1 60 " ..
      "xvfb-run -a love examples/love </dev/null 2>&1; echo \"exit $?\""))
    local output = run:read "*a"
    run:close()
    assert.equal([[
walker 1 has moved: true
walker 2 has moved: true
walker 3 has moved: true
the cut-scene was skipped: true
its bars are gone: true
exit 0
]], output)
  end)
end)
