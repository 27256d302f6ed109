---@meta _

--- What `tide.net` and `tide.testing.stream_pair` make.

---Bytes that come and go. One task at a time reads: a second one raises.
---`__close` closes it. Since 0.1.0.
---@class tide.Stream
local Stream = {}

---@class tide.Stream.LineOptions
---@field limit? integer of this line; else the stream's
---@field keep? boolean the line ends are left on

---@class tide.Stream.Stats
---@field bytes_read integer
---@field bytes_written integer
---@field unread integer
---@field unsent integer

---Up to `n` bytes, or all that are there, as soon as there are any. -1: all to
---the end, "" if that is nothing. Since 0.1.0.
---@async
---@param n? integer
---@return string? data
---@return string? message
---@return string? code "EOF" at the end, "ECANCELED" of a closed one, or another
---@return string? part after an error of read(-1): what came before
function Stream:read(n) end

---`n` bytes. Since 0.1.0.
---@async
---@param n integer
---@return string? data
---@return string? message
---@return string? code "EOF" if it ended before, or another
---@return string? part what came before the end
function Stream:readexactly(n) end

---All up to a separator, with it; of several the one that ends first. Since
---0.1.0.
---@async
---@param separators string|string[]
---@param limit? integer of what comes before it; else the stream's
---@return string? data
---@return string? message
---@return string? code "EOF", "EMSGSIZE" over the limit: all is still there
---@return string? part what came before the end
function Stream:readuntil(separators, limit) end

---A line, without its end. One over the limit is dropped. Since 0.1.0.
---@async
---@param options? tide.Stream.LineOptions
---@return string? line
---@return string? message
---@return string? code "EOF" at the end, "EMSGSIZE" over the limit, or another
---@return string? part after an error: what came before
function Stream:readline(options) end

---An iterator over what `readline` returns, up to the end. It raises OSError
---for what goes wrong before. On PUC Lua 5.1 no `for` can wait: call it in a
---`while` loop there. Since 0.1.0.
---@param options? tide.Stream.LineOptions
---@return async fun(): string?
---@nodiscard
function Stream:lines(options) end

---Writes all of it; waits while more than the high-water mark is unsent. A cancel
---ends that wait, not the sending. Since 0.1.0.
---@async
---@param ... string|number|(string|number)[]
---@return true? ok
---@return string? message
---@return string? code "EPIPE" after a shutdown, "ECANCELED" of a closed one, or another
function Stream:write(...) end

---Waits until nothing is unsent. Since 0.1.0.
---@async
---@return true? ok
---@return string? message
---@return string? code
function Stream:drain() end

---Nothing more will be written; waits until all is sent. Since 0.1.0.
---@async
---@return true? ok
---@return string? message
---@return string? code
function Stream:shutdown() end

---Closes it at once: what is unsent is dropped. Again is fine. Since 0.1.0.
function Stream:close() end

---Whether it was closed. Since 0.1.0.
---@nodiscard
---@return boolean
function Stream:is_closing() end

---The address of this side: host and port, or the path of a Unix socket. Since
---0.1.0.
---@nodiscard
---@return string? host or path
---@return integer|string|nil port or message
---@return string? code
function Stream:sockname() end

---The address of the other side. Since 0.1.0.
---@nodiscard
---@return string? host or path
---@return integer|string|nil port or message
---@return string? code
function Stream:peername() end

---Its descriptor, which stays its own. Since 0.1.0.
---@nodiscard
---@return integer? fd
---@return string? message
---@return string? code
function Stream:fileno() end

---Whether it is a terminal. Since 0.1.0.
---@nodiscard
---@return boolean
function Stream:is_terminal() end

---@class tide.Stream.RawOptions
---@field interrupt? boolean Ctrl-C stays a signal

---Whether the terminal gives each key as it is pressed, unseen. What it was is put
---back at the end. Since 0.1.0.
---@param on boolean
---@param options? tide.Stream.RawOptions
---@return true? ok
---@return string? message
---@return string? code "ENOTTY" of what is no terminal
function Stream:set_raw(on, options) end

---How large the terminal is. Since 0.1.0.
---@nodiscard
---@return integer? columns
---@return integer|string rows or message
---@return string? code "ENOTTY" of what is no terminal
function Stream:window_size() end

---How much has gone through it, and is there. Since 0.1.0.
---@nodiscard
---@return tide.Stream.Stats
function Stream:stats() end
