---@meta tide.with

--- What `tide.with` and `tide.from_callback` take.

---Has a method `with`, or `__close` or a method `close`. Since 0.1.0.
---@class tide.Resource

---@class tide.CallbackOptions
---@field error? "first"|"nil"|"none" how the callback is told of an error
---@field abort? fun(...): boolean? stops what was started; false: it cannot be
