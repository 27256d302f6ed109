/*
 * wire.c: streams over libuv's handles: sockets, pipes, terminals.
 *
 * A write that does not go out at once has a record with the bytes behind it.
 */
#include <stdlib.h>
#ifndef _WIN32
#include <signal.h>
#endif

#include "socket.h"

#ifdef _WIN32
#define CAN_FETCH false
#else
#define CAN_FETCH true
#endif

typedef struct writing {
  uv_write_t request;
  size_t size;
  char bytes[];
} writing;

static tideR_wire *wire_of(tideR_stream *stream) {
  return CONTAINER(stream, tideR_wire, stream);
}

static void on_close(uv_handle_t *handle) {
  tideR_wire *wire = handle->data;
  tideR__handle_done(&wire->stream.handle);
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room) {
  tideR_wire *wire = handle->data;
  size_t size = 0;
  char *bytes = NULL; /* UV_ENOBUFS */
  (void)wanted;
  if (!CAN_FETCH || !tideR__stream_defers(&wire->stream))
    bytes = tideR__stream_room(&wire->stream, &size);
  *room = uv_buf_init(bytes, (unsigned)size);
}

/* A write that met the reset has taken it away from who reads. */
static int how_it_ended(const tideR_wire *wire) {
  if (wire->stream.failure == UV_ECONNRESET)
    return UV_ECONNRESET;
  return tideR__socket_end(&wire->uv.handle);
}

static void on_read(uv_stream_t *uv, ssize_t n, const uv_buf_t *room) {
  tideR_wire *wire = uv->data;
  bool had_none = n == UV_ENOBUFS && room->base == NULL; /* or the system's */
  if (had_none && CAN_FETCH && tideR__stream_defers(&wire->stream))
    tideR__stream_readable(&wire->stream);
  else if (had_none)
    tideR__stream_starved(&wire->stream);
  else if (n == UV_EOF)
    tideR__stream_filled(&wire->stream, how_it_ended(wire));
  else
    tideR__stream_filled(&wire->stream, n);
}

/* As libuv reads, with nothing left of it but the call. */
static void fetch(tideR_stream *stream) {
  tideR_wire *wire = wire_of(stream);
  size_t size;
  char *room = tideR__stream_room(stream, &size);
  ssize_t n;
  if (room == NULL) {
    tideR__stream_starved(stream);
    return;
  }
  n = tideR__socket_read(&wire->uv.handle, room, size);
  tideR__stream_filled(stream, n == UV_EOF ? how_it_ended(wire) : n);
}

/* Pipes of children go one way: libuv calls the other "not connected", and
 * broken. */
static int start(tideR_stream *stream) {
  uv_stream_t *uv = &wire_of(stream)->uv.stream;
  return uv_is_readable(uv) ? uv_read_start(uv, on_room, on_read) : UV_EBADF;
}

static void stop(tideR_stream *stream) {
  uv_read_stop(&wire_of(stream)->uv.stream);
}

/* ---- writing ---- */

/* To libuv, what reading has failed on cannot be written either. */
static bool only_reads(tideR_stream *stream) {
  return !uv_is_writable(&wire_of(stream)->uv.stream) &&
         (stream->end == 0 || stream->end == UV_EOF);
}

static ssize_t try_write(tideR_stream *stream, const uv_buf_t *bufs,
                         unsigned n) {
  uv_stream_t *uv = &wire_of(stream)->uv.stream;
  ssize_t sent;
  if (uv->type == UV_TCP)
    return tideR__socket_write(uv, bufs, n);
  sent = uv_try_write(uv, bufs, n);
  return sent == UV_EPIPE && only_reads(stream) ? UV_EBADF : sent;
}

static void on_written(uv_write_t *request, int status) {
  writing *it = CONTAINER(request, writing, request);
  tideR_wire *wire = request->handle->data;
  size_t size = it->size;
  free(it);
  tideR__stream_sent(&wire->stream, size, status);
}

static void close_uv(tideR_wire *wire) {
  tideR__descriptors_closing(wire->stream.handle.rt, &wire->uv.handle);
  uv_close(&wire->uv.handle, on_close);
}

static int write_rest(tideR_stream *stream, const uv_buf_t *bufs, unsigned n,
                      size_t skip, size_t size) {
  writing *it = malloc(sizeof *it + size);
  uv_buf_t rest;
  int err;
  if (it == NULL)
    return UV_ENOMEM;
  tideR__copy_bufs(it->bytes, bufs, n, skip);
  it->size = size;
  rest = uv_buf_init(it->bytes, 0);
  rest.len = size;
  err =
      uv_write(&it->request, &wire_of(stream)->uv.stream, &rest, 1, on_written);
  if (err < 0)
    free(it);
  return err;
}

/* Of a pipe, which goes one way only, the end is that it is closed. */
static void on_shutdown(uv_shutdown_t *request, int status) {
  tideR_wire *wire = request->handle->data;
  if (status == UV_ENOTSOCK && wire->uv.handle.type == UV_NAMED_PIPE) {
    status = 0;
    close_uv(wire);
  }
  tideR__stream_ended(&wire->stream, status == UV_ENOTCONN ? 0 : status);
}

static int shut(tideR_stream *stream) {
  tideR_wire *wire = wire_of(stream);
  return uv_shutdown(&wire->request.shutdown, &wire->uv.stream, on_shutdown);
}

/* ---- life ---- */

static void close_wire(tideR_handle *handle) {
  tideR_wire *wire = CONTAINER(handle, tideR_wire, stream.handle);
  if (wire->opening) {
    wire->opening = false;
    wire->opened = UV_ECANCELED;
  }
  tideR_waitq_wake_all(handle->rt, &wire->opener);
  if (!uv_is_closing(&wire->uv.handle))
    close_uv(wire);
  tideR__stream_closed(&wire->stream);
}

static bool is_active(const tideR_handle *handle) {
  const tideR_wire *wire = CONTAINER(handle, tideR_wire, stream.handle);
  return uv_is_active(&wire->uv.handle);
}

static void free_wire(tideR_handle *handle) {
  tideR_wire *wire = CONTAINER(handle, tideR_wire, stream.handle);
  if (handle->rt != NULL)
    tideR__stream_orphan(&wire->stream);
  free(wire);
}

/* A write to a peer that is gone is to be an error and not the program's end:
 * unless the program has said otherwise. */
void tideR__ignore_sigpipe(void) {
#ifndef _WIN32
  struct sigaction action;
  if (sigaction(SIGPIPE, NULL, &action) < 0 || action.sa_handler != SIG_DFL ||
      action.sa_flags & SA_SIGINFO)
    return;
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
#endif
}

static void orphan_wire(tideR_handle *handle) {
  tideR__stream_orphan(CONTAINER(handle, tideR_stream, handle));
}

static const tideR_handlekind kind = {"stream", close_wire, is_active,
                                      orphan_wire, free_wire};

bool tideR_stream_is_wire(const tideR_stream *stream) {
  return stream->handle.kind == &kind;
}

tideR_wire *tideR__wire_new(tideR_runtime *rt) {
  static const tideR_transport transport = {
      start, stop, CAN_FETCH ? fetch : NULL, try_write, write_rest,
      shut,  false};
  static const tideR_waitkind opening = {"connect", tideR__wire_abort, NULL};
  tideR_wire *wire = calloc(1, sizeof *wire);
  if (wire == NULL)
    return NULL;
  tideR__ignore_sigpipe();
  tideR__stream_init(rt, &wire->stream, &kind, &transport);
  tideR_waitq_init(&wire->opener, &opening);
  return wire;
}

/* libuv has its handle from now on. */
void tideR__wire_begin(tideR_wire *wire) {
  wire->uv.handle.data = wire;
  tideR__handle_keep(&wire->stream.handle);
}

/* libuv has not got it: it was never open. */
void tideR__wire_discard(tideR_wire *wire) {
  tideR__handle_shut(&wire->stream.handle);
  tideR__handle_drop(&wire->stream.handle);
}

/* ---- opening ---- */

bool tideR__wire_abort(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  tideR_wire *wire = CONTAINER(task->wait, tideR_wire, opener.wait);
  tideR_waitq_abort(rt, task, why);
  tideR_handle_close(&wire->stream.handle);
  return true;
}

static void on_connect(uv_connect_t *request, int status) {
  tideR_wire *wire = request->handle->data;
  if (!wire->opening)
    return;
  wire->opening = false;
  wire->opened = status;
  tideR_waitq_wake(wire->stream.handle.rt, &wire->opener);
}

uv_connect_t *tideR__wire_connecting(tideR_wire *wire, uv_connect_cb *cb) {
  wire->opening = true;
  *cb = on_connect;
  return &wire->request.connect;
}

bool tideR_wire_opening(const tideR_wire *wire) {
  return wire->opening;
}

int tideR_wire_opened(const tideR_wire *wire) {
  return wire->opened;
}

int tideR_wire_name(const tideR_wire *wire, bool of_peer,
                    struct sockaddr_storage *name, int *size) {
  struct sockaddr *at = (struct sockaddr *)name;
  if (wire->uv.handle.type == UV_TCP)
    return of_peer ? uv_tcp_getpeername(&wire->uv.tcp, at, size)
                   : uv_tcp_getsockname(&wire->uv.tcp, at, size);
  return tideR__socket_name(&wire->uv.handle, of_peer, name, size);
}

void tideR_wire_park(tideR_runtime *rt, tideR_task *task, tideR_wire *wire) {
  tideR_waitq_park(rt, task, &wire->opener);
}
