---@meta tide.fs

--- Files and directories: `require "tide.fs"`.
---@class tide.fs
local fs = {}

---@alias tide.fs.Type "file"|"directory"|"link"|"fifo"|"socket"|"char"|"block"|"unknown"
---@alias tide.fs.Mode integer|string a number, or octal digits: "644"
---@alias tide.fs.Data string|number|(string|number)[]

---@class tide.fs.Stat
---@field type tide.fs.Type
---@field size integer in bytes
---@field mode integer who may do what, the lower 12 bits
---@field uid integer
---@field gid integer
---@field ino integer
---@field dev integer
---@field rdev integer
---@field nlink integer
---@field blksize integer
---@field blocks integer
---@field atime number seconds since 1970
---@field mtime number
---@field ctime number
---@field birthtime number

---@class tide.fs.WriteOptions
---@field atomic? boolean beside it first, then in its place
---@field mode? tide.fs.Mode of a new file

---@class tide.fs.AppendOptions
---@field mode? tide.fs.Mode of a new file

---@class tide.fs.MkdirOptions
---@field parents? boolean those above it, too; it may be there
---@field mode? tide.fs.Mode

---@class tide.fs.RemoveOptions
---@field recursive? boolean a directory with all that is in it

---@class tide.fs.CopyOptions
---@field exclusive? boolean nothing may be there

---@class tide.fs.SymlinkOptions
---@field directory? boolean on Windows: of a directory

---@class tide.fs.WalkOptions
---@field on_error? fun(path: string, message: string, code: string) told what cannot be read

---@class tide.Scandir
---@operator call: string?
local Scandir = {}

---The next name and its type; nil at the end. Since 0.1.0.
---@async
---@return string? name
---@return tide.fs.Type? type
function Scandir:next() end

---There is no more to come. Since 0.1.0.
function Scandir:close() end

---@class tide.Walk
---@operator call: string?
local Walk = {}

---The next path, its type and last part; nil at the end. Since 0.1.0.
---@async
---@return string? path
---@return tide.fs.Type? type
---@return string? name
function Walk:next() end

---Leaves out what is in the directory that came last. Since 0.1.0.
function Walk:skip() end

---There is no more to come. Since 0.1.0.
function Walk:close() end

---All of a file; or nil, message, code. Since 0.1.0.
---@async
---@param path string
---@return string? data
---@return string? message
---@return string? code
function fs.read_file(path) end

---In place of what was there. Since 0.1.0.
---@async
---@param path string
---@param data tide.fs.Data
---@param options? tide.fs.WriteOptions
---@return true? done
---@return string? message
---@return string? code
function fs.write_file(path, data, options) end

---After what is there. Since 0.1.0.
---@async
---@param path string
---@param data tide.fs.Data
---@param options? tide.fs.AppendOptions
---@return true? done
---@return string? message
---@return string? code
function fs.append_file(path, data, options) end

---What a path leads to. Since 0.1.0.
---@async
---@param path string
---@return tide.fs.Stat? stat
---@return string? message
---@return string? code
function fs.stat(path) end

---The same of a link itself. Since 0.1.0.
---@async
---@param path string
---@return tide.fs.Stat? stat
---@return string? message
---@return string? code
function fs.lstat(path) end

---Whether there is something. Since 0.1.0.
---@async
---@param path string
---@return boolean? exists
---@return string? message
---@return string? code
function fs.exists(path) end

---Whether it leads to a file. Since 0.1.0.
---@async
---@param path string
---@return boolean? is_file
---@return string? message
---@return string? code
function fs.is_file(path) end

---Whether it leads to a directory. Since 0.1.0.
---@async
---@param path string
---@return boolean? is_dir
---@return string? message
---@return string? code
function fs.is_dir(path) end

---Whether this process may use it so. Since 0.1.0.
---@async
---@param path string
---@param letters? string of "rwx"
---@return true? allowed
---@return string? message
---@return string? code
function fs.access(path, letters) end

---Where a path leads, without links. Since 0.1.0.
---@async
---@param path string
---@return string? real
---@return string? message
---@return string? code
function fs.realpath(path) end

---What a link says. Since 0.1.0.
---@async
---@param path string
---@return string? target
---@return string? message
---@return string? code
function fs.readlink(path) end

---Where temporary files go. Since 0.1.0.
---@return string path
function fs.tmpdir() end

---Another name, in place of a file that is there. Since 0.1.0.
---@async
---@param path string
---@param to string
---@return true? done
---@return string? message
---@return string? code
function fs.rename(path, to) end

---Contents and mode. Since 0.1.0.
---@async
---@param path string
---@param to string
---@param options? tide.fs.CopyOptions
---@return true? done
---@return string? message
---@return string? code
function fs.copy(path, to, options) end

---Another name of the same file. Since 0.1.0.
---@async
---@param path string
---@param to string
---@return true? done
---@return string? message
---@return string? code
function fs.link(path, to) end

---A link at `path` that says `target`. Since 0.1.0.
---@async
---@param target string
---@param path string
---@param options? tide.fs.SymlinkOptions
---@return true? done
---@return string? message
---@return string? code
function fs.symlink(target, path, options) end

---Removes a file, or a link. Since 0.1.0.
---@async
---@param path string
---@return true? done
---@return string? message
---@return string? code
function fs.unlink(path) end

---Removes a file, a link, or a directory. Since 0.1.0.
---@async
---@param path string
---@param options? tide.fs.RemoveOptions
---@return true? done
---@return string? message
---@return string? code
function fs.remove(path, options) end

---Who may do what. Since 0.1.0.
---@async
---@param path string
---@param mode tide.fs.Mode
---@return true? done
---@return string? message
---@return string? code
function fs.chmod(path, mode) end

---When it was read and written; now, if left out. Since 0.1.0.
---@async
---@param path string
---@param atime? number seconds since 1970
---@param mtime? number as atime, if left out
---@return true? done
---@return string? message
---@return string? code
function fs.utime(path, atime, mtime) end

---Makes a directory of a name of its own. Since 0.1.0.
---@async
---@param template? string ends in XXXXXX
---@return string? path
---@return string? message
---@return string? code
function fs.mkdtemp(template) end

---Makes an empty file of a name of its own. Since 0.1.0.
---@async
---@param template? string ends in XXXXXX
---@return string? path
---@return string? message
---@return string? code
function fs.mkstemp(template) end

---Makes a directory. Since 0.1.0.
---@async
---@param path string
---@param options? tide.fs.MkdirOptions
---@return true? done
---@return string? message
---@return string? code
function fs.mkdir(path, options) end

---Removes an empty directory. Since 0.1.0.
---@async
---@param path string
---@return true? done
---@return string? message
---@return string? code
function fs.rmdir(path) end

---For `for name, type in`: what is in a directory. Since 0.1.0.
---@async
---@param path string
---@return tide.Scandir
function fs.scandir(path) end

---For `for path, type, name in`: all that is below it. Since 0.1.0.
---@async
---@param path string
---@param options? tide.fs.WalkOptions
---@return tide.Walk
function fs.walk(path, options) end

return fs
