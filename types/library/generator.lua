---@meta _

--- What `tide.generator` makes.

---Calling it gives the next values, nil for ever after the end. `__close` closes
---it. Since 0.1.0.
---@class tide.Generator
---@overload async fun(): ...
local Generator = {}

---Ends it: its yield raises CancelledError, whose end it waits for. Raises what
---`fn` raises instead, and a string if that yields again, or runs. Since 0.1.0.
---@async
function Generator:close() end
