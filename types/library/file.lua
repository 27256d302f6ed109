---@meta _

--- What `tide.fs.open` makes.

---@class tide.fs
local fs = {}

---@class tide.fs.OpenOptions
---@field mode? tide.fs.Mode of a new file
---@field limit? integer of lines; 65536 by default

---@alias tide.fs.OpenMode
---| "r" # reads
---| "w" # writes, and cuts what is there
---| "a" # writes to the end
---| "r+" # both; it has to be there
---| "w+" # both, and cuts what is there
---| "a+" # both
---| "wx" # writes; it must not be there
---| "w+x" # both; it must not be there
---| string

---Opens a file. Since 0.1.0.
---@async
---@param path string
---@param mode? tide.fs.OpenMode
---@param options? tide.fs.OpenOptions
---@return tide.File? file
---@return string? message
---@return string? code
---@nodiscard
function fs.open(path, mode, options) end

---An open file. One task at a time reads: a second one raises. `__close` closes
---it. Since 0.1.0.
---@class tide.File
local File = {}

---Up to `n` bytes, or all that are there, as soon as there are any. -1: all to
---the end, "" if that is nothing. Since 0.1.0.
---@async
---@param n? integer
---@return string? data
---@return string? message
---@return string? code "EOF" at the end, "ECANCELED" of a closed one, or another
---@return string? part after an error of read(-1): what came before
function File:read(n) end

---`n` bytes. Since 0.1.0.
---@async
---@param n integer
---@return string? data
---@return string? message
---@return string? code "EOF" if it ended before, or another
---@return string? part what came before the end
function File:readexactly(n) end

---All up to a separator, with it; of several the one that ends first. Since
---0.1.0.
---@async
---@param separators string|string[]
---@param limit? integer of what comes before it; else the file's
---@return string? data
---@return string? message
---@return string? code "EOF", "EMSGSIZE" over the limit: all is still there
---@return string? part what came before the end
function File:readuntil(separators, limit) end

---A line, without its end. One over the limit is dropped. Since 0.1.0.
---@async
---@param options? tide.Stream.LineOptions
---@return string? line
---@return string? message
---@return string? code "EOF" at the end, "EMSGSIZE" over the limit, or another
---@return string? part after an error: what came before
function File:readline(options) end

---An iterator over what `readline` returns, up to the end. It raises OSError
---for what goes wrong before. On PUC Lua 5.1 no `for` can wait: call it in a
---`while` loop there. Since 0.1.0.
---@param options? tide.Stream.LineOptions
---@return async fun(): string?
---@nodiscard
function File:lines(options) end

---Writes all of it, at the position: the system has it when this returns. Since
---0.1.0.
---@async
---@param ... tide.fs.Data
---@return true? ok
---@return string? message
---@return string? code
---@return integer? written so many bytes, before the error
function File:write(...) end

---The position, after it was moved. Since 0.1.0.
---@async
---@param whence? "set"|"cur"|"end"
---@param offset? integer
---@return integer? position
---@return string? message
---@return string? code
function File:seek(whence, offset) end

---Cuts the file, or fills it with zeros; without a size to the position. Since
---0.1.0.
---@async
---@param size? integer
---@return true? ok
---@return string? message
---@return string? code
function File:truncate(size) end

---What there is of `n` bytes at that place; the position stays. Since 0.1.0.
---@async
---@param n integer
---@param offset integer
---@return string? data
---@return string? message
---@return string? code "EOF" if there is nothing
function File:pread(n, offset) end

---Writes at that place; the position stays. Since 0.1.0.
---@async
---@param data tide.fs.Data
---@param offset integer
---@return true? ok
---@return string? message
---@return string? code
---@return integer? written so many bytes, before the error
function File:pwrite(data, offset) end

---Waits until what was written is on the disk. Since 0.1.0.
---@async
---@return true? ok
---@return string? message
---@return string? code
function File:sync() end

---The same, but for times and the like. Since 0.1.0.
---@async
---@return true? ok
---@return string? message
---@return string? code
function File:datasync() end

---Since 0.1.0.
---@async
---@return tide.fs.Stat? stat
---@return string? message
---@return string? code
function File:stat() end

---Closes it, after what was begun before; never raises a cancel. Again is fine.
---Since 0.1.0.
---@async
---@return true? ok
---@return string? message
---@return string? code
function File:close() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function File:is_closing() end

---Its descriptor, which stays its own. Since 0.1.0.
---@nodiscard
---@return integer? fd
---@return string? message
---@return string? code
function File:fileno() end
