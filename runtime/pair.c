/*
 * pair.c: two streams in memory: what is written to one is read from the other.
 *
 * What the reader has no room for waits at the writer's, as unsent. Nothing of
 * it needs the loop: time can be virtual.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

typedef struct half {
  tideR_stream stream;
  struct half *peer;    /* NULL: it is closed */
  tideR_buffer pending; /* unsent */
} half;

static half *half_of(tideR_stream *stream) {
  return CONTAINER(stream, half, stream);
}

/* Where what is given goes. Bytes that are being made a string stay where they
 * are: a finaliser may write then. */
static char *room_of(half *peer, size_t *size) {
  if (tideR_stream_held(&peer->stream))
    return NULL;
  return tideR__stream_room(&peer->stream, size);
}

/* As much of it as the peer takes now. Without room it starves, and what is
 * left waits. */
static size_t give(half *peer, const char *bytes, size_t n) {
  size_t given = 0;
  while (given < n && peer->stream.started) {
    size_t size;
    char *room = room_of(peer, &size);
    if (room == NULL) {
      tideR__stream_starved(&peer->stream);
      break;
    }
    if (size > n - given)
      size = n - given;
    memcpy(room, bytes + given, size);
    given += size;
    tideR__stream_filled(&peer->stream, (ssize_t)size);
  }
  return given;
}

/* The writer has nothing more to give. */
static void end_if_due(half *writer, half *reader) {
  bool over =
      writer == NULL || (writer->stream.ending && writer->pending.length == 0);
  if (over && reader->stream.started)
    tideR__stream_filled(&reader->stream, UV_EOF);
}

static int start(tideR_stream *stream) {
  half *reader = half_of(stream), *writer = reader->peer;
  size_t given = 0;
  if (writer != NULL && writer->pending.length > 0)
    given = give(reader, writer->pending.bytes, writer->pending.length);
  if (given > 0) {
    tideR__buffer_take(stream->handle.rt, &writer->pending, given);
    tideR__stream_sent(&writer->stream, given, 0);
    if (writer->stream.ending && writer->pending.length == 0)
      tideR__stream_ended(&writer->stream, 0);
  }
  end_if_due(writer, reader);
  return 0;
}

static void stop(tideR_stream *stream) {
  (void)stream;
}

static ssize_t try_write(tideR_stream *stream, const uv_buf_t *bufs,
                         unsigned n) {
  half *peer = half_of(stream)->peer;
  size_t sent = 0;
  if (peer == NULL)
    return UV_EPIPE;
  for (unsigned i = 0; i < n; i++) {
    size_t given = give(peer, bufs[i].base, bufs[i].len);
    sent += given;
    if (given < bufs[i].len)
      break;
  }
  return sent > 0 ? (ssize_t)sent : UV_EAGAIN;
}

static int write_rest(tideR_stream *stream, const uv_buf_t *bufs, unsigned n,
                      size_t skip, size_t size) {
  half *it = half_of(stream);
  if (!tideR__buffer_reserve(stream->handle.rt, &it->pending, size))
    return UV_ENOMEM;
  tideR__copy_bufs(it->pending.bytes + it->pending.length, bufs, n, skip);
  it->pending.length += size;
  return 0;
}

static int shut(tideR_stream *stream) {
  half *writer = half_of(stream);
  if (writer->pending.length > 0)
    return 0;
  tideR__stream_ended(stream, 0);
  if (writer->peer != NULL)
    end_if_due(writer, writer->peer);
  return 0;
}

static void orphan_half(tideR_handle *handle) {
  half *it = half_of(CONTAINER(handle, tideR_stream, handle));
  tideR__stream_orphan(&it->stream);
  tideR__buffer_clear(handle->rt, &it->pending);
}

static void close_half(tideR_handle *handle) {
  half *it = half_of(CONTAINER(handle, tideR_stream, handle));
  half *peer = it->peer;
  tideR__buffer_clear(handle->rt, &it->pending);
  tideR__stream_closed(&it->stream);
  it->peer = NULL;
  if (peer == NULL)
    return;
  peer->peer = NULL;
  tideR__stream_sent(&peer->stream, peer->pending.length,
                     peer->pending.length > 0 ? UV_EPIPE : 0);
  tideR__buffer_clear(handle->rt, &peer->pending);
  end_if_due(NULL, peer);
}

static bool is_active(const tideR_handle *handle) {
  (void)handle;
  return false;
}

static void free_half(tideR_handle *handle) {
  half *it = half_of(CONTAINER(handle, tideR_stream, handle));
  if (handle->rt != NULL)
    orphan_half(handle);
  free(it);
}

static half *half_new(tideR_runtime *rt) {
  static const tideR_handlekind kind = {"stream", close_half, is_active,
                                        orphan_half, free_half};
  static const tideR_transport transport = {start,      stop, NULL, try_write,
                                            write_rest, shut, false};
  half *it = calloc(1, sizeof *it);
  if (it != NULL)
    tideR__stream_init(rt, &it->stream, &kind, &transport);
  return it;
}

int tideR_pair_new(tideR_runtime *rt, tideR_stream *out[2]) {
  half *one = half_new(rt), *other = one != NULL ? half_new(rt) : NULL;
  out[0] = out[1] = NULL;
  if (other == NULL) {
    if (one != NULL)
      tideR_handle_release(&one->stream.handle);
    return UV_ENOMEM;
  }
  one->peer = other;
  other->peer = one;
  /* As a socket takes bytes before anybody reads them. */
  one->stream.started = other->stream.started = true;
  out[0] = &one->stream;
  out[1] = &other->stream;
  return 0;
}
