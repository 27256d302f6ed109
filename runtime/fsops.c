/*
 * fsops.c: operations on paths that are one call of the system, or few; each in
 * a thread.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "internal.h"

/* ---- what is there ---- */

static int64_t run_stat(tideR_fs *op) {
  uv_fs_t request;
  int64_t err = uv_fs_stat(NULL, &request, op->path, NULL);
  op->stat = request.statbuf;
  uv_fs_req_cleanup(&request);
  return err;
}

static int64_t run_lstat(tideR_fs *op) {
  uv_fs_t request;
  int64_t err = uv_fs_lstat(NULL, &request, op->path, NULL);
  op->stat = request.statbuf;
  uv_fs_req_cleanup(&request);
  return err;
}

static int64_t run_access(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_access, op->path, op->mode);
  return err;
}

static char *copy_text(const char *text) {
  size_t size = strlen(text) + 1;
  char *copy = malloc(size);
  return copy != NULL ? memcpy(copy, text, size) : NULL;
}

static int64_t tell_text(tideR_fs *op, char *text) {
  op->bytes = text;
  if (text == NULL)
    return UV_ENOMEM;
  op->length = strlen(text);
  op->size = op->length + 1;
  return 0;
}

static int64_t run_readlink(tideR_fs *op) {
  uv_fs_t request;
  int64_t err = uv_fs_readlink(NULL, &request, op->path, NULL);
  if (err == 0)
    err = tell_text(op, copy_text(request.ptr));
  uv_fs_req_cleanup(&request);
  return err;
}

int64_t tideR__fs_open_file(const char *path, int flags, int mode) {
  int64_t fd;
  do
    TIDE_FS_CALL(fd, uv_fs_open, path, flags, mode);
  while (fd == UV_EINTR);
  return fd;
}

int64_t tideR__fs_stat_file(int fd, uv_stat_t *out) {
  uv_fs_t request;
  int64_t err = uv_fs_fstat(NULL, &request, fd, NULL);
  *out = request.statbuf;
  uv_fs_req_cleanup(&request);
  return err;
}

bool tideR__fs_is_kind(const uv_stat_t *stat, unsigned kind) {
  return (stat->st_mode & S_IFMT) == kind;
}

/* libuv's (to 1.51) frees what the C library allocated by the host's allocator.
 */
int tideR__fs_resolve(const char *path, char **out) {
#ifdef _WIN32
  uv_fs_t request;
  int err = uv_fs_realpath(NULL, &request, path, NULL);
  *out = err == 0 ? copy_text(request.ptr) : NULL;
  uv_fs_req_cleanup(&request);
  if (err < 0)
    return err;
#else
  char found[PATH_MAX];
  *out = NULL;
  if (realpath(path, found) == NULL)
    return uv_translate_sys_error(errno);
  *out = copy_text(found);
#endif
  return *out != NULL ? 0 : UV_ENOMEM;
}

static int64_t run_realpath(tideR_fs *op) {
  char *found;
  int64_t err = tideR__fs_resolve(op->path, &found);
  return err < 0 ? err : tell_text(op, found);
}

/* ---- names come and go ---- */

static int64_t run_rmdir(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_rmdir, op->path);
  return err;
}

static int64_t run_unlink(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_unlink, op->path);
  return err;
}

static int64_t run_rename(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_rename, op->path, op->to);
  return err;
}

static int64_t run_link(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_link, op->path, op->to);
  return err;
}

static int64_t run_symlink(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_symlink, op->path, op->to, op->flags);
  return err;
}

/* ---- directories ---- */

static bool is_directory(const char *path) {
  uv_fs_t request;
  int err = uv_fs_stat(NULL, &request, path, NULL);
  bool is = err == 0 && (request.statbuf.st_mode & S_IFMT) == S_IFDIR;
  uv_fs_req_cleanup(&request);
  return is;
}

static int64_t make(const char *path, int mode) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_mkdir, path, mode);
  return err;
}

static bool is_separator(char c) {
#ifdef _WIN32
  return c == '/' || c == '\\';
#else
  return c == '/';
#endif
}

/* One that is made by another meanwhile will do, too. */
static int64_t make_if_none(const char *path, int mode) {
  int64_t err = make(path, mode);
  return err < 0 && err != UV_ENOENT && is_directory(path) ? 0 : err;
}

/* Those before it are made as everybody's mkdir does, whatever mode it has. */
static int64_t make_parents(char *path, int mode) {
  size_t end = strlen(path);
  int64_t err;
  while (end > 1 && is_separator(path[end - 1]))
    path[--end] = '\0';
  err = make_if_none(path, mode);
  if (err != UV_ENOENT)
    return err;
  for (char *at = path + 1; at < path + end; at++)
    if (is_separator(*at)) {
      char separator = *at;
      *at = '\0';
      err = make_if_none(path, 0777);
      *at = separator;
      if (err < 0)
        return err;
    }
  return make_if_none(path, mode);
}

static int64_t run_mkdir(tideR_fs *op) {
  if (op->flags == 0 || op->path[0] == '\0')
    return make(op->path, op->mode);
  return make_parents(op->text, op->mode);
}

/* ---- what they are like ---- */

static int64_t run_chmod(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_chmod, op->path, op->mode);
  return err;
}

static int64_t run_utime(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_utime, op->path, op->atime, op->mtime);
  return err;
}

/* ---- names of their own ---- */

/* Room for the name first: what is made can then be told, or undone. */
static bool make_room(tideR_fs *op) {
  op->length = strlen(op->path);
  op->size = op->length + 1;
  op->bytes = malloc(op->size);
  return op->bytes != NULL;
}

static int64_t run_mkdtemp(tideR_fs *op) {
  uv_fs_t request;
  int64_t err;
  if (!make_room(op))
    return UV_ENOMEM;
  err = uv_fs_mkdtemp(NULL, &request, op->path, NULL);
  if (err == 0)
    memcpy(op->bytes, request.path, op->size);
  op->holds = err == 0;
  uv_fs_req_cleanup(&request);
  return err;
}

static void undo_mkdtemp(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_rmdir, op->bytes);
  (void)err;
}

static int64_t run_mkstemp(tideR_fs *op) {
  uv_fs_t request;
  int64_t fd;
  if (!make_room(op))
    return UV_ENOMEM;
  fd = uv_fs_mkstemp(NULL, &request, op->path, NULL);
  if (fd >= 0)
    memcpy(op->bytes, request.path, op->size);
  op->holds = fd >= 0;
  uv_fs_req_cleanup(&request);
  if (fd >= 0 && op->flags == 0)
    TIDE_FS_CALL(fd, uv_fs_close, (uv_file)fd);
  else
    op->fd = (int)fd;
  return fd;
}

static void undo_mkstemp(tideR_fs *op) {
  int64_t err;
  if (op->fd >= 0)
    TIDE_FS_CALL(err, uv_fs_close, op->fd);
  TIDE_FS_CALL(err, uv_fs_unlink, op->bytes);
  (void)err;
}

/* ---- the kinds ---- */

const tideR_fskind tideR_fs_stat = {"fs.stat", run_stat, NULL};
const tideR_fskind tideR_fs_lstat = {"fs.lstat", run_lstat, NULL};
const tideR_fskind tideR_fs_access = {"fs.access", run_access, NULL};
const tideR_fskind tideR_fs_readlink = {"fs.readlink", run_readlink, NULL};
const tideR_fskind tideR_fs_realpath = {"fs.realpath", run_realpath, NULL};
const tideR_fskind tideR_fs_rmdir = {"fs.rmdir", run_rmdir, NULL};
const tideR_fskind tideR_fs_unlink = {"fs.unlink", run_unlink, NULL};
const tideR_fskind tideR_fs_rename = {"fs.rename", run_rename, NULL};
const tideR_fskind tideR_fs_link = {"fs.link", run_link, NULL};
const tideR_fskind tideR_fs_symlink = {"fs.symlink", run_symlink, NULL};
const tideR_fskind tideR_fs_mkdir = {"fs.mkdir", run_mkdir, NULL};
const tideR_fskind tideR_fs_chmod = {"fs.chmod", run_chmod, NULL};
const tideR_fskind tideR_fs_utime = {"fs.utime", run_utime, NULL};
const tideR_fskind tideR_fs_mkdtemp = {"fs.mkdtemp", run_mkdtemp, undo_mkdtemp};
const tideR_fskind tideR_fs_mkstemp = {"fs.mkstemp", run_mkstemp, undo_mkstemp};
