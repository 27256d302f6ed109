--- tide.fs: files and directories.

local core = require "tide.core"

core.own_chunk()

local fs = {
  stat = core.fs_stat,
  lstat = core.fs_lstat,
  readlink = core.fs_readlink,
  realpath = core.fs_realpath,
  rmdir = core.fs_rmdir,
  unlink = core.fs_unlink,
  mkdtemp = core.fs_mkdtemp,
  rename = core.fs_rename,
  link = core.fs_link,
  watch = core.watch,
}

return fs
