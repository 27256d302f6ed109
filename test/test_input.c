/* test_input.c: a terminal, a pipe, a file, read as they come. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/socket.h>
#include <termios.h>

#include "test.h"

static tideR_input *input;

static void open_input(tideR_runtime *rt, int fd) {
  CHECK_EQ(tideR_input_open(rt, fd, &input), 0);
}

/* What is there, or the name of the error. */
static void take(void) {
  const char *bytes;
  ssize_t n = tideR_input_see(input, &bytes);
  tideR_input_take(input);
  if (n < 0)
    say("%s", uv_err_name((int)n));
  else
    say("%.*s", (int)n, bytes);
}

static void reads(actor *me) {
  BEGIN
  for (; me->n > 0; me->n--) {
    if (!tideR_input_ready(input)) {
      AWAIT(CHECK_EQ(tideR_input_park(me->rt, me->task, input), 0));
      if (me->raised) {
        say("cancelled");
        return;
      }
    }
    take();
  }
  END
}

static actor *start(tideR_runtime *rt, long times) {
  actor *a = spawn(rt, reads);
  a->n = times;
  step(rt);
  return a;
}

static void put(int fd, const char *text) {
  CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
}

/* Steps until the actor is done: what was written may need a moment. */
static void finish(tideR_runtime *rt, const actor *a) {
  for (int i = 0; i < 1000 && !a->done; i++) {
    step(rt);
    uv_sleep(1);
  }
  CHECK(a->done);
}

static void read_pipe(tideR_runtime *rt, const int *ends) {
  actor *a;
  open_input(rt, ends[0]);
  CHECK(!tideR_input_is_tty(input));
  CHECK_EQ(tideR_input_columns(input), 0);
  CHECK_EQ(tideR_input_raw(input, true), UV_ENOTSUP);
  a = start(rt, 3);
  CHECK(tideR_input_busy(input));
  put(ends[1], "one");
  step(rt);
  step(rt);
  put(ends[1], "two");
  close(ends[1]);
  finish(rt, a);
  CHECK_SAID("one two EOF");
  CHECK(!tideR_input_busy(input));
  tideR_input_close(input);
}

TEST(a_pipe_is_read_to_its_end) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  read_pipe(rt, ends);
}

TEST(a_socket_is_read_to_its_end) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  read_pipe(rt, ends);
}

TEST(what_came_is_promised_to_who_was_woken) {
  int ends[2];
  actor *a;
  CHECK_EQ(pipe(ends), 0);
  open_input(rt, ends[0]);
  a = start(rt, 1);
  put(ends[1], "one");
  for (int i = 0; i < 1000 && !tideR_input_ready(input); i++)
    step(rt);
  CHECK(!a->done && tideR_input_ready(input));
  CHECK(tideR_input_busy(input)); /* for anybody else */
  finish(rt, a);
  CHECK_SAID("one");
  CHECK(!tideR_input_busy(input));
  tideR_input_close(input);
  close(ends[1]);
}

TEST(a_pipe_stays_in_blocking_mode) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  open_input(rt, ends[0]);
  start(rt, 1);
  CHECK_EQ(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
  tideR_input_close(input);
  step(rt);
  CHECK_SAID("");
  close(ends[1]);
}

TEST(more_than_there_is_room_for_is_read_piece_by_piece) {
  static char much[10000];
  int ends[2];
  long total = 0;
  CHECK_EQ(pipe(ends), 0);
  open_input(rt, ends[0]);
  CHECK_EQ(write(ends[1], much, sizeof much), sizeof much);
  close(ends[1]);
  for (int i = 0; i < 100 && total < (long)sizeof much; i++) {
    const char *bytes;
    if (!tideR_input_ready(input)) {
      tideR_task *task = root(rt)->task;
      CHECK_EQ(tideR_input_park(rt, task, input), 0);
      run(rt);
    }
    total += tideR_input_see(input, &bytes);
    tideR_input_take(input);
  }
  CHECK_EQ(total, sizeof much);
  tideR_input_close(input);
}

TEST(a_file_is_always_ready) {
  char name[] = "/tmp/tide-input-XXXXXX";
  int fd = mkstemp(name);
  put(fd, "text");
  lseek(fd, 0, SEEK_SET);
  open_input(rt, fd);
  CHECK(tideR_input_ready(input));
  start(rt, 2);
  CHECK_SAID("text EOF");
  tideR_input_close(input);
  close(fd);
  unlink(name);
}

TEST(what_is_no_open_descriptor_cannot_be_read) {
  open_input(rt, 987);
  start(rt, 1);
  CHECK_SAID("EBADF");
  tideR_input_close(input);
}

TEST(a_cancelled_wait_loses_nothing) {
  int ends[2];
  actor *a;
  CHECK_EQ(pipe(ends), 0);
  open_input(rt, ends[0]);
  a = start(rt, 1);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  run(rt);
  CHECK_SAID("cancelled");
  CHECK(!tideR_input_busy(input));
  put(ends[1], "kept");
  step(rt);
  CHECK(!tideR_input_ready(input)); /* nobody wants it: it stays in the pipe */
  finish(rt, start(rt, 1));
  CHECK_SAID("kept");
  tideR_input_close(input);
  close(ends[1]);
}

TEST(a_close_wakes_who_waits_and_so_does_the_end) {
  int ends[2];
  tideR_runtime *other = runtime_new();
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(tideR_input_open(other, ends[0], &input), 0);
  spawn(other, reads)->n = 1;
  step(other);
  runtime_free(other);
  close(ends[1]);
}

/* ---- terminals ---- */

static bool is_cooked(int fd) {
  struct termios now;
  CHECK_EQ(tcgetattr(fd, &now), 0);
  return now.c_lflag & ICANON;
}

static int open_terminal(int *user) {
  *user = posix_openpt(O_RDWR | O_NOCTTY);
  CHECK(*user >= 0 && grantpt(*user) == 0 && unlockpt(*user) == 0);
  return open(ptsname(*user), O_RDWR | O_NOCTTY);
}

TEST(a_terminal_gives_lines_or_keys) {
  int user, fd = open_terminal(&user);
  actor *a;
  open_input(rt, fd);
  CHECK(tideR_input_is_tty(input));
  a = start(rt, 1);
  put(user, "a line\n");
  finish(rt, a);
  CHECK_SAID("a line\n");
  CHECK_EQ(tideR_input_raw(input, true), 0);
  CHECK(!is_cooked(fd));
  a = start(rt, 1);
  put(user, "k");
  finish(rt, a);
  CHECK_SAID("k");
  CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  CHECK_EQ(tideR_input_raw(input, false), 0);
  CHECK(is_cooked(fd));
  tideR_input_close(input);
  close(user);
}

TEST(a_close_puts_the_mode_back) {
  int user, fd = open_terminal(&user);
  open_input(rt, fd);
  CHECK_EQ(tideR_input_raw(input, true), 0);
  CHECK(!is_cooked(user));
  tideR_input_close(input);
  CHECK(is_cooked(user));
  close(user);
}
