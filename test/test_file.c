/*
 * test_file.c: open files: what is read ahead, what goes through the gate, and
 * what runs while a file is closed, its reader cancelled, the runtime ended.
 *
 * Reading a FIFO takes until there is something in it, and writing until there
 * is room: so a test decides when an operation ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "file.h"
#include "host_loop.h"
#include "source.h"

enum { BLOCK = 65536 };

static char path[] = "/tmp/tide-file-XXXXXX";
static tideR_file *file;

static void poll_until_over(tideR_runtime *rt, const tideR_fs *op) {
  while (tideR_fs_busy(op))
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
}

/* What was begun, for whomever, is over. */
static void settle(tideR_runtime *rt) {
  while (tideR_runtime_uv(rt)->active_reqs.count > 0)
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
}

static void open_path(tideR_runtime *rt) {
  tideR_fs *op =
      tideR_fs_new(rt, &tideR_file_open, path, strlen(path), NULL, 0);
  op->flags = O_RDWR;
  CHECK(!tideR_fs_begin(rt, op));
  poll_until_over(rt, op);
  CHECK_EQ(op->result, 0);
  file = tideR_file_new(rt, op, false);
  tideR_fs_release(op);
  source.stream = tideR_file_stream(file);
  source.stream->limit = 4 * BLOCK;
}

/* So many blocks, each of its own letter. */
static void put_blocks(char first, int n) {
  int fd = open(path, O_WRONLY);
  char block[BLOCK];
  for (int i = 0; i < n; i++) {
    memset(block, first + i, sizeof block);
    CHECK_EQ(write(fd, block, sizeof block), sizeof block);
  }
  close(fd);
}

static void new_file(tideR_runtime *rt, int blocks) {
  strcpy(path + strlen(path) - 6, "XXXXXX");
  close(mkstemp(path));
  put_blocks('a', blocks);
  open_path(rt);
}

static int new_fifo(tideR_runtime *rt) {
  int fd;
  new_file(rt, 0);
  tideR_handle_release(&source.stream->handle);
  settle(rt);
  unlink(path);
  CHECK_EQ(mkfifo(path, 0600), 0);
  open_path(rt);
  fd = open(path, O_RDWR | O_NONBLOCK);
  CHECK(fd >= 0);
  return fd;
}

static bool is_open(int fd) {
  return fcntl(fd, F_GETFD) >= 0 || errno != EBADF;
}

static void end_file(tideR_runtime *rt) {
  int fd = tideR_file_fd(file);
  tideR_handle_release(&source.stream->handle);
  settle(rt);
  CHECK(fd < 0 || !is_open(fd));
  unlink(path);
}

/* A read that is under way, of more perhaps, ends with what it is given. */
static void end_fifo(tideR_runtime *rt, int fifo) {
  tideR_handle_release(&source.stream->handle);
  CHECK_EQ(write(fifo, "x", 1), 1);
  settle(rt);
  close(fifo);
  unlink(path);
}

static void finish(tideR_runtime *rt, const actor *a) {
  while (!a->done) {
    step(rt);
    uv_sleep(1);
  }
}

/* ---- reading ahead ---- */

/* Reads that many bytes: the letter of the first and of the last. */
static void read_on(tideR_runtime *rt, size_t n, const char *expected) {
  const char *bytes;
  tideR_reading wanted = {.wanting = TIDE_READ_EXACTLY, .size = n};
  char ends[3] = "";
  while (!tideR_stream_ready(source.stream, &wanted))
    uv_run(tideR_runtime_uv(rt), UV_RUN_ONCE);
  CHECK_EQ(tideR_stream_see(source.stream, &bytes)->length, n);
  ends[0] = bytes[0];
  ends[1] = bytes[n - 1];
  CHECK_STR(ends, expected);
  tideR_stream_take(source.stream);
}

TEST(once_reading_goes_on_the_next_block_is_read_ahead) {
  new_file(rt, 8);
  read_on(rt, BLOCK, "aa");
  read_on(rt, 2 * BLOCK, "bc");
  settle(rt);
  put_blocks('A', 8);
  read_on(rt, 4 * BLOCK, "dg"); /* that was there already */
  end_file(rt);
}

TEST(a_seek_drops_what_is_ahead_and_what_is_being_read) {
  int64_t at;
  new_file(rt, 8);
  read_on(rt, BLOCK, "aa");
  read_on(rt, 2 * BLOCK, "bc");
  put_blocks('A', 8);
  CHECK(tideR_file_seek_now(file, TIDE_SEEK_SET, BLOCK, &at));
  CHECK_EQ(at, BLOCK);
  read_on(rt, BLOCK, "BB");
  CHECK(tideR_file_seek_now(file, TIDE_SEEK_CUR, 0, &at));
  CHECK_EQ(at, 2 * BLOCK);
  CHECK(tideR_file_seek_now(file, TIDE_SEEK_CUR, -3 * BLOCK, &at));
  CHECK_EQ(at, UV_EINVAL);
  read_on(rt, BLOCK, "CC"); /* that moved nothing */
  CHECK(!tideR_file_seek_now(file, TIDE_SEEK_END, 0, &at)); /* who knows? */
  end_file(rt);
}

TEST(a_block_that_nobody_takes_goes_with_the_file) {
  new_file(rt, 8);
  read_on(rt, BLOCK, "aa");
  read_on(rt, 2 * BLOCK, "bc");
  end_file(rt);
  new_file(rt, 8);
  read_on(rt, BLOCK, "aa");
  read_on(rt, 2 * BLOCK, "bc");
  settle(rt);
  end_file(rt);
}

/* ---- the gate ---- */

static tideR_fs *begin(tideR_runtime *rt, const tideR_fskind *kind,
                       const char *text) {
  tideR_fs *op = tideR_file_do(file, kind);
  CHECK(op != NULL);
  op->bytes = strdup(text);
  op->size = strlen(text);
  tideR_fs_begin(rt, op);
  return op;
}

static void end(tideR_runtime *rt, tideR_fs *op, int64_t result) {
  poll_until_over(rt, op);
  CHECK_EQ(op->result, result);
  tideR_file_end(rt, op);
  tideR_fs_release(op);
}

static void expect_text(const char *text) {
  char got[100] = "";
  int fd = open(path, O_RDONLY);
  CHECK(read(fd, got, sizeof got - 1) >= 0);
  close(fd);
  CHECK_STR(got, text);
}

TEST(changes_are_made_in_the_order_of_the_calls) {
  int64_t at;
  tideR_fs *ops[4];
  new_file(rt, 0);
  ops[0] = begin(rt, &tideR_file_write, "one ");
  ops[1] = begin(rt, &tideR_file_write, "two ");
  ops[2] = begin(rt, &tideR_file_sync, "");
  ops[3] = begin(rt, &tideR_file_write, "three");
  CHECK(!tideR_file_seek_now(file, TIDE_SEEK_SET, 0, &at)); /* in line */
  for (int i = 0; i < 4; i++)
    end(rt, ops[i], 0);
  expect_text("one two three");
  CHECK(tideR_file_seek_now(file, TIDE_SEEK_CUR, 0, &at));
  CHECK_EQ(at, 13);
  end_file(rt);
}

TEST(one_that_leaves_the_gate_lets_the_next_go_on) {
  tideR_fs *ops[3];
  new_file(rt, 0);
  ops[0] = begin(rt, &tideR_file_write, "one ");
  ops[1] = begin(rt, &tideR_file_write, "two ");
  ops[2] = begin(rt, &tideR_file_write, "three");
  tideR_fs_release(ops[1]);
  end(rt, ops[0], 0);
  end(rt, ops[2], 0);
  expect_text("one three");
  end_file(rt);
}

TEST(who_reads_while_a_change_is_made_gets_what_comes_after_it) {
  tideR_fs *op;
  new_file(rt, 1);
  want(TIDE_READ_EXACTLY, 3);
  op = begin(rt, &tideR_file_write, "12345");
  finish(rt, start_reader(rt, 1, "r"));
  CHECK_SAID("raaa.");
  end(rt, op, 0);
  op = begin(rt, &tideR_file_write, "6");
  end(rt, op, 0);
  read_on(rt, 2, "aa");
  end_file(rt);
}

/* ---- what runs meanwhile ---- */

TEST(a_cancelled_readers_bytes_are_the_next_ones) {
  actor *a;
  int fifo = new_fifo(rt);
  want(TIDE_READ_SOME, 10);
  a = start_reader(rt, 1, "a");
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
  tideR_task_cancel(rt, a->task);
  step(rt);
  CHECK_SAID("acancelled");
  CHECK_EQ(write(fifo, "one", 3), 3);
  finish(rt, start_reader(rt, 1, "b"));
  CHECK_SAID("bone.");
  end_fifo(rt, fifo);
}

TEST(closed_while_it_is_read_the_descriptor_goes_after_that) {
  int fifo = new_fifo(rt), fd = tideR_file_fd(file);
  want(TIDE_READ_SOME, 10);
  start_reader(rt, 1, "a");
  CHECK(tideR_file_closing(file) == NULL);
  CHECK_EQ(tideR_file_fd(file), -1);
  step(rt);
  CHECK_SAID("aECANCELED:.");
  CHECK(is_open(fd));
  end(rt, begin(rt, &tideR_file_stat, ""), UV_ECANCELED);
  CHECK_EQ(write(fifo, "one", 3), 3);
  settle(rt);
  CHECK(!is_open(fd));
  close(fifo);
  end_file(rt);
}

TEST(closed_while_nothing_runs_it_is_an_operation_that_does_so) {
  tideR_fs *op;
  int fd;
  new_file(rt, 1);
  fd = tideR_file_fd(file);
  op = tideR_file_closing(file);
  CHECK(op != NULL);
  CHECK(is_open(fd));
  CHECK(!tideR_fs_begin(rt, op));
  poll_until_over(rt, op);
  CHECK(!is_open(fd));
  tideR_fs_release(op);
  end_file(rt);
  new_file(rt, 1);
  fd = tideR_file_fd(file);
  tideR_fs_release(tideR_file_closing(file)); /* it never begins */
  settle(rt);
  CHECK(!is_open(fd));
  end_file(rt);
}

/* Until it has written all that it was given. */
static void writes(actor *me) {
  tideR_fs *op;
  BEGIN
  op = tideR_file_do(file, &tideR_file_write);
  op->bytes = calloc(1, 4 * BLOCK);
  op->size = 4 * BLOCK;
  CHECK(!tideR_fs_begin(me->rt, op));
  AWAIT(tideR_fs_park(me->rt, me->task, op, true));
  if (me->raised) {
    say("%scancelled", me->name);
    return;
  }
  op = tideR_fs_of(me->task);
  tideR_fs_own(me->task, op);
  say("%s%d", me->name, (int)op->length);
  tideR_file_end(me->rt, op);
  tideR_fs_release(op);
  END
}

static size_t drain(int fd) {
  char bytes[BLOCK];
  ssize_t n = read(fd, bytes, sizeof bytes);
  return n > 0 ? (size_t)n : 0;
}

/* The pipe takes one block: the thread waits for room. */
TEST(a_write_that_is_cancelled_is_whole_and_the_one_behind_it_never_begins) {
  size_t n = 0;
  actor *a, *b;
  int fifo = new_fifo(rt);
  a = spawn_named(rt, writes, "a");
  b = spawn_named(rt, writes, "b");
  step(rt);
  while (n == 0) /* it has begun */
    n = drain(fifo);
  tideR_task_cancel(rt, a->task);
  tideR_task_cancel(rt, b->task);
  step(rt);
  CHECK_SAID("bcancelled");
  while (!a->done) {
    n += drain(fifo);
    step(rt);
  }
  CHECK_SAID("a262144");
  CHECK_EQ(n + drain(fifo), 4 * BLOCK);
  close(fifo);
  end_file(rt);
}

/* ---- the end ---- */

static void put_later(void *arg) {
  uv_sleep(20);
  CHECK_EQ(write(*(int *)arg, "one", 3), 3);
}

TEST(a_runtimes_end_waits_for_what_runs_and_closes) {
  tideR_runtime *mine = runtime_new();
  int fifo = new_fifo(mine), fd = tideR_file_fd(file);
  uv_thread_t other;
  tideR_fs *kept;
  want(TIDE_READ_SOME, 10);
  start_reader(mine, 1, "a");
  kept = begin(mine, &tideR_file_sync, "");
  tideR_fs_release(begin(mine, &tideR_file_write, "never"));
  uv_thread_create(&other, put_later, &fifo);
  runtime_free(mine);
  uv_thread_join(&other);
  CHECK_SAID("");
  CHECK(tideR_stream_closed(source.stream));
  tideR_handle_release(&source.stream->handle);
  CHECK(is_open(fd)); /* the last that uses it is the test's */
  CHECK(!tideR_fs_busy(kept));
  tideR_file_end(NULL, kept);
  tideR_fs_release(kept);
  CHECK(!is_open(fd));
  close(fifo);
  unlink(path);
}

TEST(on_a_hosts_loop_the_end_comes_with_that_of_what_runs) {
  tideR_runtime *mine = borrow();
  int fifo = new_fifo(mine), fd = tideR_file_fd(file);
  want(TIDE_READ_SOME, 10);
  spawn_named(mine, reader, "a")->n = 1;
  uv_run(&host, UV_RUN_NOWAIT);
  uv_sleep(10); /* a thread has it */
  tideR_handle_release(&source.stream->handle);
  free_on(mine);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(!is_freed);
  CHECK(is_open(fd));
  CHECK_EQ(write(fifo, "one", 3), 3);
  run_host();
  CHECK(is_freed);
  CHECK(!is_open(fd));
  CHECK_SAID("");
  end_host();
  close(fifo);
  unlink(path);
}

TEST(in_the_child_of_a_fork_it_is_closed_at_once) {
  int status = -1, fifo = new_fifo(rt), fd = tideR_file_fd(file);
  pid_t child;
  actor *a;
  want(TIDE_READ_SOME, 10);
  a = start_reader(rt, 1, "a");
  fflush(stdout);
  child = fork();
  if (child == 0) {
    alarm(TEST_SECONDS);
    tideR_handle_release(&source.stream->handle);
    CHECK(!is_open(fd));
    runtime_free(rt);
    _exit(test_failures > 0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(write(fifo, "one", 3), 3);
  finish(rt, a);
  CHECK_SAID("aone.");
  end_fifo(rt, fifo);
}

TEST(so_it_is_by_who_would_wait_for_that) {
  int status = -1, fd;
  pid_t child;
  new_file(rt, 1);
  fd = tideR_file_fd(file);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    CHECK(tideR_file_closing(file) == NULL);
    CHECK(!is_open(fd));
    tideR_handle_release(&source.stream->handle);
    runtime_free(rt);
    _exit(test_failures > 0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  end_file(rt);
}
