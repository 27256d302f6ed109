---@meta _

--- What `tide.from_callback` takes.

---Since 0.1.0.
---@class tide.CallbackOptions
---@field error? "first"|"nil"|"none" how the callback is told of an error
---@field abort? fun(...): boolean? stops what was started; false: it cannot be
