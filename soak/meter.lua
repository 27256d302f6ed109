--- What a soak measures: lateness, memory, and how it grows.

local M = {}

-- ---- lateness: counts in steps of a twentieth, so it takes as much room
-- after a day as after a second

local Histogram = {}
Histogram.__index = Histogram

local STEP = math.log(1.05)
local STEPS = 600

function M.histogram()
  local self = setmetatable({ count = 0 }, Histogram)
  for i = 0, STEPS do
    self[i] = 0
  end
  return self
end

function Histogram:add(seconds)
  local us = seconds * 1e6
  local step = us > 1 and math.min(math.floor(math.log(us) / STEP), STEPS) or 0
  self[step] = self[step] + 1
  self.count = self.count + 1
end

--- Microseconds that a part of all stays below.
function Histogram:quantile(part)
  local seen = 0
  for i = 0, STEPS do
    seen = seen + self[i]
    if seen >= self.count * part then
      return math.exp((i + 1) * STEP)
    end
  end
end

function Histogram:clear()
  for i = 0, STEPS do
    self[i] = 0
  end
  self.count = 0
end

-- ---- memory

local function resident()
  local file = io.open("/proc/self/status")
  if not file then
    return 0
  end
  local text = file:read("*a")
  file:close()
  return (tonumber(text:match("VmRSS:%s*(%d+)")) or 0) * 1024
end

--- In bytes. Garbage is collected first.
function M.memory(native)
  for _ = 1, 3 do
    collectgarbage()
  end
  return {
    lua = collectgarbage("count") * 1024,
    malloc = native.malloced(),
    rss = resident(),
    descriptors = native.descriptors(),
  }
end

--- The slope of the line that fits best: by how much `name` grows in a second.
function M.slope(samples, name)
  local n, t, y = #samples, 0, 0
  for _, sample in ipairs(samples) do
    t, y = t + sample.time / n, y + sample[name] / n
  end
  local above, below = 0, 0
  for _, sample in ipairs(samples) do
    above = above + (sample.time - t) * (sample[name] - y)
    below = below + (sample.time - t) ^ 2
  end
  return below > 0 and above / below or 0
end

return M
