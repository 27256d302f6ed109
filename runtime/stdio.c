/*
 * stdio.c: standard input, output and error as streams.
 *
 * Others have these descriptors, too: the rest of the program, by io.write and
 * print, its children, the shell. So a stream has a descriptor of its own for
 * it (sharing.c), takes bytes only while a task waits for some, and closing it
 * closes nothing of anybody else's.
 *
 * What is unsent when the runtime or the process ends goes out then, for some
 * seconds.
 */
#ifndef _WIN32
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "standard.h"

#define FLUSH_SECONDS 5
#define GUARDS 4

typedef struct stdio {
  tideR_stream stream;
  uv_poll_t poll;
  bool polls; /* libuv has that */
  int number;
  int wanted; /* events */
  tideR_shared shared;
  tideR_buffer pending; /* unsent */
  tideR_terminal terminal;
  tideR_signal guards[GUARDS]; /* while that is raw */
  struct stdio *next;          /* of the process, while something is unsent */
  bool listed;
} stdio;

static stdio *stdio_of(const tideR_stream *stream) {
  return CONTAINER(stream, stdio, stream);
}

/* ---- those with something unsent, for the end of the process ---- */

static stdio *unsent;
static atomic_flag listing = ATOMIC_FLAG_INIT;

static void lock(void) {
  while (atomic_flag_test_and_set(&listing))
    continue;
}

static void unlock(void) {
  atomic_flag_clear(&listing);
}

/* UV_EAGAIN: not now. */
static ssize_t put(stdio *it, const char *bytes, size_t size) {
  uv_buf_t rest = uv_buf_init((char *)bytes, 0);
  rest.len = size;
  return tideR__shared_write(&it->shared, &rest, 1);
}

/* False: not any more. */
static bool wait_for_room(const stdio *it, uint64_t until) {
  uint64_t now = uv_hrtime();
  return now < until && tideR__shared_writable(
                            &it->shared, (int)((until - now) / 1000000) + 1);
}

static uint64_t after(double seconds) {
  return uv_hrtime() + (uint64_t)(seconds * 1e9);
}

/* The process ends: nobody is told of it. In the child of a fork it is the
 * parent's. */
static void flush_at_exit(void) {
  uint64_t until = after(FLUSH_SECONDS);
  for (stdio *it = unsent; it != NULL; it = it->next) {
    size_t sent = 0, size = it->pending.length;
    if (tideR_loop_forked(it->stream.handle.rt))
      continue;
    while (sent < size) {
      ssize_t n = put(it, it->pending.bytes + sent, size - sent);
      if (n != UV_EAGAIN && n <= 0)
        break;
      sent += n > 0 ? (size_t)n : 0;
      if (sent < size && !wait_for_room(it, until))
        break;
    }
  }
}

static void list(stdio *it) {
  static bool is_set;
  lock();
  if (!is_set)
    is_set = atexit(flush_at_exit) == 0;
  it->next = unsent;
  unsent = it;
  it->listed = true;
  unlock();
}

static void unlist(stdio *it) {
  stdio **link = &unsent;
  lock();
  while (*link != NULL && *link != it)
    link = &(*link)->next;
  if (*link == it)
    *link = it->next;
  it->listed = false;
  unlock();
}

/* ---- what is waited for ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

static int want(stdio *it, int events) {
  int err = 0;
  if (events == it->wanted)
    return 0;
  if (events == 0)
    uv_poll_stop(&it->poll);
  else
    err = uv_poll_start(&it->poll, events, on_poll);
  it->wanted = err < 0 ? 0 : events;
  return err;
}

/* ---- reading ---- */

static void fetch(tideR_stream *stream) {
  stdio *it = stdio_of(stream);
  size_t size;
  char *room = tideR__stream_room(stream, &size);
  ssize_t n;
  if (room == NULL) {
    tideR__stream_starved(stream);
    return;
  }
  n = tideR__shared_read(&it->shared, room, size);
  tideR__stream_filled(stream, n == UV_EAGAIN ? 0 : n);
}

/* A file is read until that is decided, at once. */
static int start(tideR_stream *stream) {
  stdio *it = stdio_of(stream);
  if (it->polls)
    return want(it, it->wanted | UV_READABLE);
  while (stream->started)
    fetch(stream);
  return 0;
}

static void stop(tideR_stream *stream) {
  stdio *it = stdio_of(stream);
  if (it->polls)
    want(it, it->wanted & ~UV_READABLE);
}

static void on_readable(stdio *it) {
  if (tideR__stream_defers(&it->stream))
    tideR__stream_readable(&it->stream);
  else if (it->stream.busy && !it->stream.decided)
    fetch(&it->stream);
  tideR__stream_rest(&it->stream);
}

/* ---- writing ---- */

/* What the program has written by other ways is before it. */
static void flush_others(const stdio *it) {
  if (it->number == 1)
    fflush(stdout);
  else if (it->number == 2)
    fflush(stderr);
}

static ssize_t try_write(tideR_stream *stream, const uv_buf_t *bufs,
                         unsigned n) {
  stdio *it = stdio_of(stream);
  flush_others(it);
  return tideR__shared_write(&it->shared, bufs, n);
}

/* What did not go out to a file at once failed: why is told by the next try. */
static int write_file(stdio *it, const uv_buf_t *bufs, size_t skip) {
  ssize_t n;
  for (; skip >= bufs->len; bufs++)
    skip -= bufs->len;
  n = put(it, bufs->base + skip, bufs->len - skip);
  return n < 0 ? (int)n : UV_EIO;
}

static int write_rest(tideR_stream *stream, const uv_buf_t *bufs, unsigned n,
                      size_t skip, size_t size) {
  stdio *it = stdio_of(stream);
  int err = 0;
  if (!it->polls)
    return write_file(it, bufs, skip);
  if (!tideR__buffer_reserve(stream->handle.rt, &it->pending, size))
    return UV_ENOMEM;
  err = want(it, it->wanted | UV_WRITABLE);
  if (err < 0)
    return err;
  tideR__copy_bufs(it->pending.bytes + it->pending.length, bufs, n, skip);
  it->pending.length += size;
  if (!it->listed)
    list(it);
  return 0;
}

/* Nothing is left of it. */
static void end_pending(stdio *it, int err) {
  size_t length = it->pending.length;
  tideR__buffer_clear(it->stream.handle.rt, &it->pending);
  unlist(it);
  if (!it->stream.handle.closed)
    want(it, it->wanted & ~UV_WRITABLE);
  if (err < 0)
    tideR__stream_sent(&it->stream, length, err);
  if (it->stream.ending && !it->stream.ended)
    tideR__stream_ended(&it->stream, err);
}

/* True: it may go on. */
static bool send_some(stdio *it) {
  ssize_t n = put(it, it->pending.bytes, it->pending.length);
  if (n == UV_EAGAIN)
    return true;
  if (n < 0) {
    end_pending(it, (int)n);
    return false;
  }
  tideR__buffer_take(it->stream.handle.rt, &it->pending, (size_t)n);
  tideR__stream_sent(&it->stream, (size_t)n, 0);
  if (it->pending.length == 0)
    end_pending(it, 0);
  return it->pending.length > 0;
}

static int shut(tideR_stream *stream) {
  if (stdio_of(stream)->pending.length == 0)
    tideR__stream_ended(stream, 0);
  return 0;
}

void tideR_stdio_flush(tideR_stream *stream, double seconds) {
  stdio *it = stdio_of(stream);
  uint64_t until = after(seconds);
  if (stream->handle.rt == NULL || tideR_loop_forked(stream->handle.rt))
    return; /* the parent sends it */
  while (it->pending.length > 0 && send_some(it) && wait_for_room(it, until))
    continue;
}

void tideR_stdio_flush_all(tideR_runtime *rt, double seconds) {
  for (int i = 0; i < 3; i++)
    if (rt->stdio[i] != NULL)
      tideR_stdio_flush(rt->stdio[i], seconds);
}

void tideR__stdio_end(tideR_runtime *rt) {
  tideR_stdio_flush_all(rt, FLUSH_SECONDS);
}

/* libuv has stopped it if that went wrong: what did is told by the call. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  stdio *it = poll->data;
  int wanted = it->wanted;
  if (status < 0) {
    events = wanted;
    it->wanted = 0;
    want(it, wanted);
  }
  if (events & UV_WRITABLE && it->pending.length > 0)
    send_some(it);
  if (events & UV_READABLE)
    on_readable(it);
}

/* ---- terminals ---- */

bool tideR_stdio_is_terminal(const tideR_stream *stream) {
  return tideR_stream_is_stdio(stream) && !stream->handle.closed &&
         isatty(stdio_of(stream)->shared.fd);
}

static void unguard(stdio *it) {
  for (int i = 0; i < GUARDS; i++)
    tideR_signal_unwatch(&it->guards[i]);
}

/* A handler that was there got the signal, in our place: lua's own does with
 * SIGINT, and has the next one end the process. */
static void on_passed(tideR_signal *signal) {
  tideR_signal_again(signal);
}

/* If one cannot be watched it is as without a guard. */
static void guard(stdio *it) {
  static const int numbers[GUARDS] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  for (int i = 0; i < GUARDS; i++) {
    tideR_signal *signal = &it->guards[i];
    if (signal->rt != NULL)
      continue;
    tideR_signal_init(signal);
    signal->aside = true;
    tideR_signal_watch(it->stream.handle.rt, signal, numbers[i], false,
                       on_passed);
  }
}

int tideR_stdio_raw(tideR_stream *stream, tideR_keys keys) {
  stdio *it = stdio_of(stream);
  int err;
  if (stream->handle.closed)
    return UV_ECANCELED;
  if (!tideR_stdio_is_terminal(stream))
    return UV_ENOTTY;
  if (keys != TIDE_KEYS_LINES)
    guard(it);
  err = tideR__terminal_set(&it->terminal, it->shared.fd, keys);
  if (it->terminal.slot == 0)
    unguard(it);
  return err;
}

int tideR_stdio_size(const tideR_stream *stream, int *columns, int *rows) {
  if (stream->handle.closed)
    return UV_ECANCELED;
  if (!tideR_stdio_is_terminal(stream))
    return UV_ENOTTY;
  return tideR__terminal_size(stdio_of(stream)->shared.fd, columns, rows);
}

/* ---- life ---- */

static void on_close(uv_handle_t *handle) {
  stdio *it = handle->data;
  tideR__handle_done(&it->stream.handle);
}

static void close_stdio(tideR_handle *handle) {
  stdio *it = CONTAINER(handle, stdio, stream.handle);
  handle->rt->stdio[it->number] = NULL;
  tideR__terminal_set(&it->terminal, it->shared.fd, TIDE_KEYS_LINES);
  unguard(it);
  unlist(it);
  tideR__buffer_clear(handle->rt, &it->pending);
  if (it->polls)
    uv_close((uv_handle_t *)&it->poll, on_close);
  if (it->shared.fd >= 0)
    close(it->shared.fd);
  tideR__stream_closed(&it->stream);
}

static bool is_active(const tideR_handle *handle) {
  const stdio *it = CONTAINER(handle, stdio, stream.handle);
  return it->wanted != 0;
}

static void orphan_stdio(tideR_handle *handle) {
  stdio *it = CONTAINER(handle, stdio, stream.handle);
  tideR__stream_orphan(&it->stream);
  tideR__buffer_clear(handle->rt, &it->pending);
}

static void free_stdio(tideR_handle *handle) {
  if (handle->rt != NULL)
    orphan_stdio(handle);
  free(CONTAINER(handle, stdio, stream.handle));
}

static const tideR_handlekind kind = {"stream", close_stdio, is_active,
                                      orphan_stdio, free_stdio};

bool tideR_stream_is_stdio(const tideR_stream *stream) {
  return stream->handle.kind == &kind;
}

int tideR_stdio_fileno(const tideR_stream *stream) {
  return stdio_of(stream)->number;
}

/* What can be waited for is; of what cannot, files above all, there is no need.
 * libuv makes the descriptor one that never blocks: it is not always ours. */
static int poll_shared(stdio *it) {
  tideR_runtime *rt = it->stream.handle.rt;
  int flags = fcntl(it->shared.fd, F_GETFL), err;
  if (it->shared.kind == SHARED_FILE)
    return 0;
  err = uv_poll_init(rt->uv, &it->poll, it->shared.fd);
  if (flags >= 0 && !(flags & O_NONBLOCK))
    fcntl(it->shared.fd, F_SETFL, flags);
  if (err == UV_EPERM) {
    it->shared.kind = SHARED_FILE;
    return 0;
  }
  if (err < 0)
    return err;
  it->poll.data = it;
  it->polls = true;
  tideR__handle_keep(&it->stream.handle);
  return 0;
}

static int open_shared(stdio *it) {
  int err;
  if (tideR__stdio_is_reserved(it->number))
    return UV_EBADF;
  err = tideR__permit(it->stream.handle.rt, "stdio");
  if (err == 0)
    err = tideR__shared_open(it->number, &it->shared);
  return err < 0 ? err : poll_shared(it);
}

/* The system would not tell who waits until such a pipe can be read. */
static bool is_only_written(const stdio *it) {
  int flags = fcntl(it->shared.fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY;
}

int tideR_stdio_open(tideR_runtime *rt, int number, tideR_stream **out) {
  static const tideR_transport transport = {start,      stop, fetch, try_write,
                                            write_rest, shut, false};
  stdio *it = calloc(1, sizeof *it);
  int err;
  *out = NULL;
  if (it == NULL)
    return UV_ENOMEM;
  tideR__ignore_sigpipe();
  tideR__stream_init(rt, &it->stream, &kind, &transport);
  it->number = number;
  it->stream.handle.stays = true;
  it->shared.fd = -1;
  it->stream.lazy = true;
  it->stream.high_water = 0; /* a write waits until it is out */
  rt->stdio[number] = &it->stream;
  err = open_shared(it);
  if (err == 0 && is_only_written(it))
    it->stream.end = UV_EBADF;
  if (err == UV_EBADF) {
    it->stream.end = it->stream.failure = err;
  } else if (err < 0) {
    tideR_handle_release(&it->stream.handle);
    return err;
  }
  *out = &it->stream;
  return 0;
}

/* ---- what was closed when the program began ---- */

static atomic_int reserved; /* a bit for each */

void tideR__stdio_reserve(void) {
  for (int number = 0; number < 3; number++) {
    if (fcntl(number, F_GETFD) >= 0)
      continue;
    if (open("/dev/null", O_RDWR) == number)
      atomic_fetch_or(&reserved, 1 << number);
  }
}

bool tideR__stdio_is_reserved(int number) {
  struct stat now, null;
  return atomic_load(&reserved) & 1 << number && fstat(number, &now) == 0 &&
         stat("/dev/null", &null) == 0 && S_ISCHR(now.st_mode) &&
         now.st_rdev == null.st_rdev;
}

#endif
