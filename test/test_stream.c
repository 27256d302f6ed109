/* test_stream.c: streams: who reads, how long, and without memory. */
#include "memory.h"
#include "source.h"

/* ---- who waits ---- */

TEST(what_came_is_the_readers_that_was_woken) {
  want(TIDE_READ_SOME, 100);
  new_source(rt);
  start_reader(rt, 1, "a");
  CHECK(tideR_stream_busy(source.stream));
  feed("one");
  CHECK(tideR_stream_busy(source.stream)); /* it has not run yet */
  feed(" two");
  CHECK_EQ(source.stream->reading.length, 3); /* that is decided */
  run(rt);
  CHECK_SAID("aone.");
  CHECK(!tideR_stream_busy(source.stream));
  start_reader(rt, 1, "b");
  CHECK_SAID("b two.");
  close_and_free();
}

TEST(a_cancelled_reader_takes_nothing_but_what_it_was_woken_with) {
  want(TIDE_READ_EXACTLY, 4);
  new_source(rt);
  actor *a = start_reader(rt, 1, "a");
  feed("one");
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  CHECK(!tideR_stream_busy(source.stream));
  run(rt);
  CHECK_SAID("acancelled");
  a = start_reader(rt, 1, "a");
  feed(" two");
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0); /* it was woken */
  run(rt);
  CHECK_SAID("aone .");
  CHECK_EQ(source.stream->unread.length, 3);
  close_and_free();
}

TEST(what_a_dead_reader_was_woken_with_is_the_next_ones) {
  want(TIDE_READ_EXACTLY, 3);
  new_source(rt);
  actor *a = start_reader(rt, 1, "a");
  feed("one");
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(!tideR_stream_busy(source.stream));
  CHECK_SAID("given up");
  start_reader(rt, 1, "b");
  CHECK_SAID("bone.");
  close_and_free();
}

/* ---- pauses ---- */

static void be_fed_until_it_pauses(size_t most) {
  while (source.wanted) {
    feed("0123456789");
    CHECK(source.stream->unread.length <= most);
  }
}

TEST(over_twice_the_limit_reading_pauses) {
  want(TIDE_READ_SOME, 10);
  new_source(rt)->limit = 50;
  start_reader(rt, 1, "?");
  be_fed_until_it_pauses(110);
  CHECK_EQ(source.stream->unread.length, 110);
  run(rt);
  for (int left = 90; left >= 60; left -= 10) {
    start_reader(rt, 1, "?");
    CHECK_EQ(source.stream->unread.length, left);
    CHECK(!source.wanted);
  }
  start_reader(rt, 1, "?");
  CHECK(source.wanted); /* no more than the limit is there */
  CHECK_EQ(source.starts, 2);
  be_fed_until_it_pauses(110);
  close_and_free();
}

TEST(who_wants_more_than_that_gets_it) {
  want(TIDE_READ_EXACTLY, 200);
  new_source(rt)->limit = 50;
  actor *a = start_reader(rt, 1, "?");
  for (int i = 0; i < 20; i++)
    feed("0123456789");
  CHECK(!source.wanted);
  run(rt);
  CHECK(a->done);
  CHECK(source.wanted);
  close_and_free();
}

TEST(who_comes_while_it_pauses_makes_it_go_on) {
  want(TIDE_READ_EXACTLY, 1);
  new_source(rt)->limit = 50;
  actor *a = start_reader(rt, 1, "?");
  be_fed_until_it_pauses(110);
  run(rt);
  CHECK(a->done && !source.wanted);
  want(TIDE_READ_EXACTLY, 150);
  a = start_reader(rt, 1, "?");
  CHECK(source.wanted && !a->done);
  for (int i = 0; i < 5; i++)
    feed("0123456789");
  run(rt);
  CHECK(a->done);
  close_and_free();
}

TEST(a_reader_is_told_why_nothing_can_be_read) {
  want(TIDE_READ_SOME, 10);
  new_source(rt);
  source.refuses = UV_ENOTCONN;
  start_reader(rt, 1, "?");
  CHECK_SAID("ENOTCONN:.");
  source.refuses = 0;
  start_reader(rt, 1, "?");
  feed("now");
  run(rt);
  CHECK_SAID("now.");
  close_and_free();
}

/* ---- the end ---- */

TEST(a_close_wakes_who_reads) {
  want(TIDE_READ_EXACTLY, 10);
  new_source(rt);
  start_reader(rt, 1, "?");
  feed("lost");
  tideR_handle_close(&source.stream->handle);
  CHECK(source.stream->unread.bytes == NULL);
  run(rt);
  CHECK_SAID("ECANCELED:.");
  start_reader(rt, 1, "?");
  CHECK_SAID("ECANCELED:.");
  close_and_free();
}

TEST(what_a_reader_was_woken_with_outlives_the_close) {
  want(TIDE_READ_EXACTLY, 4);
  new_source(rt);
  start_reader(rt, 2, "?");
  feed("kept, lost");
  tideR_handle_close(&source.stream->handle);
  run(rt);
  CHECK_SAID("kept. ECANCELED:.");
  CHECK(source.stream->unread.bytes == NULL);
  close_and_free();
}

TEST(what_a_dead_reader_was_woken_with_goes_with_the_close) {
  want(TIDE_READ_EXACTLY, 4);
  new_source(rt);
  actor *a = start_reader(rt, 1, "?");
  feed("kept, lost");
  tideR_handle_close(&source.stream->handle);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up");
  CHECK(source.stream->unread.bytes == NULL);
  close_and_free();
}

TEST(what_comes_after_the_close_is_nobodys) {
  size_t size;
  want(TIDE_READ_SOME, 4);
  new_source(rt);
  start_reader(rt, 1, "?");
  CHECK(tideR__stream_room(source.stream, &size) != NULL);
  tideR__stream_filled(source.stream, 0); /* nothing was there */
  CHECK(source.wanted);
  tideR_handle_close(&source.stream->handle);
  tideR__stream_filled(source.stream, UV_ECONNRESET);
  run(rt);
  CHECK_SAID("ECANCELED:.");
  close_and_free();
}

TEST(a_stream_may_outlive_its_runtime) {
  tideR_runtime *other = runtime_new();
  long blocks = memory.blocks;
  want(TIDE_READ_EXACTLY, 4);
  new_source(other);
  start_reader(other, 1, "?");
  feed("text, and more");
  runtime_free(other);
  CHECK_SAID("");
  CHECK(tideR_stream_closed(source.stream));
  CHECK(source.stream->unread.bytes == NULL);
  close_and_free();
  CHECK(memory.blocks < blocks);
}

/* ---- without memory ---- */

TEST(a_reader_is_told_that_there_is_no_memory_and_the_next_one_reads_on) {
  want(TIDE_READ_EXACTLY, 6);
  new_source(rt);
  start_reader(rt, 1, "a");
  memory_fails(0, true);
  CHECK(!feed_bytes("one", 3));
  CHECK(memory_works());
  CHECK(!source.wanted);
  run(rt);
  CHECK_SAID("aENOMEM:.");
  start_reader(rt, 1, "b");
  feed("one");
  feed("two");
  run(rt);
  CHECK_SAID("bonetwo.");
  close_and_free();
}

TEST(what_is_there_stays_there_without_memory) {
  want(TIDE_READ_EXACTLY, 10L * TIDE_LIMIT); /* more than a chunk has */
  new_source(rt);
  start_reader(rt, 1, "a");
  memory_fails(1, true); /* a chunk there is */
  while (source.wanted && feed_bytes("0123456789", 10))
    CHECK(source.stream->unread.length < wants.size);
  CHECK(memory_works());
  run(rt);
  CHECK_SAID("aENOMEM:.");
  want(TIDE_READ_SOME, 10);
  start_reader(rt, 1, "b");
  CHECK_SAID("b0123456789.");
  close_and_free();
}

TEST(more_than_there_is_memory_for_is_read_as_far_as_it_comes) {
  want(TIDE_READ_EXACTLY, 10L * TIDE_LIMIT);
  new_source(rt);
  start_reader(rt, 1, "a");
  memory_fails(0, false);
  CHECK(feed_bytes("one", 3));
  CHECK(memory_works());
  feed_end(UV_EOF);
  run(rt);
  CHECK_SAID("aEOF:one.");
  close_and_free();
}

TEST(who_does_not_read_is_told_nothing_and_starts_again) {
  want(TIDE_READ_SOME, 3);
  new_source(rt)->limit = 10L * TIDE_LIMIT;
  start_reader(rt, 1, "a");
  feed("one");
  run(rt);
  CHECK_SAID("aone.");
  CHECK(source.wanted);
  memory_fails(0, true);
  while (feed_bytes("x", 1)) /* until the chunk is full */
    continue;
  CHECK(memory_works());
  CHECK(!source.wanted);
  start_reader(rt, 1, "b");
  CHECK_SAID("bxxx.");
  close_and_free();
}
