/* test_pair.c: two streams in memory. */
#include "handle.h"
#include "memory.h"
#include "test.h"

static tideR_stream *pair[2]; /* 0 writes, 1 reads */

static void new_pair(tideR_runtime *rt) {
  CHECK_EQ(tideR_pair_new(rt, pair), 0);
}

static void release(tideR_stream *stream) {
  tideR_handle_release(&stream->handle);
}

static char byte_of(size_t at) {
  return (char)((at * 7 + at / 256) % 256);
}

static int write_bytes(size_t from, size_t n) {
  uv_buf_t bufs[2];
  size_t half = n / 2;
  char *bytes = malloc(n);
  int err;
  for (size_t i = 0; i < n; i++)
    bytes[i] = byte_of(from + i);
  bufs[0] = uv_buf_init(bytes, (unsigned)half);
  bufs[1] = uv_buf_init(bytes + half, (unsigned)(n - half));
  err = tideR_stream_write(pair[0], bufs, 2);
  free(bytes);
  return err;
}

/* What is there of these, which begin with that one; -1: another is there. */
static long take(size_t from) {
  const char *bytes;
  const tideR_reading *got = tideR_stream_see(pair[1], &bytes);
  long n = (long)got->length;
  CHECK_EQ(got->status, 0);
  for (long i = 0; i < n; i++)
    if (bytes[i] != byte_of(from + (size_t)i))
      return -1;
  tideR_stream_take(pair[1]);
  return n;
}

static bool ready(tideR_wanting wanting, size_t size) {
  tideR_reading reading = {.wanting = wanting, .size = size};
  return tideR_stream_ready(pair[1], &reading);
}

TEST(a_lot_that_waits_is_had_at_once) {
  static const size_t sizes[] = {1000, 100000, 69632, 69633, 1000000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    size_t n = sizes[i];
    new_pair(rt);
    CHECK_EQ(write_bytes(0, n), 0); /* nobody has read yet: much is unsent */
    CHECK(ready(TIDE_READ_EXACTLY, n)); /* or nobody would ever wake it */
    CHECK_EQ(take(0), n);
    CHECK_EQ(pair[0]->unsent, 0);
    release(pair[0]);
    release(pair[1]);
  }
}

/* Writes me->n bytes in pieces of some size. */
static void writer(actor *me) {
  BEGIN
  while (me->arg < (void *)me->n) {
    CHECK_EQ(write_bytes((size_t)me->arg, 1000), 0);
    me->arg = (char *)me->arg + 1000;
    if (tideR_stream_full(pair[0]))
      AWAIT(tideR_stream_park_full(me->rt, me->task, pair[0]));
  }
  CHECK_EQ(tideR_stream_shutdown(pair[0]), 0);
  say("written");
  END
}

/* Reads pieces of me->n bytes. */
static void reader(actor *me) {
  BEGIN
  for (;;) {
    if (!ready(TIDE_READ_EXACTLY, (size_t)me->n))
      AWAIT(tideR_stream_park(me->rt, me->task, pair[1]));
    if (pair[1]->reading.status != 0)
      break;
    CHECK_EQ(take((size_t)me->arg), me->n);
    me->arg = (char *)me->arg + me->n;
  }
  say("%s", uv_err_name(pair[1]->reading.status));
  END
}

TEST(a_lot_goes_through_in_order_whatever_the_pieces) {
  static const long sizes[] = {100, 65536, 99999, 200000, 500000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    actor *a, *b;
    new_pair(rt);
    a = spawn(rt, writer);
    b = spawn(rt, reader);
    a->n = 1000000;
    b->n = sizes[i];
    run(rt);
    CHECK(a->done && b->done);
    CHECK_EQ(b->arg, 1000000 / b->n * b->n);
    CHECK_SAID("written EOF");
    release(pair[0]);
    release(pair[1]);
  }
}

/* ---- without memory ---- */

/* A thousand bytes go through whole, or none do. */
static bool is_written(size_t n) {
  bool starved;
  int err;
  char bytes[1000];
  uv_buf_t buf = uv_buf_init(bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = byte_of(i);
  memory_fails((long)n, false);
  err = tideR_stream_write(pair[0], &buf, 1);
  starved = memory_works();
  CHECK(err == 0 || (starved && err == UV_ENOMEM));
  return err == 0;
}

TEST(without_memory_a_write_is_refused_and_can_be_tried_again) {
  for (size_t waits = 0; waits < 2; waits++)
    for (size_t n = 0; n < 4; n++) {
      tideR_runtime *other = runtime_new();
      new_pair(other);
      if (waits)
        CHECK(!ready(TIDE_READ_EXACTLY, 1000)); /* it is started */
      if (!is_written(n)) {
        CHECK_EQ(tideR_stream_failure(pair[0]), 0);
        CHECK_EQ(pair[0]->unsent, 0);
        CHECK(is_written(100));
      }
      CHECK(ready(TIDE_READ_EXACTLY, 1000));
      CHECK_EQ(take(0), 1000);
      release(pair[0]);
      release(pair[1]);
      runtime_free(other);
    }
}

TEST(without_memory_a_read_is_refused_and_can_be_tried_again) {
  for (long n = 0; n < 12; n++) {
    tideR_runtime *other = runtime_new();
    const char *bytes;
    bool starved;
    new_pair(other);
    CHECK_EQ(write_bytes(0, 600000), 0);
    memory_fails(n, n % 2 == 0);
    CHECK(ready(TIDE_READ_EXACTLY, 600000)); /* with it, or with an error */
    starved = memory_works();
    if (pair[1]->reading.status != 0) {
      CHECK(starved);
      CHECK_EQ(pair[1]->reading.status, UV_ENOMEM);
      CHECK_EQ(pair[1]->reading.length, 0);
      tideR_stream_see(pair[1], &bytes);
      tideR_stream_take(pair[1]);
      CHECK(ready(TIDE_READ_EXACTLY, 600000));
    }
    CHECK_EQ(take(0), 600000);
    release(pair[0]);
    release(pair[1]);
    runtime_free(other);
  }
}

/* A finaliser that writes, while what was read is made a string. */
TEST(what_is_seen_stays_where_it_is_while_more_is_written) {
  const char *bytes;
  size_t n = 1000;
  new_pair(rt);
  pair[1]->limit = 1000000;
  CHECK_EQ(write_bytes(0, n), 0);
  CHECK(ready(TIDE_READ_SOME, n));
  tideR_stream_see(pair[1], &bytes);
  CHECK_EQ(write_bytes(n, 600000), 0); /* more than a chunk has */
  CHECK(pair[1]->unread.bytes == bytes);
  CHECK_EQ(take(0), n);
  CHECK(ready(TIDE_READ_EXACTLY, 600000));
  CHECK_EQ(take(n), 600000);
  CHECK_EQ(pair[0]->unsent, 0);
  release(pair[0]);
  release(pair[1]);
}

TEST(without_memory_there_is_no_pair) {
  long blocks = memory.blocks;
  for (long n = 0; n < 2; n++) {
    memory_fails(n, false);
    CHECK_EQ(tideR_pair_new(rt, pair), UV_ENOMEM);
    CHECK(memory_works());
    CHECK(pair[0] == NULL && pair[1] == NULL);
    CHECK_EQ(memory.blocks, blocks);
    CHECK_EQ(stats(rt).handles, 0);
  }
}

/* ---- the end ---- */

TEST(what_is_unsent_goes_with_either_end) {
  long blocks = memory.blocks;
  for (int first = 0; first < 2; first++) {
    tideR_runtime *other = runtime_new();
    size_t unsent;
    new_pair(other);
    CHECK_EQ(write_bytes(0, 500000), 0);
    unsent = pair[0]->unsent;
    CHECK(unsent > 0);
    release(pair[first]);
    if (first == 0) {
      CHECK(ready(TIDE_READ_ALL, 0));
      CHECK_EQ(take(0), 500000 - unsent);
    } else {
      CHECK_EQ(write_bytes(0, 1), UV_EPIPE);
      CHECK_EQ(pair[0]->unsent, 0);
    }
    release(pair[1 - first]);
    runtime_free(other);
    CHECK_EQ(memory.blocks, blocks);
  }
}
