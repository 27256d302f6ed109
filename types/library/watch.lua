---@meta _

--- What `tide.fs.watch` makes.

---@class tide.fs
local fs = {}

---@class tide.fs.WatchOptions
---@field limit? integer so many names are kept; 1024 by default

---@alias tide.fs.Change
---| "change" # what is in it, its mode or its times
---| "rename" # it is there now, or no more, or another one is
---| "overflow" # some changes are not known
---| "removed" # nothing is at the path any more

---Watches a directory or a file. The other results are for `for`, which closes
---it on leaving, where Lua can. Since 0.1.0.
---@param path string
---@param options? tide.fs.WatchOptions
---@return tide.Watch? watch
---@return string? message
---@return string? code
---@return tide.Watch? watch
---@nodiscard
function fs.watch(path, options) end

---Changes of names. One task at a time waits: a second one raises. `__close`
---closes it. Since 0.1.0.
---@class tide.Watch
---@operator call: tide.fs.Change?
local Watch = {}

---Waits for the next change. Since 0.1.0.
---@async
---@return tide.fs.Change? kind
---@return string? name of what has changed, in the directory; or message
---@return string? code "ENOENT" after "removed", "ECANCELED" of a closed one, or another
function Watch:next() end

---Closes it; again is fine. Since 0.1.0.
function Watch:close() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function Watch:is_closing() end

---How many names have changed and were not asked for, and how many were dropped.
---Since 0.1.0.
---@nodiscard
---@return {pending: integer, dropped: integer}
function Watch:stats() end
