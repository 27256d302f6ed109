/* test_descriptor.c: waiting for descriptors that come and go. */
#include <sys/wait.h>

#include "test.h"

#include "descriptor.h"

typedef struct polling {
  int fd, events;
} polling;

static void poller(actor *me) {
  const polling *it = me->arg;
  int outcome;
  BEGIN
  AWAIT(
      CHECK_EQ(tideR_descriptor_park(me->rt, me->task, it->fd, it->events), 0));
  outcome = tideR_descriptor_outcome(me->task);
  if (me->raised)
    say("%s!", me->name);
  else if (outcome < 0)
    say("%s:%s", me->name, uv_err_name(outcome));
  else
    say("%s:%s%s", me->name, outcome & TIDE_READABLE ? "r" : "",
        outcome & TIDE_WRITABLE ? "w" : "");
  END
}

/* What waits for its first byte. */
static polling make_pipe(int fds[2]) {
  CHECK_EQ(pipe(fds), 0);
  return (polling){fds[0], TIDE_READABLE};
}

static void put(int fd) {
  CHECK_EQ(write(fd, "x", 1), 1);
}

static void drop(int fds[2]) {
  close(fds[0]);
  close(fds[1]);
}

/* What is there to be told has been. */
static void look(tideR_runtime *rt) {
  uv_run(tideR_runtime_uv(rt), UV_RUN_NOWAIT);
}

TEST(a_byte_wakes_who_waits_for_it) {
  int fds[2];
  polling it = make_pipe(fds);
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  CHECK_EQ(stats(rt).handles, 1);
  put(fds[1]);
  run(rt);
  CHECK_SAID("a:r");
  CHECK_EQ(stats(rt).handles, 0);
  drop(fds);
}

TEST(each_end_of_a_pipe_has_waiters_of_its_own) {
  int fds[2];
  polling read_end = make_pipe(fds), write_end = {fds[1], TIDE_WRITABLE};
  spawn_arg(rt, poller, &read_end, "a");
  spawn_arg(rt, poller, &write_end, "b");
  step(rt);
  step(rt);
  CHECK_SAID("b:w");
  close(fds[1]);
  run(rt);
  CHECK_SAID("a:r");
  close(fds[0]);
}

TEST(who_dies_after_it_was_woken_leaves_nothing) {
  int fds[2];
  polling it = make_pipe(fds);
  actor *a;
  a = spawn_arg(rt, poller, &it, "a");
  step(rt);
  put(fds[1]);
  look(rt);
  dies(rt, a);
  spawn_arg(rt, poller, &it, "b");
  run(rt);
  CHECK_SAID("b:r");
  drop(fds);
}

TEST(forgetting_wakes_all_and_what_was_told_before_counts) {
  int fds[2], others[2];
  polling it = make_pipe(fds), other = make_pipe(others);
  spawn_arg(rt, poller, &it, "a");
  spawn_arg(rt, poller, &other, "b");
  step(rt);
  put(fds[1]);
  look(rt);
  tideR_descriptor_forget(rt, fds[0]);
  tideR_descriptor_forget(rt, others[0]);
  tideR_descriptor_forget(rt, others[0]);
  run(rt);
  CHECK_SAID("a:r b:ECANCELED");
  drop(fds);
  drop(others);
}

TEST(a_second_one_is_refused) {
  int fds[2];
  polling it = make_pipe(fds);
  actor *b;
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  b = root(rt);
  CHECK_EQ(tideR_descriptor_park(rt, b->task, fds[0], TIDE_READABLE), UV_EBUSY);
  CHECK_EQ(
      tideR_descriptor_park(rt, b->task, fds[0], TIDE_READABLE | TIDE_WRITABLE),
      UV_EBUSY);
  put(fds[1]);
  run(rt);
  CHECK_SAID("a:r");
  drop(fds);
}

TEST(a_runtime_may_end_with_tasks_that_wait) {
  int fds[2];
  polling *it = malloc(sizeof *it);
  tideR_runtime *other = runtime_new();
  *it = make_pipe(fds);
  spawn_arg(other, poller, it, "a");
  step(other);
  runtime_free(other);
  free(it);
  drop(fds);
}

/* The table grows. */
TEST(many_are_told_of) {
  enum { MANY = 100 };
  static int fds[MANY][2];
  static polling its[MANY];
  for (int i = 0; i < MANY; i++) {
    its[i] = make_pipe(fds[i]);
    spawn_arg(rt, poller, &its[i], "");
  }
  step(rt);
  for (int i = 0; i < MANY; i++)
    put(fds[i][1]);
  run(rt);
  CHECK_EQ(strlen(said), MANY * 3 - 1);
  for (int i = 0; i < MANY; i++)
    drop(fds[i]);
}

static void end_host(void *ud) {
  (*(int *)ud)++;
}

TEST(on_a_hosts_loop_it_keeps_that_alive_while_somebody_waits) {
  int fds[2], freed = 0;
  uv_loop_t loop;
  polling it = make_pipe(fds);
  tideR_runtime *hosted;
  world *data;
  CHECK_EQ(uv_loop_init(&loop), 0);
  hosted = runtime_on(&loop);
  data = tideR_runtime_data(hosted);
  spawn_arg(hosted, poller, &it, "a");
  uv_run(&loop, UV_RUN_NOWAIT);
  uv_run(&loop, UV_RUN_NOWAIT);
  CHECK(tideR_loop_alive(hosted));
  CHECK_EQ(stats(hosted).handles, 1);
  put(fds[1]);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK_SAID("a:r");
  CHECK(!tideR_loop_alive(hosted));
  tideR_runtime_free(hosted, end_host, &freed);
  uv_run(&loop, UV_RUN_DEFAULT);
  CHECK_EQ(freed, 1);
  world_free(data);
  CHECK_EQ(uv_loop_close(&loop), 0);
  drop(fds);
}

/* A child that closes what it does not need, a server that forks say. */
TEST(the_child_of_a_fork_forgets_its_own_only) {
  int fds[2], status = -1;
  polling it = {0, TIDE_READABLE};
  pid_t child;
  make_pipe(fds);
  it.fd = fds[0];
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    tideR_descriptor_forget(rt, fds[0]);
    _exit(0);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  put(fds[1]);
  step(rt);
  step(rt);
  CHECK_SAID("a:r");
  drop(fds);
}

#ifdef TIDE_WATCHSET

TEST(a_file_is_ready_at_once_and_what_is_closed_is_bad) {
  FILE *file = tmpfile();
  actor *a = root(rt);
  int events = TIDE_READABLE | TIDE_WRITABLE, fd = fileno(file);
  CHECK_EQ(tideR_descriptor_park(rt, a->task, fd, events), events);
  fclose(file);
  CHECK_EQ(tideR_descriptor_park(rt, a->task, fd, events), UV_EBADF);
  CHECK_EQ(stats(rt).handles, 0);
}

/* The parent's copy was closed while a child has it: the system goes on
 * watching a file that the number is not of any more. */
TEST(a_file_that_lives_on_elsewhere_wakes_nobody) {
  int fds[2], others[2], copy;
  polling it = make_pipe(fds);
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  copy = dup(fds[0]);
  make_pipe(others);
  CHECK_EQ(dup2(others[0], fds[0]), fds[0]);
  spawn_arg(rt, poller, &it, "b");
  step(rt);
  step(rt);
  CHECK_SAID("a:EBADF");
  put(fds[1]);
  step(rt);
  step(rt);
  CHECK_SAID("");
  put(others[1]);
  run(rt);
  CHECK_SAID("b:r");
  drop(fds);
  drop(others);
  close(copy);
}

TEST(a_file_that_comes_back_is_watched) {
  int fds[2], copy;
  polling it = make_pipe(fds);
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  copy = dup(fds[0]);
  close(fds[0]);
  tideR_descriptor_forget(rt, fds[0]);
  CHECK_EQ(dup2(copy, fds[0]), fds[0]);
  spawn_arg(rt, poller, &it, "b");
  step(rt);
  CHECK_SAID("a:ECANCELED");
  put(fds[1]);
  run(rt);
  CHECK_SAID("b:r");
  drop(fds);
  close(copy);
}

TEST(one_that_is_closed_while_another_waits_is_told_to_both) {
  int fds[2];
  polling it = make_pipe(fds);
  actor *b = root(rt);
  spawn_arg(rt, poller, &it, "a");
  step(rt);
  close(fds[0]);
  CHECK_EQ(tideR_descriptor_park(rt, b->task, fds[0], TIDE_READABLE), UV_EBADF);
  run(rt);
  CHECK_SAID("a:EBADF");
  close(fds[1]);
}

#endif
