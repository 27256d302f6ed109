/* test_reader.c: what is read, in whatever pieces it comes. */
#include "source.h"

/* ---- every wanting, every chunking ---- */

enum { BY_TURNS, AT_ONCE, FIRST_ONE, TOO_LATE, HOWS };

/* `cuts` has a bit for each place where the text is cut. */
static void feed_cut(tideR_runtime *rt, const char *text, unsigned cuts,
                     int how) {
  size_t length = strlen(text), from = 0;
  for (size_t i = 1; i <= length; i++) {
    if (i < length && !(cuts & (1u << (i - 1))))
      continue;
    if (source.wanted)
      CHECK(feed_bytes(text + from, i - from));
    if (how == BY_TURNS || (how == FIRST_ONE && from == 0))
      step(rt);
    from = i;
  }
}

static void read_cut(const char *text, int end, unsigned cuts, int how) {
  tideR_runtime *rt = runtime_new();
  actor *me;
  new_source(rt);
  if (how == TOO_LATE) { /* all is there, also the end, before anybody reads */
    tideR_reading none = {.wanting = TIDE_READ_SOME, .size = 1};
    const char *bytes;
    CHECK(!tideR_stream_ready(source.stream, &none));
    feed_cut(rt, text, cuts, how);
    feed_end(end);
    tideR_stream_see(source.stream, &bytes);
    me = start_reader(rt, 100, "?");
  } else {
    me = start_reader(rt, 100, "?");
    feed_cut(rt, text, cuts, how);
    feed_end(end);
  }
  run(rt);
  CHECK(me->done);
  CHECK(!source.wanted);
  close_and_free();
  runtime_free(rt);
}

/* What is read of a text, up to its end, is always the same. */
static void always_reads(const char *text, int end, const char *expected) {
  size_t length = strlen(text);
  unsigned failures = test_failures;
  for (unsigned cuts = 0; cuts < 1u << (length > 0 ? length - 1 : 0); cuts++)
    for (int how = 0; how < HOWS; how++) {
      read_cut(text, end, cuts, how);
      CHECK_SAID(expected);
      if (test_failures > failures) {
        printf("# \"%s\" in pieces %x, %d\n", text, cuts, how);
        return;
      }
    }
}

TEST(so_many_bytes_are_read_of_any_pieces) {
  want(TIDE_READ_EXACTLY, 3);
  always_reads("", UV_EOF, "EOF:.");
  always_reads("ab", UV_EOF, "EOF:ab.");
  always_reads("abcdefgh", UV_EOF, "abc. def. EOF:gh.");
  always_reads("abcdef", UV_ECONNRESET, "abc. def. ECONNRESET:.");
  always_reads("abcd", UV_ECONNRESET, "abc. ECONNRESET:d.");
}

TEST(all_is_read_of_any_pieces) {
  want(TIDE_READ_ALL, 0);
  for (int i = 0; i < 2; i++) {
    tideR_runtime *other = runtime_new();
    new_source(other);
    start_reader(other, 1, "?");
    if (i == 1)
      feed("abc");
    feed_end(UV_EOF);
    run(other);
    CHECK_SAID(i == 1 ? "abc." : ".");
    close_and_free();
    runtime_free(other);
  }
}

TEST(lines_are_read_of_any_pieces) {
  want(TIDE_READ_LINE, 100);
  always_reads("", UV_EOF, "EOF:.");
  always_reads("\n\n", UV_EOF, "\n. \n. EOF:.");
  always_reads("ab\ncd\nef", UV_EOF, "ab\n. cd\n. ef. EOF:.");
  always_reads("ab\ncd\n", UV_EOF, "ab\n. cd\n. EOF:.");
  always_reads("ab\ncd", UV_ECONNRESET, "ab\n. ECONNRESET:cd.");
}

TEST(lines_that_are_too_long_are_dropped_of_any_pieces) {
  want(TIDE_READ_LINE, 3);
  always_reads("abc\nd\n", UV_EOF, "abc\n. d\n. EOF:.");
  always_reads("abcd\ne\n", UV_EOF, "EMSGSIZE:. e\n. EOF:.");
  always_reads("abcdefghij", UV_EOF, "EMSGSIZE:. EOF:.");
  always_reads("abcdefg\nhi", UV_EOF, "EMSGSIZE:. hi. EOF:.");
  always_reads("abcd\nefghi\n", UV_EOF, "EMSGSIZE:. EMSGSIZE:. EOF:.");
  always_reads("abcdef", UV_ECONNRESET, "EMSGSIZE:. ECONNRESET:.");
}

TEST(separators_are_found_in_any_pieces) {
  want_until((const char *[]){"--", NULL}, 100);
  always_reads("", UV_EOF, "EOF:.");
  always_reads("a--b-c--", UV_EOF, "a--. b-c--. EOF:.");
  always_reads("-----", UV_EOF, "--. --. EOF:-.");
  want_until((const char *[]){"aab", NULL}, 100);
  always_reads("aaabaaaab", UV_EOF, "aaab. aaaab. EOF:.");
  want_until((const char *[]){"\r\n", "\n", "\r", NULL}, 100);
  always_reads("a\nb\r\nc\n", UV_EOF, "a\n. b\r. \n. c\n. EOF:.");
  want_until((const char *[]){"abcd", "c", "bc", NULL}, 100);
  always_reads("xabcdabcd", UV_EOF, "xabc. dabc. EOF:d.");
}

TEST(separators_that_begin_too_late_are_not_taken_of_any_pieces) {
  want_until((const char *[]){"\n", NULL}, 3);
  always_reads("abc\nd\n", UV_EOF, "abc\n. d\n. EOF:.");
  always_reads("abcd\n", UV_EOF, "EMSGSIZE:.");
  always_reads("a\nabcd", UV_EOF, "a\n. EMSGSIZE:.");
  always_reads("a\nabc", UV_EOF, "a\n. EOF:abc.");
  want_until((const char *[]){"--", NULL}, 3);
  always_reads("abc--", UV_EOF, "abc--. EOF:.");
  always_reads("abcd--", UV_EOF, "EMSGSIZE:.");
  want_until((const char *[]){"\n", "----", NULL}, 3);
  always_reads("abc----", UV_EOF, "abc----. EOF:.");
  always_reads("abc-\n", UV_EOF, "EMSGSIZE:.");
  want_until((const char *[]){"x", NULL}, 0);
  always_reads("xx", UV_EOF, "x. x. EOF:.");
  always_reads("ax", UV_EOF, "EMSGSIZE:.");
}

/* As much as was there when the reader was woken, or came. */
TEST(what_is_there_is_read_as_it_comes) {
  want(TIDE_READ_SOME, 3);
  new_source(rt);
  start_reader(rt, 5, "?");
  feed("a");
  step(rt);
  feed("bc");
  feed("defg");
  run(rt);
  CHECK_SAID("a. bc. def. g.");
  feed_end(UV_ECONNRESET);
  run(rt);
  CHECK_SAID("ECONNRESET:.");
  close_and_free();
}

/* ---- a line that is too long ---- */

TEST(more_of_a_long_line_may_come_before_the_reader_runs) {
  want(TIDE_READ_LINE, 3);
  new_source(rt);
  start_reader(rt, 2, "?");
  feed("abcdefgh"); /* too long already */
  feed("ijk\nlm");  /* the reader has not run yet */
  CHECK_EQ(source.stream->unread.length, 14);
  step(rt);
  CHECK_SAID("EMSGSIZE:.");
  CHECK_EQ(source.stream->unread.length, 2);
  feed("\n");
  run(rt);
  CHECK_SAID("lm\n.");
  close_and_free();
}

TEST(who_does_not_come_for_its_long_line_drops_nothing) {
  want(TIDE_READ_LINE, 3);
  new_source(rt);
  actor *me = start_reader(rt, 1, "?");
  feed("abcdef");
  tideR_task_give_up(rt, me->task);
  run(rt);
  CHECK_SAID("given up");
  feed("ghi\njk\n");
  want(TIDE_READ_SOME, 100);
  start_reader(rt, 1, "?");
  CHECK_SAID("abcdefghi\njk\n.");
  close_and_free();
}

TEST(the_rest_of_a_long_line_is_nobodys) {
  want(TIDE_READ_LINE, 3);
  new_source(rt);
  start_reader(rt, 1, "?");
  feed("abcdef");
  step(rt);
  CHECK_SAID("EMSGSIZE:.");
  want(TIDE_READ_SOME, 100);
  start_reader(rt, 1, "?");
  feed("ghi");
  step(rt);
  CHECK_SAID(""); /* it is of the line */
  feed("jkl\nmno");
  step(rt);
  CHECK_SAID("mno.");
  close_and_free();
}

/* ---- what has filled its room ---- */

/* Fills all of it. */
static size_t flood(void) {
  size_t size;
  char *room = tideR__stream_room(source.stream, &size);
  memset(room, 'x', size);
  tideR__stream_filled(source.stream, (ssize_t)size);
  return size;
}

static unsigned waits;

/* Takes all that comes, to the end. */
static void taker(actor *me) {
  tideR_reading it = reading();
  const char *bytes;
  int status;
  BEGIN
  do {
    if (!tideR_stream_ready(source.stream, &it)) {
      waits++;
      AWAIT(tideR_stream_park(me->rt, me->task, source.stream));
    }
    status = tideR_stream_see(source.stream, &bytes)->status;
    me->n += (long)source.stream->reading.length;
    tideR_stream_take(source.stream);
  } while (status == 0);
  END
}

TEST(what_filled_its_room_is_read_on_without_a_wait) {
  size_t size;
  want(TIDE_READ_SOME, SIZE_MAX);
  waits = 0;
  new_source(rt);
  actor *me = spawn_named(rt, taker, "?");
  step(rt);
  CHECK_EQ(waits, 1);
  size = flood();
  source.there = 2 * size + 1;
  step(rt);
  CHECK_EQ(waits, 2);
  CHECK_EQ(source.fetches, 3); /* the last one left some of its room */
  CHECK_EQ(me->n, (long)(3 * size + 1));
  feed("abc");
  step(rt);
  CHECK_EQ(waits, 3);
  CHECK_EQ(source.fetches, 3);
  flood();
  step(rt);
  CHECK_EQ(source.fetches, 4); /* there was nothing */
  CHECK_EQ(waits, 4);
  feed_end(UV_EOF);
  run(rt);
  CHECK_EQ(me->n, (long)(4 * size + 4));
  close_and_free();
}

TEST(who_reads_on_and_on_lets_others_have_their_turns) {
  want(TIDE_READ_SOME, SIZE_MAX);
  waits = 0;
  new_source(rt);
  spawn_named(rt, taker, "?");
  step(rt);
  for (unsigned i = 1; i <= 3; i++) {
    source.there = SIZE_MAX;
    flood();
    step(rt);
    CHECK_EQ(source.fetches, 16 * i);
    CHECK_EQ(waits, 1 + i);
  }
  feed_end(UV_EOF);
  run(rt);
  close_and_free();
}
