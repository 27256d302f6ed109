/*
 * fscopy.c: a file copied, a bounded part at a time.
 *
 * libuv's removes what is there when anything goes wrong, devices too, believes
 * what a file says of its size, and waits for ever for the rest of one that has
 * become shorter. (On Windows and macOS it is a call of the system.)
 *
 * The system copies what a file says that it has; then it is read until its
 * end, for it may have more, or say nothing.
 */
#include <stdlib.h>

#include "fs.h"
#include "internal.h"

#if defined(_WIN32) || defined(__APPLE__)

static int64_t run_copy(tideR_fs *op) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_copyfile, op->path, op->to, op->flags);
  return err;
}

#else

#include <sys/ioctl.h>
#ifdef __linux__
#include <linux/fs.h>
#endif

#define PART (1u << 22)  /* bytes, after which others have a turn */
#define PIECE (1u << 18) /* that are read at once */

typedef struct copying {
  int from, to; /* -1: not open */
  bool made;    /* there was nothing */
  uv_stat_t stat;
  int64_t offset, size; /* so much the system is to copy */
} copying;

/* ---- beginning ---- */

static int64_t open_source(const tideR_fs *op, copying *it) {
  int64_t err = tideR__fs_open_file(op->path, UV_FS_O_RDONLY, 0);
  if (err < 0)
    return err;
  it->from = (int)err;
  err = tideR__fs_stat_file(it->from, &it->stat);
  if (err == 0 && tideR__fs_is_kind(&it->stat, S_IFDIR))
    err = UV_EISDIR;
  return err;
}

/* One that was there is emptied later: it may be the same file. */
static int64_t open_target(const tideR_fs *op, copying *it) {
  int flags = UV_FS_O_WRONLY | UV_FS_O_CREAT;
  int mode = (int)it->stat.st_mode & 0777;
  int64_t fd = tideR__fs_open_file(op->to, flags | UV_FS_O_EXCL, mode);
  it->made = fd >= 0;
  if (fd == UV_EEXIST && !(op->flags & UV_FS_COPYFILE_EXCL))
    fd = tideR__fs_open_file(op->to, flags, mode);
  if (fd < 0)
    return fd;
  it->to = (int)fd;
  return 0;
}

/* The mode first: if it may not be set, what is there stays. A file system that
 * has none refuses it, too. */
static int64_t prepare(const copying *it) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_fchmod, it->to, (int)it->stat.st_mode & 07777);
  if (err < 0 && !(it->made && err == UV_EPERM))
    return err;
  TIDE_FS_CALL(err, uv_fs_ftruncate, it->to, 0);
  return err;
}

/* Both share their blocks from now on. */
static bool share(const copying *it) {
#ifdef FICLONE
  return ioctl(it->to, FICLONE, it->from) == 0;
#else
  (void)it;
  return false;
#endif
}

/* 1: it is done. */
static int64_t begin(const tideR_fs *op, copying *it) {
  uv_stat_t there = {0};
  int64_t err = open_source(op, it);
  if (err == 0)
    err = open_target(op, it);
  if (err == 0)
    err = tideR__fs_stat_file(it->to, &there);
  if (err < 0)
    return err;
  if (there.st_dev == it->stat.st_dev && there.st_ino == it->stat.st_ino)
    return 1;
  if (!tideR__fs_is_kind(&there, S_IFREG)) /* a device, say: it is as it is */
    return 0;
  err = prepare(it);
  if (err < 0 || !tideR__fs_is_kind(&it->stat, S_IFREG))
    return err;
  if (it->stat.st_size > 0 && share(it))
    return 1;
  it->size = (int64_t)it->stat.st_size;
  return 0;
}

/* ---- going on ---- */

/* How many bytes the system has copied; 0: there are no more, or it cannot. */
static int64_t send_some(const copying *it, size_t most) {
  uint64_t rest = (uint64_t)(it->size - it->offset);
  int64_t n;
  TIDE_FS_CALL(n, uv_fs_sendfile, it->to, it->from, it->offset,
               rest < most ? (size_t)rest : most);
  return n == UV_EINVAL || n == UV_ENOSYS || n == UV_ENOTSUP ? 0 : n;
}

static int64_t write_all(int fd, char *bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    uv_buf_t piece = uv_buf_init(bytes + done, (unsigned)(size - done));
    int64_t n;
    TIDE_FS_CALL(n, uv_fs_write, fd, &piece, 1, -1);
    if (n <= 0)
      return n < 0 ? n : UV_EIO;
    done += (size_t)n;
  }
  return (int64_t)size;
}

/* What has no positions is read where it is. */
static int64_t carry_some(tideR_fs *op, const copying *it) {
  int64_t n, at = tideR__fs_is_kind(&it->stat, S_IFREG) ? it->offset : -1;
  uv_buf_t room;
  if (op->bytes == NULL)
    op->bytes = malloc(PIECE);
  if (op->bytes == NULL)
    return UV_ENOMEM;
  room = uv_buf_init(op->bytes, PIECE);
  do
    TIDE_FS_CALL(n, uv_fs_read, it->from, &room, 1, at);
  while (n == UV_EINTR);
  return n > 0 ? write_all(it->to, op->bytes, (size_t)n) : n;
}

static int64_t copy_some(tideR_fs *op, copying *it, size_t most) {
  int64_t n;
  if (it->offset < it->size) {
    n = send_some(it, most);
    if (n != 0)
      return n;
    it->size = it->offset;
  }
  return carry_some(op, it);
}

static int64_t copy_part(tideR_fs *op, copying *it) {
  int64_t n = 0, until;
  if (it->from < 0)
    n = begin(op, it);
  else if (atomic_load(&op->stop))
    return UV_ECANCELED;
  if (n != 0)
    return n < 0 ? n : 0;
  until = it->offset + PART;
  while (it->offset < until) {
    n = copy_some(op, it, (size_t)(until - it->offset));
    if (n <= 0)
      return n;
    it->offset += n;
  }
  return TIDE_FS_AGAIN;
}

/* ---- the end ---- */

/* Some systems tell only at a close that a disk is full. */
static int64_t end(const tideR_fs *op, copying *it, int64_t result) {
  int64_t err = 0;
  if (it->from >= 0)
    TIDE_FS_CALL(err, uv_fs_close, it->from);
  if (it->to >= 0)
    TIDE_FS_CALL(err, uv_fs_close, it->to);
  if (result == 0 && it->to >= 0)
    result = err;
  if (result < 0 && it->made)
    TIDE_FS_CALL(err, uv_fs_unlink, op->to);
  free(it);
  return result;
}

static int64_t run_copy(tideR_fs *op) {
  copying *it = op->state;
  int64_t result;
  if (it == NULL) {
    it = op->state = calloc(1, sizeof *it);
    if (it == NULL)
      return UV_ENOMEM;
    it->from = it->to = -1;
  }
  result = copy_part(op, it);
  if (result == TIDE_FS_AGAIN)
    return result;
  op->state = NULL;
  return end(op, it, result);
}

#endif

const tideR_fskind tideR_fs_copy = {"fs.copy", run_copy, NULL};
