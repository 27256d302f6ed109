--- The rows of a library of Lua's that has no tasks of its own: what a user of
-- it would write with a thread that is started, `pause` and `await`.

local function nothing() end

--- Returns a table with these rows, and what awaits a list of threads.
return function(spawn, pause, await)
  local rows = {}

  local function await_all(tasks)
    for i = 1, #tasks do
      await(tasks[i])
    end
  end

  function rows.switch(n, width)
    local function spin()
      for _ = 1, n / width do
        pause()
      end
    end
    local tasks = {}
    for i = 1, width do
      tasks[i] = spawn(spin)
    end
    pause()
    return function() await_all(tasks) end
  end

  function rows.spawn(n)
    return function()
      for _ = 1, n do
        await(spawn(nothing))
      end
    end
  end

  function rows.spawn_all(n)
    return function()
      local tasks = {}
      for i = 1, n do
        tasks[i] = spawn(nothing)
      end
      await_all(tasks)
    end
  end

  function rows.gather(n)
    local functions = {}
    for i = 1, n do
      functions[i] = function() return i end
    end
    return function()
      local tasks, results = {}, {}
      for i = 1, n do
        tasks[i] = spawn(functions[i])
      end
      for i = 1, n do
        results[i] = await(tasks[i])
      end
      assert(results[n] == n)
    end
  end

  return rows, await_all
end
