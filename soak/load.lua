--- What the files of nouns/ are given: each returns a function that is called
-- once with the load, makes what it needs, and says
--
--   load:worker(fn[, n])   in each round n tasks (4) call fn() again and again.
--                          It may be cancelled in any await; it may raise
--                          load.oops. It should take some milliseconds at most.
--   load:resident(fn)      a task for the whole soak
--   load:at_end(fn)        fn() ends what lasts, a resident say
--   load:check(fn)         when the load is at rest: fn returns what is wrong
--   load:nap([seconds])    a sleep of up to so long (0.01), whose lateness counts
--   load:unseen()          a task that fails with oops, which nobody awaits
--   load.chance(n)         true once in n times

local tide = require "tide"

local PATIENCE = 10 -- seconds in which a round has to come to rest

local Load = {}
Load.__index = Load

function Load.chance(n)
  return math.random(n) == 1
end

function Load.new()
  local self = setmetatable({}, Load)
  self.oops = setmetatable({}, { __tostring = function() return "oops" end })
  self.noun = nil -- whose file runs
  self.workers = {}
  self.residents = {}
  self.ends = {}
  self.checks = {}
  self.victims = {}
  self.calls = {} -- so far, by noun
  self.cancels, self.errors = 0, 0
  self.expected, self.reported = 0, 0
  self.early = 0
  self.wrong = {} -- by what it is about: the first time
  self.late = function() end
  return self
end

function Load:complain(about, what)
  self.wrong[about] = self.wrong[about] or tostring(what)
end

function Load:worker(fn, n)
  self.calls[self.noun] = 0
  for _ = 1, n or 4 do
    self.workers[#self.workers + 1] = { fn = fn, noun = self.noun }
  end
end

function Load:resident(fn)
  self.residents[#self.residents + 1] = tide.task(fn)
end

function Load:at_end(fn)
  self.ends[#self.ends + 1] = fn
end

function Load:check(fn)
  self.checks[#self.checks + 1] = { fn = fn, noun = self.noun }
end

function Load:nap(seconds)
  local loop, length = tide.loop(), math.random() * (seconds or 0.01)
  local due = loop:time() + length
  tide.sleep(length)
  local late = loop:time() - due
  if late < -1e-9 then
    self.early = self.early + 1
  end
  self.late(late)
end

function Load:unseen()
  self.expected = self.expected + 1
  tide.task(error, self.oops)
end

--- The exception handler.
function Load:report(report)
  if report.error == self.oops then
    self.reported = self.reported + 1
  else
    self:complain("reports", ("%s: %s"):format(report.message, tostring(report.error)))
  end
end

-- ---- a round

local function work(self, worker, place)
  local function body(scope)
    self.victims[place] = scope
    worker.fn()
  end
  while not self.over do
    local ok, err = tide.pcall(tide.scope, body)
    self.victims[place] = false
    self.calls[worker.noun] = self.calls[worker.noun] + 1
    if err == self.oops then
      self.errors = self.errors + 1
    elseif not ok then
      self:complain(worker.noun, err)
    end
  end
end

local function cancel(self)
  while not self.over do
    self:nap(0.002)
    local scope = self.victims[math.random(#self.workers)]
    if scope then
      self.cancels = self.cancels + 1
      scope:cancel("by chance")
    end
  end
end

local function names_left()
  local names = {}
  for i, task in ipairs(tide.all_tasks()) do
    names[i] = tostring(task)
  end
  return table.concat(names, " ")
end

--- For so many seconds; returns how long it took.
function Load:round(seconds)
  local loop = tide.loop()
  local start = loop:time()
  local watch = loop:call_later(seconds + PATIENCE, function()
    self:complain("rounds", "one did not end: " .. names_left())
  end)
  self.over = false
  local ended = tide.move_on_after(seconds + 2 * PATIENCE, tide.group, function(g)
    for place, worker in ipairs(self.workers) do
      self.victims[place] = false
      g:task(work, self, worker, place):set_name(worker.noun)
    end
    g:task(cancel, self)
    tide.sleep(seconds)
    self.over = true
  end)
  watch:cancel()
  if not ended then
    self:complain("rounds", "one had to be cancelled")
  end
  return loop:time() - start
end

-- ---- at rest

local COUNTS = { "tasks", "ready", "sleeping", "timers", "wakers", "handles" }

--- What is there when nothing is under way.
function Load:counts()
  local stats, counts = tide.stats(), {}
  for _, name in ipairs(COUNTS) do
    counts[name] = stats[name]
  end
  return counts
end

local function wrong(self, usual)
  local counts = self:counts()
  for _, name in ipairs(COUNTS) do
    if counts[name] ~= usual[name] then
      return "left", ("%d %s, not %d: %s"):format(counts[name], name, usual[name], names_left())
    end
  end
  if self.reported ~= self.expected then
    return "reports", ("%d of %d came"):format(self.reported, self.expected)
  end
  for _, check in ipairs(self.checks) do
    local what = check.fn()
    if what then
      return check.noun, what
    end
  end
end

--- What is still on its way, a post or a report, may come.
function Load:rest(usual)
  local loop = tide.loop()
  local last = loop:time() + PATIENCE
  while true do
    for _ = 1, 3 do
      collectgarbage()
      tide.sleep(0)
    end
    local about, what = wrong(self, usual)
    if not about then
      return
    elseif loop:time() > last then
      self:complain(about, what)
      self.reported = self.expected -- not once more for the same
      return
    end
    tide.sleep(0.001)
  end
end

function Load:stop()
  for _, fn in ipairs(self.ends) do
    fn()
  end
  for _, task in ipairs(self.residents) do
    task:await()
  end
end

return Load
