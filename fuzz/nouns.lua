--- What programs are made of, a file of nouns/ for each noun. Such a file is a
-- table with operations by their names, and apart from these
--
--   objects    by their names: `real(object)` and `model(m, object)` make one,
--              `real_state` and `model_state` tell what it is like at the end
--   on_start   called with each new model
--
-- An operation is a table with
--
--   make(g, op)             sets what it needs; see generate.lua
--   real(run, op)           does it, for its result; see play.lua
--   model(m, task, op, k)   says what comes of it; see model.lua
--   weight                  how often it comes
--   bounded                 it ends also where no cancel reaches it
--   misuses                 it may raise an error of misuse, which is always caught:
--                           of its text the model knows nothing
--   conditional             it is misuse but where the lock of a condition is held
--   plain                   false: it waits for the ends of tasks, or makes some

local M = {
  names = {
    "sleep", "task", "scope", "semaphore", "lock", "event", "barrier", "future", "queue", "gather",
    "group", "park",
  },
  operations = {},
  objects = {},
  starts = {},
  of = {}, -- names of operations, in their order, by noun
}

local NO_OPERATION = { objects = true, on_start = true }

for _, noun in ipairs(M.names) do
  local file, names = require("nouns." .. noun), {}
  for name, operation in pairs(file) do
    if not NO_OPERATION[name] then
      assert(M.operations[name] == nil, name)
      M.operations[name] = operation
      names[#names + 1] = name
    end
  end
  table.sort(names)
  M.of[noun] = names
  for name, object in pairs(file.objects or {}) do
    M.objects[name] = object
  end
  M.starts[#M.starts + 1] = file.on_start
end

return M
