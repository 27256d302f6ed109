/* test_terminal.c: a terminal as standard input: lines, keys, its size; and how
 * it is after the end. */
#include "stdin.h"

#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static bool is_cooked(int fd) {
  struct termios now;
  CHECK_EQ(tcgetattr(fd, &now), 0);
  return now.c_lflag & ICANON;
}

static bool has_interrupt(int fd) {
  struct termios now;
  CHECK_EQ(tcgetattr(fd, &now), 0);
  return now.c_lflag & ISIG;
}

static int open_terminal(int *user) {
  *user = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  CHECK(*user >= 0 && grantpt(*user) == 0 && unlockpt(*user) == 0);
  return open(ptsname(*user), O_RDWR | O_NOCTTY);
}

TEST(a_terminal_gives_lines_or_keys) {
  int user, fd = open_terminal(&user);
  actor *a;
  open_stdio(rt, fd);
  CHECK(tideR_stdio_is_terminal(stream));
  a = start(rt, 1);
  put(user, "a line\n");
  finish(rt, a);
  CHECK_SAID("a line\n");
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), 0);
  CHECK(!is_cooked(0) && !has_interrupt(0));
  a = start(rt, 1);
  put(user, "k\003");
  finish(rt, a);
  CHECK_SAID("k\003");
  CHECK(is_blocking());
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_INTERRUPT), 0);
  CHECK(!is_cooked(0) && has_interrupt(0));
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_LINES), 0);
  CHECK(is_cooked(0));
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_LINES), 0);
  close_stdio();
  close(user);
}

TEST(a_terminal_has_a_size) {
  struct winsize size = {.ws_row = 12, .ws_col = 34};
  int user, fd = open_terminal(&user), columns = 0, rows = 0;
  CHECK_EQ(ioctl(user, TIOCSWINSZ, &size), 0);
  open_stdio(rt, fd);
  CHECK_EQ(tideR_stdio_size(stream, &columns, &rows), 0);
  CHECK_EQ(columns, 34);
  CHECK_EQ(rows, 12);
  close_stdio();
  close(user);
}

TEST(a_close_puts_the_mode_back) {
  int user, fd = open_terminal(&user);
  open_stdio(rt, fd);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), 0);
  CHECK(!is_cooked(user));
  tideR_handle_close(&stream->handle);
  CHECK(is_cooked(user));
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), UV_ECANCELED);
  close_stdio();
  close(user);
}

TEST(the_last_stream_that_wants_it_raw_puts_the_mode_back) {
  tideR_runtime *other = runtime_new();
  tideR_stream *second;
  int user, fd = open_terminal(&user);
  open_stdio(rt, fd);
  CHECK_EQ(tideR_stdio_open(other, 0, &second), 0);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), 0);
  CHECK_EQ(tideR_stdio_raw(second, TIDE_KEYS_RAW), 0);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_LINES), 0);
  CHECK(!is_cooked(user));
  tideR_handle_release(&second->handle);
  CHECK(is_cooked(user));
  runtime_free(other);
  close_stdio();
  close(user);
}

static tideR_runtime *stepped;

/* How a child ends that has made the terminal raw and comes to `end`. */
static int end_raw(tideR_runtime *rt, void (*end)(void)) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) {
    tideR_runtime *mine = runtime_new();
    (void)rt;
    signal(SIGALRM, SIG_DFL);
    stepped = mine;
    if (tideR_stdio_open(mine, 0, &stream) < 0 ||
        tideR_stdio_raw(stream, TIDE_KEYS_RAW) < 0 || is_cooked(0))
      _exit(9);
    end();
    _exit(8);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status;
}

static void by_exit(void) {
  exit(0);
}

static void by_term(void) {
  raise(SIGTERM);
}

static void by_hangup(void) {
  raise(SIGHUP);
}

/* As lua does. */
static void end_by_the_next(int signum) {
  signal(signum, SIG_DFL);
}

static void by_the_second_interrupt(void) {
  signal(SIGINT, SIG_DFL);
  tideR_stdio_raw(stream, TIDE_KEYS_LINES);
  signal(SIGINT, end_by_the_next);
  tideR_stdio_raw(stream, TIDE_KEYS_INTERRUPT);
  raise(SIGINT);
  step(stepped);
  step(stepped);
  if (!is_cooked(0))
    raise(SIGINT);
}

static void by_fork(void) {
  int status;
  pid_t child = fork();
  if (child == 0)
    exit(0);
  waitpid(child, &status, 0);
  if (!is_cooked(0)) /* it is not the grandchild's */
    exit(0);
}

TEST(the_end_of_the_process_puts_the_mode_back) {
  int user, fd = open_terminal(&user), status;
  stand_in(fd);
  CHECK_EQ(end_raw(rt, by_exit), 0);
  CHECK(is_cooked(user));
  status = end_raw(rt, by_term);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  CHECK(is_cooked(user));
  status = end_raw(rt, by_hangup);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
  CHECK(is_cooked(user));
  status = end_raw(rt, by_the_second_interrupt);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
  CHECK(is_cooked(user));
  CHECK_EQ(end_raw(rt, by_fork), 0);
  CHECK(is_cooked(user));
  put_back();
  close(user);
}

static volatile sig_atomic_t caught;

static void on_term(int signum) {
  (void)signum;
  caught++;
}

TEST(a_signal_that_does_not_end_the_process_is_whose_it_was) {
  struct sigaction action = {.sa_handler = on_term}, now;
  int user, fd = open_terminal(&user);
  sigaction(SIGTERM, &action, NULL);
  open_stdio(rt, fd);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), 0);
  raise(SIGTERM);
  CHECK_EQ(caught, 1);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_LINES), 0);
  CHECK_EQ(sigaction(SIGTERM, NULL, &now), 0);
  CHECK(now.sa_handler == on_term);
  signal(SIGTERM, SIG_DFL);
  close_stdio();
  close(user);
}

/* Opening the master anew would be another terminal: it is shared as it is. */
TEST(the_masters_side_stays_in_blocking_mode) {
  int user, fd = open_terminal(&user);
  actor *a;
  char got[8] = "";
  open_stdio(rt, user);
  a = start(rt, 1);
  CHECK(is_blocking());
  CHECK_EQ(stats(rt).handles, 1);
  put(fd, "text");
  finish(rt, a);
  CHECK_SAID("text");
  CHECK_EQ(write(0, "", 0), 0);
  CHECK_EQ(tideR_stream_write(stream, &(uv_buf_t){.base = "x\n", .len = 2}, 1),
           0);
  CHECK_EQ(read(fd, got, sizeof got), 2);
  CHECK(is_blocking());
  close_stdio();
  close(fd);
}
