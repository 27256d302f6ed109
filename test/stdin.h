/* stdin.h: something of the test's as standard input, and who reads it. All of
 * it goes through descriptor 0, also what is written. */
#ifndef TIDE_TEST_STDIN_H
#define TIDE_TEST_STDIN_H

#define _GNU_SOURCE
#include <fcntl.h>

#include "standard.h"
#include "test.h"

static int saved = -1;
static tideR_stream *stream;

/* fd becomes descriptor 0, until put_back. */
static inline void stand_in(int fd) {
  saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
  CHECK_EQ(dup2(fd, 0), 0);
  close(fd);
}

static inline void open_stdio(tideR_runtime *rt, int fd) {
  stand_in(fd);
  CHECK_EQ(tideR_stdio_open(rt, 0, &stream), 0);
}

static inline void put_back(void) {
  CHECK_EQ(dup2(saved, 0), 0);
  close(saved);
}

static inline void close_stdio(void) {
  tideR_handle_release(&stream->handle);
  put_back();
}

static inline void take(void) {
  const char *bytes;
  const tideR_reading *got = tideR_stream_see(stream, &bytes);
  if (got->status != 0)
    say("%s", uv_err_name(got->status));
  else
    say("%.*s", (int)got->length, bytes);
  tideR_stream_take(stream);
}

static inline void reads(actor *me) {
  static const tideR_reading some = {.wanting = TIDE_READ_SOME,
                                     .size = SIZE_MAX};
  BEGIN
  while (me->n > 0) {
    if (!tideR_stream_ready(stream, &some)) {
      AWAIT(tideR_stream_park(me->rt, me->task, stream));
      if (me->raised) {
        say("cancelled");
        return;
      }
      if (!tideR_stream_fetch(stream))
        continue;
    }
    take();
    me->n--;
  }
  END
}

static inline actor *start(tideR_runtime *rt, long times) {
  actor *a = spawn(rt, reads);
  a->n = times;
  step(rt);
  return a;
}

static inline void put(int fd, const char *text) {
  CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

/* Steps until the actor is done: what was written may need a moment. */
static inline void finish(tideR_runtime *rt, const actor *a) {
  for (int i = 0; i < 1000 && !a->done; i++) {
    step(rt);
    uv_sleep(1);
  }
  CHECK(a->done);
}

static inline bool is_blocking(void) {
  return !(fcntl(0, F_GETFL) & O_NONBLOCK);
}

#endif
