/*
 * file.c: open files.
 *
 * Reading. A file is a stream whose transport reads a block at a time in a
 * thread; the first ones without, if the system has them in memory. While the
 * block is used up the next is read, once it is seen that reading goes on: it
 * lies `ahead`. All blocks are read at a position of our own, so that the one
 * of the system does not matter, and writing goes to where what was taken ends:
 * what was read and not taken is dropped by then.
 *
 * Changing. Writes, and what else moves the position or depends on it, go
 * through a gate, in the order of the calls. Where one begins is only known
 * when the one before has ended.
 *
 * Closing. Each operation has a use of the descriptor of its own, and so has
 * the file until it is closed: what was begun before is done.
 */
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "internal.h"

enum {
  BEFORE = 4096,       /* bytes of room for what is left of the last block */
  BLOCK_FIRST = 65536, /* after it was opened, and after a seek */
  BLOCK_MOST = 524288
};

struct tideR_file {
  tideR_stream stream;
  tideR_fd *fd; /* NULL: it is closed */
  bool seekable, appends;
  int64_t position; /* after all that was read, taken or not */

  tideR_fs *fetch; /* reads a block */
  tideR_fsgate fetches;
  bool fetching;
  bool stale;    /* ... what nobody wants any more */
  bool goes_on;  /* the last block was full, and not the first */
  size_t block;  /* how much is read next */
  char *ahead;   /* a block; or NULL, and: */
  int ahead_end; /* what came instead, or 0 */
  size_t ahead_length, ahead_room;

  tideR_fsgate changes;
};

static tideR_file *file_of(const tideR_handle *handle) {
  return CONTAINER(handle, tideR_file, stream.handle);
}

tideR_stream *tideR_file_stream(tideR_file *file) {
  return &file->stream;
}

tideR_file *tideR_file_of(tideR_stream *stream) {
  return CONTAINER(stream, tideR_file, stream);
}

int tideR_file_fd(const tideR_file *file) {
  return file->fd != NULL ? file->fd->fd : -1;
}

/* ---- uses of the descriptor ---- */

static void use(tideR_fs *op, tideR_fd *fd) {
  atomic_fetch_add(&fd->users, 1);
  op->state = fd;
  op->holds = true;
}

/* Nothing of the runtime's runs any more, or in the parent of this process:
 * there nothing gives its use back. */
static bool is_alone(tideR_runtime *rt) {
  return rt == NULL || rt->files.ended || tideR_loop_forked(rt);
}

/* The last one closes it, in a thread. In the child of a fork nobody else will:
 * the threads of its parent are not there. */
static void drop(tideR_runtime *rt, tideR_fd *fd) {
  tideR_fs *op = NULL;
  if (rt != NULL && tideR_loop_forked(rt))
    atomic_store(&fd->users, 1);
  if (atomic_load(&fd->users) == 1 && !is_alone(rt))
    op = tideR_fs_new(rt, &tideR_file_close, NULL, 0, NULL, 0);
  if (op == NULL) {
    tideR__fd_drop(fd);
    return;
  }
  op->state = fd;
  op->holds = true;
  tideR_fs_release(op);
}

/* In the child of a fork only the file itself lets go: see drop. */
void tideR_file_end(tideR_runtime *rt, tideR_fs *op) {
  if (!op->holds)
    return;
  tideR_fs_take(op);
  if (rt == NULL || !tideR_loop_forked(rt))
    drop(rt, op->state);
}

/* ---- blocks ---- */

static bool has_ahead(const tideR_file *file) {
  return file->ahead != NULL || file->ahead_end != 0;
}

static void forget_ahead(tideR_file *file) {
  free(file->ahead);
  file->ahead = NULL;
  file->ahead_length = 0;
  file->ahead_end = 0;
}

/* Reads a block, unless one is being read. */
static int fetch(tideR_file *file) {
  tideR_fs *op = file->fetch;
  if (file->fetching || file->changes.running != NULL)
    return 0;
  tideR_fs_renew(op, &tideR_file_read);
  op->bytes = malloc(BEFORE + file->block);
  if (op->bytes == NULL)
    return UV_ENOMEM;
  op->size = BEFORE + file->block;
  op->flags = BEFORE;
  op->offset = file->seekable ? file->position : -1;
  op->gate = &file->fetches;
  file->fetching = true;
  tideR_fs_begin(file->stream.handle.rt, op);
  if (file->fetching && !tideR_fs_busy(op)) { /* it was refused */
    file->fetching = false;
    free(op->bytes);
    op->bytes = NULL;
    return (int)op->result;
  }
  return 0;
}

/* An end that nobody waits for is looked for again by who reads next: by then
 * there may be more. */
static void keep(tideR_file *file, tideR_fs *op) {
  bool is_full = op->length == op->size - BEFORE;
  if (op->result <= 0) {
    if (file->stream.started)
      file->ahead_end = op->result == 0 ? UV_EOF : (int)op->result;
    file->goes_on = false;
    return;
  }
  file->ahead = op->bytes;
  file->ahead_room = op->size;
  file->ahead_length = op->length;
  op->bytes = NULL;
  if (file->seekable)
    file->position += (int64_t)op->length;
  file->goes_on = is_full && file->seekable && file->block > BLOCK_FIRST;
  if (is_full && file->block < BLOCK_MOST)
    file->block *= 2;
}

/* To who reads. False: there is no memory for it. */
static bool deliver(tideR_file *file) {
  tideR_stream *stream = &file->stream;
  ssize_t n = file->ahead_end;
  if (n == 0) {
    if (!tideR__buffer_adopt(stream->handle.rt, &stream->unread, file->ahead,
                             file->ahead_room, BEFORE, file->ahead_length)) {
      tideR__stream_starved(stream);
      return false;
    }
    n = (ssize_t)file->ahead_length;
  }
  file->ahead = NULL;
  file->ahead_length = 0;
  file->ahead_end = 0;
  tideR__stream_filled(stream, n);
  return true;
}

/* Gives what there is, as long as it is wanted, and has more read. */
static int pump(tideR_file *file) {
  int err = 0;
  while (file->stream.started && has_ahead(file))
    if (!deliver(file))
      return 0;
  if (file->stream.handle.closed)
    return 0;
  if (file->stream.started)
    err = fetch(file);
  else if (file->goes_on && !has_ahead(file))
    fetch(file); /* if it cannot, who reads next is told */
  return err;
}

/* Who waits for bytes is told why there are none. */
static void go_on(tideR_file *file) {
  int err = pump(file);
  if (err == UV_ENOMEM)
    tideR__stream_starved(&file->stream);
  else if (err < 0)
    tideR__stream_filled(&file->stream, err);
}

static void on_fetching(tideR_fsgate *gate, tideR_fs *op) {
  (void)gate;
  (void)op;
}

static void on_fetched(tideR_fsgate *gate, tideR_fs *op) {
  tideR_file *file = CONTAINER(gate, tideR_file, fetches);
  tideR_runtime *rt = file->stream.handle.rt;
  bool stale = file->stale;
  file->fetching = file->stale = false;
  if (!file->stream.handle.closed && !stale)
    keep(file, op);
  free(op->bytes);
  op->bytes = NULL;
  if (file->stream.handle.closed) {
    tideR_file_end(rt, op);
    return;
  }
  go_on(file);
}

/* ---- reading ---- */

/* For who reads: what is in memory, if nothing is to come before it. Whoever
 * goes on is soon better served by a thread, which reads ahead. */
static bool read_cached(tideR_file *file) {
  tideR_stream *stream = &file->stream;
  tideR_runtime *rt = stream->handle.rt;
  size_t size, n = 0;
  char *room;
  if (!file->seekable || file->block == BLOCK_MOST || has_ahead(file) ||
      (file->fetching && !file->stale) || file->changes.running != NULL ||
      tideR_loop_forked(rt) || tideR__permit(rt, tideR_file_read.name) < 0)
    return false;
  room = tideR__stream_room(stream, &size);
  if (room != NULL)
    n = tideR__fd_read_cached(file->fd, room, size, file->position);
  file->position += (int64_t)n;
  if (n == TIDE_CACHED_MOST)
    file->block *= 2;
  tideR__stream_filled(stream, (ssize_t)n);
  return stream->decided;
}

/* Whoever waits gets it; else it lies ahead, where it costs no copy. */
static int start(tideR_stream *stream) {
  tideR_file *file = tideR_file_of(stream);
  if (!stream->busy || stream->decided || read_cached(file))
    stream->started = false;
  return pump(file);
}

static void stop(tideR_stream *stream) {
  (void)stream;
}

/* What was read and not taken is read again, if at all. What was promised to
 * who was woken stays its own. */
static void drop_unread(tideR_file *file) {
  tideR_stream *stream = &file->stream;
  size_t promised = 0, n = stream->unread.length;
  if (!file->seekable || stream->handle.closed)
    return;
  if (stream->busy && stream->decided)
    promised = stream->reading.length;
  file->position -= (int64_t)(n - promised + file->ahead_length);
  stream->unread.length = promised;
  if (promised == 0)
    tideR__buffer_clear(stream->handle.rt, &stream->unread);
  forget_ahead(file);
  file->stale = file->fetching;
  file->goes_on = false;
  file->block = BLOCK_FIRST;
  stream->reading.scanned = 0;
  stream->skips = false;
  if (!stream->busy)
    stream->started = false;
}

/* ---- changing ---- */

static int64_t sought(const tideR_file *file, tideR_whence whence,
                      int64_t offset, int64_t size) {
  int64_t from = whence == TIDE_SEEK_SET   ? 0
                 : whence == TIDE_SEEK_CUR ? file->position
                                           : size;
  if (offset > 0 ? from > INT64_MAX - offset : from + offset < 0)
    return UV_EINVAL;
  return from + offset;
}

static void on_changing(tideR_fsgate *gate, tideR_fs *op) {
  tideR_file *file = CONTAINER(gate, tideR_file, changes);
  if (op->kind == &tideR_file_sync || op->kind == &tideR_file_datasync)
    return;
  drop_unread(file);
  if (op->kind == &tideR_file_write) {
    op->offset = file->appends || !file->seekable ? -1 : file->position;
    op->flags = file->appends && file->seekable;
  } else if (op->kind == &tideR_file_truncate && op->flags != 0) {
    op->offset = file->position;
  }
}

static void on_changed(tideR_fsgate *gate, tideR_fs *op) {
  tideR_file *file = CONTAINER(gate, tideR_file, changes);
  if (op->kind == &tideR_file_write && file->seekable) {
    if (!file->appends)
      file->position += (int64_t)op->length;
    else if (op->result >= 0 && op->length > 0)
      file->position = (int64_t)op->stat.st_size;
  } else if (op->kind == &tideR_file_seek && op->result >= 0) {
    op->result = file->seekable ? sought(file, (tideR_whence)op->flags,
                                         op->offset, (int64_t)op->stat.st_size)
                                : UV_ESPIPE;
    if (op->result >= 0)
      file->position = op->result;
  }
}

/* Who reads meanwhile goes on where it left off. */
static void on_gone_through(tideR_fsgate *gate, tideR_fs *op) {
  tideR_file *file = CONTAINER(gate, tideR_file, changes);
  on_changed(gate, op);
  if (gate->head == NULL && !file->stream.handle.closed)
    go_on(file);
}

bool tideR_file_seek_now(tideR_file *file, tideR_whence whence, int64_t offset,
                         int64_t *position) {
  const tideR_stream *stream = &file->stream;
  int64_t now, unread = (int64_t)(stream->unread.length + file->ahead_length);
  if (file->changes.running != NULL || whence == TIDE_SEEK_END ||
      (stream->busy && stream->decided))
    return false;
  *position = UV_ESPIPE;
  if (!file->seekable)
    return true;
  now = file->position;
  file->position -= unread;
  *position = sought(file, whence, offset, 0);
  unread = file->position;
  file->position = now;
  if (*position < 0 || *position == unread)
    return true;
  drop_unread(file);
  file->position = *position;
  return true;
}

/* What is read meanwhile comes from before or from after it, no one knows. */
void tideR_file_written(tideR_file *file, const tideR_fs *op) {
  size_t unread = file->stream.unread.length + file->ahead_length;
  int64_t from = file->position - (int64_t)unread;
  int64_t to = file->fetching ? INT64_MAX : file->position;
  int64_t end = op->offset + (int64_t)op->length;
  if (file->appends || (op->offset < to && end > from))
    drop_unread(file);
}

tideR_fs *tideR_file_do(tideR_file *file, const tideR_fskind *kind) {
  tideR_fs *op = tideR_fs_new(file->stream.handle.rt, kind, NULL, 0, NULL, 0);
  if (op == NULL)
    return NULL;
  if (file->fd == NULL) {
    op->refused = UV_ECANCELED;
    return op;
  }
  use(op, file->fd);
  if (kind != &tideR_file_stat && kind != &tideR_file_pread &&
      kind != &tideR_file_pwrite)
    op->gate = &file->changes;
  if (kind == &tideR_file_pread)
    op->now = tideR__file_pread_now;
  return op;
}

/* ---- life ---- */

/* The operations that are under way have their own use of the descriptor. */
static void close_file(tideR_handle *handle) {
  tideR_file *file = file_of(handle);
  tideR_fd *fd = file->fd;
  file->fd = NULL;
  forget_ahead(file);
  tideR__stream_closed(&file->stream);
  if (!file->fetching)
    tideR_file_end(handle->rt, file->fetch);
  if (fd != NULL)
    drop(handle->rt, fd);
}

tideR_fs *tideR_file_closing(tideR_file *file) {
  tideR_handle *handle = &file->stream.handle;
  tideR_fd *fd = file->fd;
  tideR_fs *op = NULL;
  if (fd != NULL && !file->fetching && !is_alone(handle->rt) &&
      atomic_load(&fd->users) == 2)
    op = tideR_fs_new(handle->rt, &tideR_file_close, NULL, 0, NULL, 0);
  if (op != NULL) {
    op->state = fd; /* the file's use of it */
    op->holds = true;
    file->fd = NULL;
  }
  tideR_handle_close(handle);
  return op;
}

static bool is_active(const tideR_handle *handle) {
  (void)handle;
  return false;
}

static void let_go(tideR_file *file) {
  tideR_fs_remove_gate(&file->fetches);
  tideR_fs_remove_gate(&file->changes);
  if (file->fetch != NULL)
    tideR_fs_release(file->fetch);
  file->fetch = NULL;
  forget_ahead(file);
}

static void orphan_file(tideR_handle *handle) {
  tideR_file *file = file_of(handle);
  tideR__stream_orphan(&file->stream);
  let_go(file);
}

static void free_file(tideR_handle *handle) {
  tideR_file *file = file_of(handle);
  if (handle->rt != NULL)
    orphan_file(handle);
  free(file);
}

static bool is_seekable(const uv_stat_t *stat) {
  int type = (int)(stat->st_mode & S_IFMT);
#ifndef _WIN32
  if (type == S_IFBLK)
    return true;
#endif
  return type == S_IFREG || type == S_IFDIR;
}

tideR_file *tideR_file_new(tideR_runtime *rt, tideR_fs *open, bool appends) {
  static const tideR_handlekind kind = {"file", close_file, is_active,
                                        orphan_file, free_file};
  static const tideR_transport transport = {
      .start = start, .stop = stop, .grows = true};
  tideR_file *file = calloc(1, sizeof *file);
  tideR_fs *fetch = NULL;
  if (file != NULL)
    fetch = tideR_fs_new(rt, &tideR_file_read, NULL, 0, NULL, 0);
  if (fetch == NULL) {
    free(file);
    return NULL;
  }
  tideR__stream_init(rt, &file->stream, &kind, &transport);
  tideR_fs_take(open);
  file->fd = open->state;
  use(fetch, file->fd);
  file->fetch = fetch;
  file->fetches = (tideR_fsgate){.begins = on_fetching, .ended = on_fetched};
  file->changes =
      (tideR_fsgate){.begins = on_changing, .ended = on_gone_through};
  file->block = BLOCK_FIRST;
  file->seekable = is_seekable(&open->stat);
  file->appends = appends;
  if (appends && file->seekable && (open->flags & UV_FS_O_WRONLY))
    file->position = (int64_t)open->stat.st_size;
  if (!file->seekable)
    tideR__ignore_sigpipe();
  return file;
}
