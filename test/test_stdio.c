/* test_stdio.c: standard input as a stream: a pipe, a socket, a file. */
#include "stdin.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int write_text(const char *text) {
  uv_buf_t buf = uv_buf_init((char *)text, (unsigned)strlen(text));
  return tideR_stream_write(stream, &buf, 1);
}

static void expect(int fd, const char *text) {
  char got[100] = "";
  ssize_t n = read(fd, got, sizeof got - 1);
  CHECK_EQ(n, strlen(text));
  CHECK_STR(got, text);
}

/* ---- pipes and sockets ---- */

/* A pipe is standard input, and somebody waits for its first bytes. */
static actor *read_pipe(tideR_runtime *rt, int *ends) {
  CHECK_EQ(pipe(ends), 0);
  open_stdio(rt, ends[0]);
  return start(rt, 1);
}

static void read_to_the_end(tideR_runtime *rt, const int *ends) {
  actor *a;
  open_stdio(rt, ends[0]);
  CHECK(tideR_stream_is_stdio(stream));
  CHECK(!tideR_stdio_is_terminal(stream));
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), UV_ENOTTY);
  CHECK_EQ(tideR_stdio_fileno(stream), 0);
  a = start(rt, 3);
  CHECK(tideR_stream_busy(stream));
  CHECK(is_blocking());
  put(ends[1], "one");
  step(rt);
  step(rt);
  put(ends[1], "two");
  close(ends[1]);
  finish(rt, a);
  CHECK_SAID("one two EOF");
  close_stdio();
}

TEST(a_pipe_is_read_to_its_end) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  read_to_the_end(rt, ends);
}

TEST(a_socket_is_read_to_its_end) {
  int ends[2];
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  read_to_the_end(rt, ends);
}

TEST(what_nobody_waits_for_stays_where_it_is) {
  int ends[2];
  actor *a = read_pipe(rt, ends);
  put(ends[1], "one");
  finish(rt, a);
  put(ends[1], "two");
  for (int i = 0; i < 3; i++)
    step(rt);
  expect(0, "two"); /* another's */
  a = start(rt, 1);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  put(ends[1], "three");
  run(rt);
  CHECK_SAID("one cancelled");
  expect(0, "three");
  CHECK_EQ(stats(rt).handles, 0);
  close_stdio();
  close(ends[1]);
}

TEST(what_another_was_quicker_to_take_is_waited_for) {
  int ends[2];
  actor *a = read_pipe(rt, ends);
  put(ends[1], "one");
  tideR_loop_step(rt, 0);
  if (!a->done) { /* it was woken, and is yet to read */
    expect(0, "one");
    step(rt);
    CHECK(!a->done);
    put(ends[1], "two");
    finish(rt, a);
    CHECK_SAID("two");
  }
  said[0] = '\0';
  close_stdio();
  close(ends[1]);
}

/* ---- files, and what is none ---- */

TEST(a_file_is_always_ready) {
  char name[] = "/tmp/tide-stdio-XXXXXX";
  int fd = mkstemp(name), same = dup(fd);
  put(fd, "text");
  lseek(fd, 0, SEEK_SET);
  open_stdio(rt, fd);
  start(rt, 2);
  CHECK_SAID("text EOF");
  CHECK_EQ(write_text(" and more"), 0);
  CHECK_EQ(lseek(same, 0, SEEK_CUR), 13); /* the place is everybody's */
  close_stdio();
  close(same);
  unlink(name);
}

TEST(a_file_that_takes_no_more_is_an_error) {
  struct rlimit before, limit;
  char name[] = "/tmp/tide-stdio-XXXXXX";
  CHECK_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 4;
  open_stdio(rt, mkstemp(name));
  signal(SIGXFSZ, SIG_IGN);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  CHECK_EQ(write_text("too long"), UV_EFBIG);
  CHECK_EQ(write_text("x"), UV_EFBIG);
  CHECK_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  close_stdio();
  unlink(name);
}

TEST(dev_null_is_a_file) {
  open_stdio(rt, open("/dev/null", O_RDWR));
  CHECK_EQ(write_text("text"), 0);
  start(rt, 1);
  CHECK_SAID("EOF");
  close_stdio();
}

TEST(a_directory_is_an_error) {
  open_stdio(rt, open("/", O_RDONLY));
  start(rt, 1);
  CHECK_SAID("EISDIR");
  CHECK_EQ(write_text("text"), UV_EBADF);
  close_stdio();
}

TEST(one_that_is_closed_is_an_error) {
  saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
  close(0);
  CHECK_EQ(tideR_stdio_open(rt, 0, &stream), 0);
  start(rt, 1);
  CHECK_SAID("EBADF");
  CHECK_EQ(write_text("text"), UV_EBADF);
  CHECK_EQ(tideR_stdio_raw(stream, TIDE_KEYS_RAW), UV_ENOTTY);
  close_stdio();
}

/* Else libuv aborts when the loop that has come to own it closes. */
TEST(a_loop_never_owns_one_that_was_closed) {
  tideR_runtime *other;
  saved = fcntl(0, F_DUPFD_CLOEXEC, 10);
  close(0);
  other = runtime_new();
  CHECK(tideR__stdio_is_reserved(0));
  CHECK_EQ(tideR_stdio_open(other, 0, &stream), 0);
  start(other, 1);
  CHECK_SAID("EBADF");
  tideR_handle_release(&stream->handle);
  runtime_free(other);
  put_back();
}

/* ---- writing ---- */

static char much[200000];

static void fill(char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)('a' + i % 26);
}

/* All that comes of it until nobody can write any more, or `size` has. */
static size_t swallow(int fd, size_t size) {
  static char got[sizeof much];
  size_t n = 0;
  ssize_t some;
  while (n < size && (some = read(fd, got + n, sizeof got - n)) > 0)
    n += (size_t)some;
  CHECK(memcmp(got, much, n) == 0);
  return n;
}

static void drains(actor *me) {
  BEGIN
  AWAIT(tideR_stream_park_drain(me->rt, me->task, stream));
  int err = tideR_stream_failure(stream);
  say("%s", err < 0 ? uv_err_name(err) : "sent");
  END
}

static void write_much(tideR_runtime *rt, int *ends) {
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  actor *a;
  size_t first;
  fill(much, sizeof much);
  open_stdio(rt, ends[1]);
  CHECK_EQ(tideR_stream_write(stream, &buf, 1), 0);
  first = stream->bytes_written;
  CHECK(first > 0 && stream->unsent == sizeof much - first);
  CHECK(tideR_stream_full(stream)); /* a write waits for all of it */
  CHECK(is_blocking());
  CHECK_EQ(stats(rt).handles, 1);
  a = spawn(rt, drains);
  step(rt);
  CHECK_EQ(swallow(ends[0], first), first);
  fill(much, sizeof much);
  for (size_t n = first; n < sizeof much;) {
    char got[4096];
    ssize_t some;
    step(rt);
    some = read(ends[0], got, sizeof got);
    CHECK(some > 0 && memcmp(got, much + n, (size_t)some) == 0);
    n += some > 0 ? (size_t)some : sizeof much;
  }
  finish(rt, a);
  CHECK_SAID("sent");
  CHECK_EQ(stats(rt).handles, 0);
  close_stdio();
  close(ends[0]);
}

TEST(what_a_pipe_has_no_room_for_goes_later) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  write_much(rt, ends);
}

TEST(what_a_socket_has_no_room_for_goes_later) {
  int ends[2], size = 4096;
  CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  CHECK_EQ(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
  write_much(rt, ends);
}

/* One that cannot be opened anew, as that of another user: here for there is no
 * descriptor left. */
TEST(where_it_cannot_be_opened_anew_it_is_asked_before) {
  tideR_shared shared = {.kind = SHARED_BLOCKING, .most = 512};
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  char got[16];
  int ends[2];
  ssize_t n, total = 0;
  CHECK_EQ(pipe(ends), 0);
  shared.fd = ends[0];
  CHECK_EQ(tideR__shared_read(&shared, got, sizeof got), UV_EAGAIN);
  shared.fd = ends[1];
  n = tideR__shared_write(&shared, &buf, 1);
  CHECK(n > 0 && n < (ssize_t)sizeof much);
  CHECK_EQ(tideR__shared_write(&shared, &buf, 1), UV_EAGAIN);
  CHECK(!tideR__shared_writable(&shared, 0));
  shared.fd = ends[0];
  while ((total += tideR__shared_read(&shared, got, sizeof got)) < n)
    continue;
  CHECK_EQ(total, n);
  close(ends[1]);
  CHECK_EQ(tideR__shared_read(&shared, got, sizeof got), UV_EOF);
  close(ends[0]);
}

/* The program's own is taken, and not the system's: so many are interrupted. */
static int interrupted;

__attribute__((visibility("default"))) int poll(struct pollfd *fds, nfds_t n,
                                                int ms) {
  struct timespec wait = {ms / 1000, ms % 1000 * 1000000L};
  if (interrupted == 0)
    return ppoll(fds, n, ms < 0 ? NULL : &wait, NULL);
  interrupted--;
  errno = EINTR;
  return -1;
}

TEST(a_signal_while_it_is_asked_is_no_answer) {
  tideR_shared shared = {.kind = SHARED_BLOCKING, .most = 512};
  char got[16];
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  shared.fd = ends[0];
  interrupted = 2;
  CHECK_EQ(tideR__shared_read(&shared, got, sizeof got), UV_EAGAIN);
  CHECK_EQ(interrupted, 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(a_reader_that_is_gone_is_an_error) {
  int ends[2];
  actor *a;
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  CHECK_EQ(pipe(ends), 0);
  open_stdio(rt, ends[1]);
  CHECK_EQ(tideR_stream_write(stream, &buf, 1), 0);
  a = spawn(rt, drains);
  step(rt);
  close(ends[0]);
  finish(rt, a);
  CHECK_SAID("EPIPE");
  CHECK_EQ(write_text("x"), UV_EPIPE);
  CHECK_EQ(stats(rt).handles, 0);
  close_stdio();
}

TEST(a_close_drops_what_is_unsent_and_closes_nobody_elses) {
  int ends[2];
  size_t sent;
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  CHECK_EQ(pipe(ends), 0);
  open_stdio(rt, ends[1]);
  CHECK_EQ(tideR_stream_write(stream, &buf, 1), 0);
  sent = stream->bytes_written;
  tideR_handle_close(&stream->handle);
  CHECK_EQ(write_text("x"), UV_ECANCELED);
  CHECK_EQ(swallow(ends[0], sent), sent);
  put(0, "open");
  expect(ends[0], "open");
  close_stdio();
  close(ends[0]);
}

TEST(after_a_shutdown_nothing_more_is_written) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  open_stdio(rt, ends[1]);
  CHECK_EQ(write_text("x"), 0);
  CHECK_EQ(tideR_stream_shutdown(stream), 0);
  CHECK(tideR_stream_drained(stream));
  CHECK_EQ(write_text("y"), UV_EPIPE);
  expect(ends[0], "x");
  close_stdio();
  close(ends[0]);
}

static size_t swallowed;

static void swallow_all(void *arg) {
  uv_sleep(5);
  swallowed = swallow(*(int *)arg, sizeof much);
}

static void end_with_unsent(int *ends, void (*end)(tideR_runtime *rt)) {
  tideR_runtime *other = runtime_new();
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  uv_thread_t thread;
  fill(much, sizeof much);
  open_stdio(other, ends[1]);
  CHECK_EQ(tideR_stream_write(stream, &buf, 1), 0);
  CHECK_EQ(uv_thread_create(&thread, swallow_all, &ends[0]), 0);
  end(other);
  put_back();
  uv_thread_join(&thread);
  close(ends[0]);
}

static void free_it(tideR_runtime *rt) {
  runtime_free(rt);
  tideR_handle_release(&stream->handle);
}

TEST(what_is_unsent_when_the_runtime_ends_goes_out) {
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  end_with_unsent(ends, free_it);
  CHECK_EQ(swallowed, sizeof much);
}

/* The child has a copy of what is unsent. */
TEST(the_child_of_a_fork_sends_nothing_of_its_parents) {
  int ends[2], status = -1;
  pid_t child;
  size_t sent;
  uv_buf_t buf = uv_buf_init(much, sizeof much);
  CHECK_EQ(pipe(ends), 0);
  fill(much, sizeof much);
  open_stdio(rt, ends[1]);
  CHECK_EQ(tideR_stream_write(stream, &buf, 1), 0);
  sent = stream->bytes_written;
  child = fork();
  if (child == 0)
    exit(0);
  CHECK_EQ(swallow(ends[0], sent), sent);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  CHECK_EQ(read(ends[0], much, 1), -1);
  close_stdio();
  close(ends[0]);
}

/* By exit, with the runtime open. */
TEST(what_is_unsent_at_the_end_of_the_process_goes_out) {
  int ends[2], status = -1;
  pid_t child;
  CHECK_EQ(pipe(ends), 0);
  fill(much, sizeof much);
  child = fork();
  if (child == 0) {
    uv_buf_t buf = uv_buf_init(much, sizeof much);
    tideR_runtime *mine = runtime_new();
    close(ends[0]);
    dup2(ends[1], 0);
    close(ends[1]);
    if (tideR_stdio_open(mine, 0, &stream) == 0 &&
        tideR_stream_write(stream, &buf, 1) == 0)
      exit(0);
    _exit(1);
  }
  close(ends[1]);
  CHECK_EQ(swallow(ends[0], sizeof much), sizeof much);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  close(ends[0]);
}
