/*
 * reader.c: reading from a stream, whatever carries it.
 *
 * One task at a time reads. What it wants is decided in the callback that gives
 * the bytes, so that it is woken once; it takes them when it runs, and until
 * then they are its own. Reading goes on while nobody does, until more than
 * twice the limit is unread.
 *
 * Who takes whatever comes is woken without bytes, where the transport can do
 * that: they are fetched when it runs, one stream after the other through the
 * same memory, and not all at once through much of it.
 */
#include <string.h>

#include "internal.h"

#define IN_A_ROW 16 /* reads without a poll */

/* ---- who waits ---- */

static tideR_stream *stream_of(const tideR_task *task) {
  return CONTAINER(task->wait, tideR_stream, reader.wait);
}

static bool abort_reading(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideR_stream *stream = stream_of(task);
  stream->busy = false;
  tideR__stream_rest(stream);
  return tideR_waitq_abort(rt, task, why);
}

/* Who was woken will not come: what it was to have is the next one's. */
static void forfeit_reading(tideR_runtime *rt, tideR_task *task) {
  tideR_stream *stream = stream_of(task);
  (void)rt;
  stream->reading.length = 0;
  stream->reading.cuts = false;
  tideR_stream_take(stream);
}

void tideR__reader_init(tideR_stream *stream) {
  static const tideR_waitkind kind = {"read", abort_reading, forfeit_reading};
  tideR_waitq_init(&stream->reader, &kind);
}

/* ---- what is decided ---- */

static bool end_with(tideR_reading *reading, int status, size_t length) {
  reading->status = status;
  reading->length = length;
  return true;
}

/* Where the first separator ends, of those that end in text, and how long it
 * is; 0: there is none. */
static size_t find_end(const tideR_buffer *text, tideR_reading *reading,
                       size_t *length) {
  size_t first = 0;
  for (unsigned i = 0; i < reading->count; i++) {
    const uv_buf_t *separator = &reading->separators[i];
    size_t n = separator->len, from = reading->scanned, end;
    const char *found;
    from = from >= n ? from - n + 1 : 0;
    found = tideR__find(text->bytes + from, text->length - from,
                        separator->base, n);
    if (found == NULL)
      continue;
    end = (size_t)(found - text->bytes) + n;
    if (first == 0 || end < first || (end == first && n < *length)) {
      first = end;
      *length = n;
    }
  }
  return first;
}

static bool decide_until(tideR_stream *stream, tideR_reading *reading) {
  const tideR_buffer *text = &stream->unread;
  size_t length = 0, end = 0;
  if (text->length > reading->scanned)
    end = find_end(text, reading, &length);
  if (end > 0) {
    bool fits = end - length <= reading->size;
    return end_with(reading, fits ? 0 : UV_EMSGSIZE, fits ? end : 0);
  }
  reading->scanned = text->length;
  for (unsigned i = 0; i < reading->count; i++)
    if (reading->separators[i].len > length)
      length = reading->separators[i].len;
  if (text->length + 1 > length && text->length + 1 - length > reading->size)
    return end_with(reading, UV_EMSGSIZE, 0);
  return stream->end != 0 && end_with(reading, stream->end, text->length);
}

/* One that is too long is taken, too, but for nothing. */
static bool decide_line(tideR_stream *stream, tideR_reading *reading) {
  const tideR_buffer *text = &stream->unread;
  size_t n = text->length;
  const char *newline = NULL;
  if (n > reading->scanned)
    newline =
        memchr(text->bytes + reading->scanned, '\n', n - reading->scanned);
  if (newline != NULL)
    n = (size_t)(newline - text->bytes) + 1;
  if (n > reading->size + (newline != NULL)) {
    reading->cuts = newline == NULL && stream->end == 0;
    return end_with(reading, UV_EMSGSIZE, n);
  }
  if (newline != NULL)
    return end_with(reading, 0, n);
  reading->scanned = n;
  if (stream->end == UV_EOF && n > 0)
    return end_with(reading, 0, n);
  return stream->end != 0 && end_with(reading, stream->end, n);
}

static bool decide(tideR_stream *stream) {
  tideR_reading *reading = &stream->reading;
  size_t n = stream->unread.length;
  switch (reading->wanting) {
  case TIDE_READ_SOME:
    if (n > 0 || reading->size == 0)
      return end_with(reading, 0, n < reading->size ? n : reading->size);
    return stream->end != 0 && end_with(reading, stream->end, 0);
  case TIDE_READ_EXACTLY:
    if (n >= reading->size)
      return end_with(reading, 0, reading->size);
    return stream->end != 0 && end_with(reading, stream->end, n);
  case TIDE_READ_ALL:
    return stream->end != 0 &&
           end_with(reading, stream->end != UV_EOF ? stream->end : 0, n);
  case TIDE_READ_LINE:
    return decide_line(stream, reading);
  default:
    return decide_until(stream, reading);
  }
}

/* ---- the transport's side ---- */

static int start(tideR_stream *stream) {
  int err;
  if (stream->started || stream->end != 0)
    return 0;
  stream->started = true;
  err = stream->transport->start(stream);
  if (err < 0)
    stream->started = false;
  return err;
}

static void stop(tideR_stream *stream) {
  if (stream->started)
    stream->transport->stop(stream);
  stream->started = false;
}

static bool is_wanted(const tideR_stream *stream) {
  return stream->busy && !stream->decided;
}

void tideR__stream_rest(tideR_stream *stream) {
  if (stream->lazy && !is_wanted(stream))
    stop(stream);
}

/* So that what is known to come needs no second place. If there is no memory
 * for all of it, less may come. */
static void reserve(tideR_stream *stream) {
  const tideR_reading *reading = &stream->reading;
  size_t n = stream->unread.length;
  if (is_wanted(stream) && reading->wanting == TIDE_READ_EXACTLY &&
      reading->size - n >= TIDE_LIMIT)
    tideR__buffer_reserve(stream->handle.rt, &stream->unread,
                          reading->size - n);
}

char *tideR__stream_room(tideR_stream *stream, size_t *size) {
  char *room;
  *size = 0;
  reserve(stream);
  room = tideR__buffer_room(stream->handle.rt, &stream->unread, size);
  stream->offered = *size;
  return room;
}

/* What is left of a line that was too long; the rest of it may come later. */
static void skip_line(tideR_stream *stream) {
  tideR_buffer *unread = &stream->unread;
  const char *newline = memchr(unread->bytes, '\n', unread->length);
  size_t n = unread->length;
  if (newline != NULL)
    n = (size_t)(newline - unread->bytes) + 1;
  stream->skips = newline == NULL;
  tideR__buffer_take(stream->handle.rt, unread, n);
}

static void settle(tideR_stream *stream) {
  if (is_wanted(stream) && decide(stream)) {
    stream->decided = true;
    tideR_waitq_wake(stream->handle.rt, &stream->reader);
  }
  if (stream->end != 0 ||
      (stream->unread.length > 2 * stream->limit && !is_wanted(stream)))
    stop(stream);
  tideR__stream_rest(stream);
}

void tideR__stream_filled(tideR_stream *stream, ssize_t n) {
  size_t offered = stream->offered, came = n > 0 ? (size_t)n : 0;
  stream->offered = 0;
  if (stream->handle.closed)
    return;
  if (offered > 0)
    tideR__buffer_filled(stream->handle.rt, &stream->unread, offered, came);
  stream->was_full = came > 0 && came == offered;
  stream->bytes_read += came;
  if (n < 0)
    stream->end = (int)n;
  if (stream->skips && stream->unread.length > 0)
    skip_line(stream);
  if (n != 0)
    settle(stream);
}

bool tideR__stream_defers(const tideR_stream *stream) {
  return is_wanted(stream) && stream->unread.length == 0 &&
         stream->reading.wanting == TIDE_READ_SOME && !stream->skips;
}

void tideR__stream_readable(tideR_stream *stream) {
  if (stream->deferred)
    return;
  stream->deferred = true;
  tideR_waitq_wake(stream->handle.rt, &stream->reader);
}

void tideR__stream_starved(tideR_stream *stream) {
  stop(stream);
  if (!is_wanted(stream))
    return;
  stream->decided = end_with(&stream->reading, UV_ENOMEM, 0);
  tideR_waitq_wake(stream->handle.rt, &stream->reader);
}

/* Bytes that who reads now will take are left to it. */
void tideR__reader_closed(tideR_stream *stream) {
  stream->started = false;
  stream->end = UV_ECANCELED;
  if (stream->held || (stream->busy && stream->decided))
    return;
  tideR__buffer_clear(stream->handle.rt, &stream->unread);
  settle(stream);
}

/* ---- the reader's side ---- */

/* What has filled all the room was not all: the next bytes are asked for before
 * the poll is, as libuv would. But others are to have their turns. */
static bool goes_on(tideR_stream *stream) {
  if (!stream->was_full || !stream->started || stream->lazy ||
      stream->transport->fetch == NULL || stream->in_a_row == IN_A_ROW)
    return false;
  stream->in_a_row++;
  return true;
}

/* Bytes may come at once. */
static int ask(tideR_stream *stream) {
  int err = 0;
  stream->busy = true;
  if (!stream->started)
    err = start(stream);
  else if (goes_on(stream))
    stream->transport->fetch(stream);
  stream->busy = false;
  return err;
}

bool tideR_stream_ready(tideR_stream *stream, const tideR_reading *reading) {
  stream->held = false; /* if it still was, the last one has failed */
  if (stream->transport->grows && !stream->handle.closed)
    stream->end = 0;
  stream->reading = *reading;
  stream->decided = decide(stream);
  if (!stream->decided) {
    int err = ask(stream);
    if (err < 0 && !stream->decided)
      stream->decided = end_with(&stream->reading, err, 0);
  }
  return stream->decided;
}

tideR_wait *tideR_stream_promise(tideR_stream *stream) {
  stream->busy = true;
  return &stream->reader.wait;
}

void tideR_stream_park(tideR_runtime *rt, tideR_task *task,
                       tideR_stream *stream) {
  tideR_waitq_park(rt, task, &stream->reader);
  stream->busy = true;
  stream->in_a_row = 0;
}

bool tideR_stream_fetch(tideR_stream *stream) {
  if (!stream->deferred)
    return true;
  stream->deferred = false;
  if (!stream->decided)
    stream->transport->fetch(stream);
  stream->busy = stream->decided;
  return stream->decided;
}

const tideR_reading *tideR_stream_see(tideR_stream *stream,
                                      const char **bytes) {
  stream->busy = stream->decided = false;
  stream->held = true;
  *bytes = stream->unread.bytes;
  return &stream->reading;
}

void tideR_stream_take(tideR_stream *stream) {
  bool paused = !stream->started && stream->bytes_read > 0;
  tideR_runtime *rt = stream->handle.rt;
  stream->busy = stream->decided = stream->held = stream->deferred = false;
  if (stream->handle.closed) {
    tideR__buffer_clear(rt, &stream->unread);
    return;
  }
  if (stream->reading.length > 0)
    tideR__buffer_take(rt, &stream->unread, stream->reading.length);
  if (stream->reading.cuts) {
    stream->skips = true;
    if (stream->unread.length > 0)
      skip_line(stream); /* what has come meanwhile */
  }
  tideR__stream_rest(stream);
  if (paused && !stream->lazy && stream->unread.length <= stream->limit)
    start(stream); /* if it cannot, who reads next is told */
}
