/* source.h: a stream whose bytes the test gives, and who reads it. */
#ifndef TIDE_SOURCE_H
#define TIDE_SOURCE_H

#include "handle.h"
#include "test.h"

static struct {
  tideR_stream *stream;
  bool wanted; /* bytes are: between start and stop */
  unsigned starts;
  int refuses;      /* to start, with that code */
  size_t there;     /* bytes that can be fetched */
  unsigned fetches; /* so many times that was tried */
} source;

static inline int start_source(tideR_stream *stream) {
  (void)stream;
  CHECK(!source.wanted);
  if (source.refuses < 0)
    return source.refuses;
  source.wanted = true;
  source.starts++;
  return 0;
}

static inline void stop_source(tideR_stream *stream) {
  (void)stream;
  CHECK(source.wanted);
  source.wanted = false;
}

static inline void fetch_source(tideR_stream *stream) {
  size_t size, n;
  char *room = tideR__stream_room(stream, &size);
  n = source.there < size ? source.there : size;
  source.there -= n;
  source.fetches++;
  memset(room, 'x', n);
  tideR__stream_filled(stream, (ssize_t)n);
}

static inline void close_source(tideR_handle *handle) {
  source.wanted = false;
  tideR__stream_closed((tideR_stream *)handle);
}

static inline bool is_active(const tideR_handle *handle) {
  (void)handle;
  return false;
}

static inline void orphan_source(tideR_handle *handle) {
  tideR__stream_orphan((tideR_stream *)handle);
}

static inline void free_source(tideR_handle *handle) {
  if (handle->rt != NULL)
    orphan_source(handle);
  free(handle);
}

static inline tideR_stream *new_source(tideR_runtime *rt) {
  static const tideR_handlekind kind = {"stream", close_source, is_active,
                                        orphan_source, free_source};
  static const tideR_transport transport = {
      start_source, stop_source, fetch_source, NULL, NULL, NULL, false};
  source.stream = calloc(1, sizeof *source.stream);
  source.wanted = false;
  source.starts = 0;
  source.refuses = 0;
  source.there = 0;
  source.fetches = 0;
  tideR__stream_init(rt, source.stream, &kind, &transport);
  return source.stream;
}

static inline void close_and_free(void) {
  tideR_handle_release(&source.stream->handle);
}

static inline bool feed_bytes(const char *bytes, size_t n) {
  size_t size;
  char *room = tideR__stream_room(source.stream, &size);
  if (room == NULL) {
    tideR__stream_starved(source.stream);
    return false;
  }
  CHECK(size >= n);
  memcpy(room, bytes, n);
  tideR__stream_filled(source.stream, (ssize_t)n);
  return true;
}

static inline void feed(const char *text) {
  CHECK(source.wanted);
  CHECK(feed_bytes(text, strlen(text)));
}

static inline void feed_end(int why) {
  tideR__stream_filled(source.stream, why);
}

/* ---- who reads ---- */

static tideR_reading wants; /* all readers of a test */

/* As the bindings do. */
static inline int take_and_say(const char *name) {
  const char *bytes;
  const tideR_reading *got = tideR_stream_see(source.stream, &bytes);
  int status = got->status, n = (int)got->length;
  if (status == UV_EMSGSIZE && got->wanting == TIDE_READ_LINE)
    n = 0;
  if (status == 0)
    say("%s%.*s.", name, n, n > 0 ? bytes : "");
  else
    say("%s%s:%.*s.", name, uv_err_name(status), n, n > 0 ? bytes : "");
  tideR_stream_take(source.stream);
  return status;
}

static inline tideR_reading reading(void) {
  tideR_reading it = wants;
  it.scanned = it.length = 0;
  it.status = 0;
  return it;
}

/* Reads me->n times, or until nothing more comes. */
static inline void reader(actor *me) {
  tideR_reading it = reading();
  const char *name = me->name[0] == '?' ? "" : me->name;
  int status;
  BEGIN
  while (me->n-- > 0) {
    CHECK(!tideR_stream_busy(source.stream));
    if (!tideR_stream_ready(source.stream, &it)) {
      AWAIT(tideR_stream_park(me->rt, me->task, source.stream));
      if (me->raised) {
        say("%scancelled", name);
        return;
      }
    }
    status = take_and_say(name);
    if (status != 0 && status != UV_EMSGSIZE)
      return;
    if (status == UV_EMSGSIZE && wants.wanting == TIDE_READ_UNTIL)
      return; /* it would be the same again */
  }
  END
}

static inline actor *start_reader(tideR_runtime *rt, long times,
                                  const char *name) {
  actor *me = spawn_named(rt, reader, name);
  me->n = times;
  step(rt);
  return me;
}

static inline void want(tideR_wanting wanting, size_t size) {
  wants = (tideR_reading){.wanting = wanting, .size = size};
}

static inline void want_until(const char *const *separators, size_t size) {
  static uv_buf_t list[8];
  want(TIDE_READ_UNTIL, size);
  wants.separators = list;
  for (; separators[wants.count] != NULL; wants.count++)
    list[wants.count] = uv_buf_init((char *)separators[wants.count],
                                    strlen(separators[wants.count]));
}

#endif
