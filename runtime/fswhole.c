/*
 * fswhole.c: files read and written as a whole, a bounded part at a time, so
 * that a large one keeps no thread from others, and can be cancelled.
 *
 * What is between two parts: `fd` is open, `length` or `offset` bytes of
 * `bytes` are done, and `state`, if there is one, tells what takes whose place.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs.h"
#include "internal.h"

#define PART (1u << 20)   /* bytes */
#define GUESS (1u << 16)  /* of a file that says nothing of its size */
#define TRIES 100         /* for a name that nobody has */
#define LINKS 40          /* that lead to nothing yet */
#define TEMPORARY ".tide" /* what such a name begins with */

/* ---- one call each ---- */

static int64_t close_file(int fd) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_close, fd);
  return err;
}

static int64_t remove_name(const char *path) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_unlink, path);
  return err;
}

static int64_t stat_path(const char *path, uv_stat_t *out) {
  uv_fs_t request;
  int64_t err = uv_fs_stat(NULL, &request, path, NULL);
  *out = request.statbuf;
  uv_fs_req_cleanup(&request);
  return err;
}

/* ---- reading ---- */

static bool grow(tideR_fs *op, size_t size) {
  char *bytes = size > op->size ? realloc(op->bytes, size) : NULL;
  if (bytes == NULL)
    return false;
  op->bytes = bytes;
  op->size = size;
  return true;
}

/* What a file says of its size is a guess: it may change, and some say nothing.
 * One byte more, so that its end is met without more room. */
static int64_t begin_read(tideR_fs *op) {
  uv_stat_t stat;
  size_t guess = GUESS;
  int64_t err = tideR__fs_open_file(op->path, UV_FS_O_RDONLY, 0);
  if (err < 0)
    return err;
  op->fd = (int)err;
  err = tideR__fs_stat_file(op->fd, &stat);
  if (err < 0)
    return err;
  if (tideR__fs_is_kind(&stat, S_IFDIR))
    return UV_EISDIR;
  if (tideR__fs_is_kind(&stat, S_IFREG) && stat.st_size > 0) {
    if (stat.st_size >= SIZE_MAX)
      return UV_ENOMEM;
    guess = (size_t)stat.st_size + 1;
  }
  return grow(op, guess) ? 0 : UV_ENOMEM;
}

/* How many came; 0: the end. */
static int64_t read_some(tideR_fs *op, size_t most) {
  uv_buf_t buf;
  int64_t n;
  if (op->length == op->size && !grow(op, op->size * 2))
    return UV_ENOMEM;
  if (most > op->size - op->length)
    most = op->size - op->length;
  buf = uv_buf_init(op->bytes + op->length, (unsigned)most);
  do
    TIDE_FS_CALL(n, uv_fs_read, op->fd, &buf, 1, -1);
  while (n == UV_EINTR); /* libuv tries all again but this */
  if (n > 0)
    op->length += (size_t)n;
  return n;
}

static int64_t read_part(tideR_fs *op) {
  size_t until = op->length + PART;
  int64_t n = 0;
  if (op->fd < 0)
    n = begin_read(op);
  else if (atomic_load(&op->stop))
    return UV_ECANCELED;
  if (n < 0)
    return n;
  do {
    if (op->length >= until)
      return TIDE_FS_AGAIN;
    n = read_some(op, until - op->length);
  } while (n > 0);
  return n;
}

static int64_t run_read_file(tideR_fs *op) {
  int64_t result = read_part(op);
  if (result != TIDE_FS_AGAIN && op->fd >= 0)
    close_file(op->fd);
  return result;
}

/* ---- writing ---- */

static int64_t write_part(tideR_fs *op) {
  size_t done = (size_t)op->offset, until = done + PART;
  if (until > op->size)
    until = op->size;
  while (done < until) {
    uv_buf_t buf = uv_buf_init(op->bytes + done, (unsigned)(until - done));
    int64_t n;
    TIDE_FS_CALL(n, uv_fs_write, op->fd, &buf, 1, -1);
    if (n == 0)
      n = UV_EIO;
    if (n < 0)
      return n;
    done += (size_t)n;
    op->offset = (int64_t)done;
  }
  return done < op->size ? TIDE_FS_AGAIN : 0;
}

/* Some systems tell only there that a disk is full. */
static int64_t close_written(tideR_fs *op, int64_t result) {
  int64_t err = close_file(op->fd);
  op->fd = -1;
  return result < 0 ? result : err;
}

static int64_t run_write_file(tideR_fs *op) {
  int64_t result;
  if (op->fd < 0) {
    op->offset = 0;
    result = tideR__fs_open_file(op->path, op->flags, op->mode);
    if (result < 0)
      return result;
    op->fd = (int)result;
  } else if (atomic_load(&op->stop)) {
    return close_written(op, UV_ECANCELED);
  }
  result = write_part(op);
  return result == TIDE_FS_AGAIN ? result : close_written(op, result);
}

/* ---- writing what takes the place of another ---- */

typedef struct replacing {
  bool exists, made; /* what it replaces; the temporary one */
  uv_stat_t old;     /* of the first */
  char *target;      /* the file that is meant, where the path is a link */
  char name[];       /* the temporary one, beside it */
} replacing;

static size_t directory_length(const char *path) {
  size_t n = strlen(path);
  while (n > 0 && path[n - 1] != '/'
#ifdef _WIN32
         && path[n - 1] != '\\' && path[n - 1] != ':'
#endif
  )
    n--;
  return n;
}

/* Text from `path`, so much of it, and `rest`; NULL: there is no memory. */
static char *join(const char *path, size_t length, const char *rest) {
  size_t size = strlen(rest) + 1;
  char *joined = malloc(length + size);
  if (joined == NULL)
    return NULL;
  memcpy(joined, path, length);
  memcpy(joined + length, rest, size);
  return joined;
}

static bool is_absolute(const char *path) {
  return path[0] == '/'
#ifdef _WIN32
         || path[0] == '\\' || (path[0] != '\0' && path[1] == ':')
#endif
      ;
}

/* What a link says, seen from where we are; an error where it is none. */
static int64_t follow(const char *path, char **out) {
  uv_fs_t request;
  int64_t err = uv_fs_readlink(NULL, &request, path, NULL);
  if (err == 0) {
    const char *said = request.ptr;
    *out = join(path, is_absolute(said) ? 0 : directory_length(path), said);
    err = *out != NULL ? 0 : UV_ENOMEM;
  }
  uv_fs_req_cleanup(&request);
  return err;
}

/* One that is not there yet is meant itself, or what it leads to. */
static int64_t find_target(const char *path, char **out) {
  int64_t err = tideR__fs_resolve(path, out);
  if (err != UV_ENOENT)
    return err;
  *out = join(path, strlen(path), "");
  err = *out != NULL ? 0 : UV_ENOMEM;
  for (int i = 0; err == 0; i++) {
    char *from = *out;
    err = i < LINKS ? follow(from, out) : UV_ELOOP;
    if (err == 0 || (err != UV_EINVAL && err != UV_ENOENT))
      free(from);
  }
  if (err == UV_EINVAL || err == UV_ENOENT)
    return 0; /* no link */
  *out = NULL;
  return err;
}

static int64_t begin_replacing(tideR_fs *op, replacing **out) {
  char *target = NULL;
  size_t length;
  replacing *it;
  int64_t err;
  if (op->path[0] == '\0')
    return UV_ENOENT;
  err = find_target(op->path, &target);
  if (err < 0)
    return err;
  length = directory_length(target);
  it = *out = calloc(1, sizeof *it + length + sizeof TEMPORARY + 24);
  if (it == NULL) {
    free(target);
    return UV_ENOMEM;
  }
  it->target = target;
  memcpy(it->name, target, length);
  err = stat_path(target, &it->old);
  it->exists = err == 0;
  if (err < 0)
    return err == UV_ENOENT ? 0 : err;
  if (tideR__fs_is_kind(&it->old, S_IFDIR))
    return UV_EISDIR;
  return tideR__fs_is_kind(&it->old, S_IFREG) ? 0
                                              : UV_EINVAL; /* no device goes */
}

/* A name that nobody has, of this process, this operation and this moment. */
static int64_t open_temporary(tideR_fs *op, replacing *it) {
  char *end = it->name + strlen(it->name);
  int flags = UV_FS_O_WRONLY | UV_FS_O_CREAT | UV_FS_O_EXCL;
  int64_t fd = UV_EEXIST;
  for (int i = 0; fd == UV_EEXIST && i < TRIES; i++) {
    uint64_t seed = uv_hrtime() ^ (uint64_t)(uintptr_t)op << 16;
    snprintf(end, sizeof TEMPORARY + 24, TEMPORARY "%08x%08x",
             (unsigned)uv_os_getpid(),
             (unsigned)(seed * UINT64_C(0x9e3779b97f4a7c15) >> 32));
    fd = tideR__fs_open_file(it->name, flags, it->exists ? 0600 : op->mode);
  }
  return fd;
}

/* Whose it is may not be to be kept: then it gives nobody another's rights. */
static int64_t keep_mode(const tideR_fs *op, const replacing *it) {
  int mode = (int)it->old.st_mode & 07777;
  int64_t err;
  if (!it->exists)
    return 0;
  TIDE_FS_CALL(err, uv_fs_fchown, op->fd, (uv_uid_t)it->old.st_uid,
               (uv_gid_t)it->old.st_gid);
  if (err < 0)
    mode &= 01777;
  TIDE_FS_CALL(err, uv_fs_fchmod, op->fd, mode);
  return err;
}

static int64_t replace(tideR_fs *op, const replacing *it) {
  int64_t err;
  TIDE_FS_CALL(err, uv_fs_fsync, op->fd);
  err = close_written(op, err);
  if (err == 0)
    TIDE_FS_CALL(err, uv_fs_rename, it->name, it->target);
  return err;
}

static int64_t replace_part(tideR_fs *op) {
  replacing *it = op->state;
  int64_t result;
  if (it == NULL) {
    op->offset = 0;
    result = begin_replacing(op, &it);
    op->state = it;
    if (result == 0)
      result = open_temporary(op, it);
    if (result < 0)
      return result;
    op->fd = (int)result;
    it->made = true;
    result = keep_mode(op, it);
    if (result < 0)
      return result;
  } else if (atomic_load(&op->stop)) {
    return UV_ECANCELED;
  }
  result = write_part(op);
  return result == 0 ? replace(op, it) : result;
}

static int64_t run_replace_file(tideR_fs *op) {
  int64_t result = replace_part(op);
  replacing *it = op->state;
  if (result == TIDE_FS_AGAIN || it == NULL)
    return result;
  if (op->fd >= 0)
    close_written(op, result);
  if (result < 0 && it->made)
    remove_name(it->name);
  free(it->target);
  free(it);
  op->state = NULL;
  return result;
}

const tideR_fskind tideR_fs_read_file = {"fs.read_file", run_read_file, NULL};
const tideR_fskind tideR_fs_write_file = {"fs.write_file", run_write_file,
                                          NULL};
const tideR_fskind tideR_fs_append_file = {"fs.append_file", run_write_file,
                                           NULL};
const tideR_fskind tideR_fs_replace_file = {"fs.write_file", run_replace_file,
                                            NULL};
