-- A pipeline: each stage is a group of tasks between two queues. A stage that is
-- through shuts the queue behind it down; an error anywhere ends them all.
local tide = require "tide"

local function stage(workers, input, output, work)
  tide.group(function(group)
    for _ = 1, workers do
      group:task(function()
        local item = input:get()
        while item ~= nil do
          output:put(work(item))
          item = input:get()
        end
      end)
    end
  end)
  output:shutdown()
end

local function run(numbers, square)
  local read, squared, shown = tide.queue(2), tide.queue(2), tide.queue()
  tide.group(function(group)
    group:task(function()
      for _, n in ipairs(numbers) do
        read:put(n)
      end
      read:shutdown()
    end)
    group:task(stage, 3, read, squared, square)
    group:task(stage, 1, squared, shown, function(n) return "<" .. n .. ">" end)
  end)
  local texts = {}
  for i = 1, shown:qsize() do
    texts[i] = shown:get()
  end
  return table.concat(texts, " ")
end

tide.run(function()
  print(run({ 1, 2, 3, 4, 5, 6 }, function(n)
    tide.sleep(0.001 * n)
    return n * n
  end))
  print(tide.pcall(run, { 1, 2, 3 }, function(n)
    tide.sleep(0.001)
    error("cannot square " .. n, 0)
  end))
end)
