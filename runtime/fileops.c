/*
 * fileops.c: operations on open files, each in a thread.
 *
 * A descriptor is closed when nothing uses it any more: its number may be
 * another file's right after that.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2 */
#endif
#include <errno.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/uio.h>
#include <sys/vfs.h>
#endif

#include "file.h"
#include "internal.h"

#define PART 4194304 /* bytes, after which others have a turn */

static int fd_of(const tideR_fs *op) {
  return ((const tideR_fd *)op->state)->fd;
}

static bool is_stopped(tideR_fs *op) {
  return atomic_load(&op->stop);
}

/* Whether the system tells of a read that what it wants is in memory: it will
 * be seen; it does not; it need not, for all is; it is not to be asked. */
enum { CACHED_TOLD, CACHED_UNTOLD, CACHED_ALL, CACHED_NEVER };

/* ---- descriptors ---- */

static int64_t close_fd(tideR_fd *fd) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_close, fd->fd);
  free(fd);
  return err;
}

void tideR__fd_drop(tideR_fd *fd) {
  if (atomic_fetch_sub(&fd->users, 1) == 1)
    close_fd(fd);
}

static void undo(tideR_fs *op) {
  tideR__fd_drop(op->state);
}

static int64_t run_close(tideR_fs *op) {
  op->holds = false;
  return close_fd(op->state);
}

static int64_t look(tideR_fs *op, int fd) {
  uv_fs_t request;
  int64_t err = uv_fs_fstat(NULL, &request, fd, NULL);
  op->stat = request.statbuf;
  uv_fs_req_cleanup(&request);
  return err;
}

static int64_t run_open(tideR_fs *op) {
  tideR_fd *fd = malloc(sizeof *fd);
  int64_t err = UV_ENOMEM;
  if (fd == NULL)
    return err;
  err = tideR__fs_open_file(op->path, op->flags, op->mode);
  if (err < 0) {
    free(fd);
    return err;
  }
  fd->fd = (int)err;
  atomic_init(&fd->users, 1);
  atomic_init(&fd->cached, CACHED_TOLD);
  err = look(op, fd->fd);
  if (err < 0) {
    close_fd(fd);
    return err;
  }
  op->state = fd;
  op->holds = true;
  return 0;
}

/* ---- reading what is in memory ---- */

/* What the system has in memory it copies at once: that takes less than to
 * wake a thread. It says so of each read, of most kinds of files. */
#ifdef RWF_NOWAIT
#define TMPFS 0x01021994
#define RAMFS 0x858458f6

/* It does not say so: that of a file which is nowhere else is in memory. In a
 * thread, for a server of files is slow to answer. */
static void ask_untold(tideR_fd *fd) {
  struct statfs system;
  bool all = fstatfs(fd->fd, &system) == 0 &&
             (system.f_type == TMPFS || (uint32_t)system.f_type == RAMFS);
  atomic_store(&fd->cached, all ? CACHED_ALL : CACHED_NEVER);
}

size_t tideR__fd_read_cached(tideR_fd *fd, char *to, size_t size,
                             int64_t offset) {
  struct iovec room = {to, size < TIDE_CACHED_MOST ? size : TIDE_CACHED_MOST};
  int cached = atomic_load(&fd->cached);
  ssize_t n;
  if (cached == CACHED_UNTOLD || cached == CACHED_NEVER ||
      (off_t)offset != offset)
    return 0;
  n = preadv2(fd->fd, &room, 1, (off_t)offset,
              cached == CACHED_ALL ? 0 : RWF_NOWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR)
    atomic_store(&fd->cached,
                 errno == EOPNOTSUPP ? CACHED_UNTOLD : CACHED_NEVER);
  return n > 0 ? (size_t)n : 0;
}
#else
static void ask_untold(tideR_fd *fd) {
  atomic_store(&fd->cached, CACHED_NEVER);
}

size_t tideR__fd_read_cached(tideR_fd *fd, char *to, size_t size,
                             int64_t offset) {
  (void)fd;
  (void)to;
  (void)size;
  (void)offset;
  return 0;
}
#endif

/* ---- reading ---- */

static int64_t read_some(tideR_fs *op, char *to, size_t size, int64_t offset) {
  uv_buf_t room = uv_buf_init(to, 0);
  tideR_fd *fd = op->state;
  int64_t n;
  room.len = size < PART ? size : PART;
  do
    TIDE_FS_CALL(n, uv_fs_read, fd->fd, &room, 1, offset);
  while (n == UV_EINTR);
  if (atomic_load(&fd->cached) == CACHED_UNTOLD)
    ask_untold(fd);
  return n;
}

static int64_t run_read(tideR_fs *op) {
  size_t at = (size_t)op->flags;
  int64_t n = read_some(op, op->bytes + at, op->size - at, op->offset);
  op->length = n > 0 ? (size_t)n : 0;
  return n;
}

/* What was read before an error is not lost: the next call meets it again. */
static int64_t run_pread(tideR_fs *op) {
  size_t before = op->length;
  while (op->length < op->size) {
    int64_t n;
    if (op->length - before >= PART)
      return is_stopped(op) ? UV_ECANCELED : TIDE_FS_AGAIN;
    n = read_some(op, op->bytes + op->length, op->size - op->length,
                  op->offset + (int64_t)op->length);
    if (n == 0 || (n < 0 && op->length > 0))
      break;
    if (n < 0)
      return n;
    op->length += (size_t)n;
  }
  return (int64_t)op->length;
}

bool tideR__file_pread_now(tideR_fs *op) {
  if (op->size > TIDE_CACHED_MOST)
    return false;
  op->length =
      tideR__fd_read_cached(op->state, op->bytes, op->size, op->offset);
  op->result = (int64_t)op->length;
  return op->length == op->size;
}

/* ---- writing ---- */

static int64_t write_some(tideR_fs *op) {
  uv_buf_t piece = uv_buf_init(op->bytes + op->length, 0);
  int64_t n, offset = op->offset;
  piece.len = op->size - op->length < PART ? op->size - op->length : PART;
  if (offset >= 0)
    offset += (int64_t)op->length;
  do
    TIDE_FS_CALL(n, uv_fs_write, fd_of(op), &piece, 1, offset);
  while (n == UV_EINTR);
  return n;
}

/* What was begun is done, also if nobody waits for it any more: each write is
 * whole. A system that writes nothing and gives no reason would do so again. */
static int64_t run_write(tideR_fs *op) {
  size_t before = op->length;
  while (op->length < op->size) {
    int64_t n;
    if (op->length - before >= PART && !is_stopped(op))
      return TIDE_FS_AGAIN;
    n = write_some(op);
    if (n <= 0)
      return n < 0 ? n : UV_EIO;
    op->length += (size_t)n;
  }
  return op->flags != 0 ? look(op, fd_of(op)) : 0;
}

/* ---- the rest ---- */

static int64_t run_truncate(tideR_fs *op) {
  int64_t err;
  do
    TIDE_FS_CALL(err, uv_fs_ftruncate, fd_of(op), op->offset);
  while (err == UV_EINTR);
  return err;
}

static int64_t run_sync(tideR_fs *op) {
  int64_t err;
  do
    TIDE_FS_CALL(err, uv_fs_fsync, fd_of(op));
  while (err == UV_EINTR);
  return err;
}

static int64_t run_datasync(tideR_fs *op) {
  int64_t err;
  do
    TIDE_FS_CALL(err, uv_fs_fdatasync, fd_of(op));
  while (err == UV_EINTR);
  return err;
}

static int64_t run_stat(tideR_fs *op) {
  return look(op, fd_of(op));
}

const tideR_fskind tideR_file_open = {"fs.open", run_open, undo};
const tideR_fskind tideR_file_read = {"file.read", run_read, undo};
const tideR_fskind tideR_file_pread = {"file.pread", run_pread, undo};
const tideR_fskind tideR_file_write = {"file.write", run_write, undo};
const tideR_fskind tideR_file_pwrite = {"file.pwrite", run_write, undo};
const tideR_fskind tideR_file_truncate = {"file.truncate", run_truncate, undo};
const tideR_fskind tideR_file_seek = {"file.seek", run_stat, undo};
const tideR_fskind tideR_file_sync = {"file.sync", run_sync, undo};
const tideR_fskind tideR_file_datasync = {"file.datasync", run_datasync, undo};
const tideR_fskind tideR_file_stat = {"file.stat", run_stat, undo};
const tideR_fskind tideR_file_close = {"file.close", run_close, undo};
