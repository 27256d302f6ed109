---@meta tide.busted

--- busted's `it` and hooks as tasks: `helper = "tide.busted"`, or
--- `require "tide.busted"` in a spec file.
---@class tide.busted
local busted = {}

---@class tide.busted.Options
---@field clock? "virtual"|"real" real is the default
---@field seed? integer shuffles the order of ready tasks, reproducibly
---@field timeout? number seconds that each function may take
---@field task? boolean false: plain functions in the main program

---`fn` as a function for `it` or a hook that runs as a task, also where others
---do not. Since 0.1.0.
---@param options tide.busted.Options
---@param fn tide.Callable
---@return function
---@overload fun(fn: tide.Callable): function
function busted.async(options, fn) end

---Options of all tests and hooks from here on; in a spec file, of that file's.
---Since 0.1.0.
---@param options tide.busted.Options
function busted.configure(options) end

return busted
