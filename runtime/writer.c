/*
 * writer.c: writing to a stream, whatever carries it.
 *
 * What goes out at once is never copied. The rest is, and counts as unsent: who
 * wrote goes on while that is no more than the high-water mark. Each write is
 * whole and they are in order, as the next is only tried when nothing is
 * unsent. The first failure is that of all that come later.
 */
#include <string.h>

#include "internal.h"

static size_t total(const uv_buf_t *bufs, unsigned n) {
  size_t size = 0;
  for (unsigned i = 0; i < n; i++)
    size += bufs[i].len;
  return size;
}

int tideR_stream_write(tideR_stream *stream, const uv_buf_t *bufs, unsigned n) {
  size_t size = total(bufs, n);
  ssize_t sent = 0;
  int err;
  if (stream->failure != 0)
    return stream->failure;
  if (stream->ending)
    return UV_EPIPE;
  if (size == 0)
    return 0;
  if (stream->unsent == 0)
    sent = stream->transport->try_write(stream, bufs, n);
  if (sent == UV_EAGAIN)
    sent = 0;
  if (sent < 0)
    return stream->failure = (int)sent;
  stream->bytes_written += (size_t)sent;
  size -= (size_t)sent;
  if (size == 0)
    return 0;
  err = stream->transport->write(stream, bufs, n, (size_t)sent, size);
  if (err < 0) {
    if (sent > 0) /* what comes next would not be what is to come */
      stream->failure = err;
    return err;
  }
  stream->unsent += size;
  return 0;
}

/* If there is never a last one, what comes next would not be what is to come.
 */
int tideR_stream_write_part(tideR_stream *stream, const uv_buf_t *bufs,
                            unsigned n, int part) {
  bool first = part & TIDE_PART_FIRST, last = part & TIDE_PART_LAST;
  int err;
  if (!first)
    stream->failure = stream->handle.closed ? UV_ECANCELED : 0;
  err = tideR_stream_write(stream, bufs, n);
  if (err < 0 ? !first : !last)
    stream->failure = err < 0 ? err : UV_ENOMEM;
  return err;
}

void tideR__copy_bufs(char *to, const uv_buf_t *bufs, unsigned n, size_t skip) {
  for (unsigned i = 0; i < n; i++) {
    size_t length = bufs[i].len;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    memcpy(to, bufs[i].base + skip, length - skip);
    to += length - skip;
    skip = 0;
  }
}

bool tideR_stream_drained(const tideR_stream *stream) {
  return stream->failure != 0 ||
         (stream->unsent == 0 && stream->ending == stream->ended);
}

void tideR_stream_park_full(tideR_runtime *rt, tideR_task *task,
                            tideR_stream *stream) {
  tideR_waitq_park(rt, task, &stream->writers);
}

void tideR_stream_park_drain(tideR_runtime *rt, tideR_task *task,
                             tideR_stream *stream) {
  tideR_waitq_park(rt, task, &stream->drainers);
}

int tideR_stream_shutdown(tideR_stream *stream) {
  int err;
  if (stream->failure != 0)
    return stream->failure;
  if (stream->ending)
    return 0;
  stream->ending = true;
  err = stream->transport->shutdown(stream);
  if (err < 0)
    stream->ending = false;
  return err;
}

static void settle(tideR_stream *stream, int status) {
  if (status < 0 && stream->failure == 0)
    stream->failure = status;
  if (!tideR_stream_full(stream))
    tideR_waitq_wake_all(stream->handle.rt, &stream->writers);
  if (tideR_stream_drained(stream))
    tideR_waitq_wake_all(stream->handle.rt, &stream->drainers);
}

void tideR__stream_sent(tideR_stream *stream, size_t n, int status) {
  stream->unsent -= n;
  if (status == 0)
    stream->bytes_written += n;
  settle(stream, status);
}

void tideR__stream_ended(tideR_stream *stream, int status) {
  stream->ended = true;
  settle(stream, status);
}
