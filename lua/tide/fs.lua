--- tide.fs: files and directories. What blocks is done by threads; see
-- runtime/fs.c.

local core = require "tide.core"

core.own_chunk()

require "tide.stream"

local misuse = core.misuse

local fs = {
  open = core.fs_open,

  stat = core.fs_stat,
  lstat = core.fs_lstat,
  access = core.fs_access,
  readlink = core.fs_readlink,
  realpath = core.fs_realpath,

  mkdir = core.fs_mkdir,
  rmdir = core.fs_rmdir,
  unlink = core.fs_unlink,
  remove = core.fs_remove,
  rename = core.fs_rename,
  copy = core.fs_copy,
  link = core.fs_link,
  symlink = core.fs_symlink,
  chmod = core.fs_chmod,
  utime = core.fs_utime,

  read_file = core.fs_read_file,
  write_file = core.fs_write_file,
  append_file = core.fs_append_file,

  tmpdir = core.fs_tmpdir,
}

-- ---- what changes

--- A Watch of a directory or file, which a `for` calls: kind, name. With what
-- closes it on leaving, where Lua can.
function fs.watch(path, options)
  local watch, message, code = core.fs_watch(path, options)
  if not watch then
    return nil, message, code
  end
  return watch, nil, nil, watch
end

-- ---- what a path is

local function is_type(path, caller, kind)
  if type(path) ~= "string" then
    misuse(("bad argument #1 to '%s' (path expected, got %s)"):format(caller, type(path)))
  end
  local found, message, code = fs.stat(path)
  if found then
    return kind == nil or found.type == kind
  elseif code == "ENOENT" or code == "ENOTDIR" then
    return false
  end
  return nil, message, code
end

--- Whether something is there; a link that leads nowhere is nothing.
function fs.exists(path)
  return is_type(path, "tide.fs.exists")
end

function fs.is_file(path)
  return is_type(path, "tide.fs.is_file", "file")
end

function fs.is_dir(path)
  return is_type(path, "tide.fs.is_dir", "directory")
end

-- ---- names of their own

local function check_template(template, name)
  if template ~= nil and type(template) ~= "string" then
    misuse(("bad argument #1 to '%s' (string expected, got %s)"):format(name, type(template)))
  end
  return template or fs.tmpdir() .. "/tide-XXXXXX"
end

--- Makes a directory that only its owner may use: its path. The template ends
-- in XXXXXX, which become letters that nothing else has there.
function fs.mkdtemp(template)
  return core.fs_mkdtemp(check_template(template, "tide.fs.mkdtemp"))
end

--- The same of a file.
function fs.mkstemp(template)
  return core.fs_mkstemp(check_template(template, "tide.fs.mkstemp"))
end

-- ---- what is in a directory

-- An iterator is an object that is called, so that it can be closed, and used
-- in a `while` on 5.1, where no `for` can wait.
local function new_class(name, methods)
  return { __index = methods, __name = name, __call = methods.next, __close = methods.close }
end

--- For `for`: with what closes it on leaving, where Lua can.
local function iterating(self)
  return self, nil, nil, self
end

local function check(self, mt, name)
  if getmetatable(self) ~= mt then
    local message = "calling '%s' on bad self (%s expected, got %s)"
    misuse(message:format(name, name:match "^%w+", type(self)))
  end
end

---@class tide.Scandir
---@field private dir userdata
---@field private names string[] those that were read
---@field private types string[]
---@field private at integer the last one that was given
---@field private count integer
local Scandir = {}
local Scandir_mt

local function raise(message, code)
  error(core.OSError { message = message, code = code }, 0)
end

--- Reads on: true; or false at the end; or nil, message, code.
local function refill(self)
  local names, types, count = self.dir:read()
  if names then
    self.names, self.types, self.count, self.at = names, types, count, 0
    return true
  end
  self.names, self.types, self.count, self.at = {}, {}, 0, 0
  if count then
    return nil, types, count
  end
  return false
end

local function next_entry(self)
  if self.at == self.count then
    local more, message, code = refill(self)
    if not more then
      return nil, message, code
    end
  end
  local at = self.at + 1
  self.at = at
  return self.names[at], self.types[at]
end

--- The next entry: its name and type; nil at the end.
function Scandir:next()
  check(self, Scandir_mt, "Scandir:next")
  local name, kind, code = next_entry(self)
  if code then
    raise(kind, code)
  end
  return name, kind
end

--- No more of it; again is fine.
function Scandir:close()
  check(self, Scandir_mt, "Scandir:close")
  self.dir:close()
  self.names, self.types, self.count, self.at = {}, {}, 0, 0
end

Scandir_mt = new_class("tide.Scandir", Scandir)

--- Or nil, message, code. One that was a directory a moment ago is `no_link`.
local function open_scandir(path, caller, no_link)
  local dir = core.fs_directory(path, caller, no_link)
  local self = setmetatable({ dir = dir, at = 0, count = 0 }, Scandir_mt)
  local more, message, code = refill(self)
  if more == nil then
    return nil, message, code
  end
  return self
end

--- `for name, type in fs.scandir(path) do`: in no order, without "." and "..".
-- Raises an OSError where it cannot be read.
function fs.scandir(path)
  local self, message, code = open_scandir(path, "tide.fs.scandir")
  if not self then
    raise(message, code)
  end
  return iterating(self)
end

---@class tide.Walk
---@field private pending string[] directories that are to be read
---@field private scan tide.Scandir? the one that is read now
---@field private prefix string what the paths of its entries begin with
---@field private last string? the entry that was given last, if it is pending
---@field private on_error function?
local Walk = {}
local Walk_mt

--- What it could not read: raised, or told. What went meanwhile is neither.
local function fail(self, path, message, code)
  if code == "ENOENT" then
    return
  elseif not self.on_error then
    raise(message, code)
  end
  self.on_error(path, message, code)
end

--- Cancelled, it is yet to come. Meanwhile it may have been closed, or another
-- task may have been faster.
local function enter(self)
  local pending = self.pending
  local path = pending[#pending]
  local scan, message, code = open_scandir(path, "Walk:next", true)
  if self.pending ~= pending or pending[#pending] ~= path then
    return scan and scan:close()
  end
  table.remove(pending)
  if not scan then
    return fail(self, path, message, code)
  end
  self.scan, self.prefix = scan, path:find "[/\\]$" and path or path .. "/"
end

--- The next entry: its path, its type, its name; nil at the end.
function Walk:next()
  check(self, Walk_mt, "Walk:next")
  self.last = nil
  while self.scan or #self.pending > 0 do
    if not self.scan then
      enter(self)
    else
      local name, kind, code = next_entry(self.scan)
      if code then
        self.scan = nil
        fail(self, self.prefix, kind, code)
      elseif not name then
        self.scan = nil
      else
        local path = self.prefix .. name
        if kind == "directory" then
          self.pending[#self.pending + 1], self.last = path, path
        end
        return path, kind, name
      end
    end
  end
end

--- Leaves out what is in the directory that was given last.
function Walk:skip()
  check(self, Walk_mt, "Walk:skip")
  if self.last then
    self.last = nil
    table.remove(self.pending)
  end
end

--- No more of it; again is fine.
function Walk:close()
  check(self, Walk_mt, "Walk:close")
  if self.scan then
    self.scan:close()
  end
  self.pending, self.scan, self.last = {}, nil, nil
end

Walk_mt = new_class("tide.Walk", Walk)

local function read_on_error(options)
  if options == nil then
    return nil
  elseif type(options) ~= "table" then
    misuse("bad argument #2 to 'tide.fs.walk' (table expected, got " .. type(options) .. ")")
  elseif options.on_error ~= nil and not core.is_callable(options.on_error) then
    misuse("bad option 'on_error' to 'tide.fs.walk' (function expected, got " ..
      type(options.on_error) .. ")")
  end
  return options.on_error
end

--- `for path, type, name in fs.walk(path[, options]) do`: all that is below it,
-- what is in a directory after all that is beside it. Links are not followed.
-- What cannot be read is raised; option on_error(path, message, code): is told.
function fs.walk(path, options)
  local on_error = read_on_error(options)
  local self = setmetatable({ pending = {}, on_error = on_error }, Walk_mt)
  local scan, message, code = open_scandir(path, "tide.fs.walk")
  if not scan then
    raise(message, code)
  end
  self.scan, self.prefix = scan, path:find "[/\\]$" and path or path .. "/"
  return iterating(self)
end

return fs
