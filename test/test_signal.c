/* test_signal.c: signals by name, several watchers, threads and forks. */
#include <sys/wait.h>

#include "handlers.h"

static void on_other(int signum) {
  (void)signum;
}

static tideR_signal one, two;

static void watch(tideR_runtime *rt, tideR_signal *signal, int number) {
  tideR_signal_init(signal);
  CHECK_EQ(tideR_signal_watch(rt, signal, number, false, NULL), 0);
}

static void waits(actor *me) {
  BEGIN
  AWAIT(tideR_signal_park(me->rt, me->task, me->arg));
  say("%s", me->raised ? "cancelled" : "came");
  END
}

static void raises(actor *me) {
  (void)me;
  raise(SIGUSR1);
}

TEST(signals_have_names) {
  CHECK_EQ(tideR_signal_number("SIGINT"), SIGINT);
  CHECK_EQ(tideR_signal_number("SIGQUIT"), SIGQUIT);
  CHECK_EQ(tideR_signal_number("SIGUSR2"), SIGUSR2);
  CHECK_EQ(tideR_signal_number("SIGNONE"), 0);
  CHECK_EQ(tideR_signal_number(""), 0);
  CHECK_EQ(tideR_signal_number("SIGKILL"), SIGKILL);
  CHECK(strcmp(tideR_signal_name(SIGTERM), "SIGTERM") == 0);
  CHECK(strcmp(tideR_signal_name(SIGABRT), "SIGABRT") == 0);
  CHECK(tideR_signal_name(0) == NULL);
  CHECK(tideR_signal_name(-9) == NULL);
}

TEST(what_is_no_signal_or_cannot_be_caught_is_refused) {
  tideR_signal_init(&one);
  CHECK_EQ(tideR_signal_watch(rt, &one, 0, false, NULL), UV_EINVAL);
  CHECK_EQ(tideR_signal_watch(rt, &one, 10000, false, NULL), UV_EINVAL);
  CHECK_EQ(tideR_signal_watch(rt, &one, SIGKILL, false, NULL), UV_EINVAL);
  CHECK(one.rt == NULL);
  tideR_signal_unwatch(&one); /* nothing */
}

TEST(a_signal_wakes_who_waits_for_it) {
  watch(rt, &one, SIGUSR1);
  spawn(rt, waits)->arg = &one;
  spawn(rt, waits)->arg = &one;
  spawn(rt, raises);
  run(rt);
  CHECK_SAID("came came");
  CHECK_EQ(stats(rt).wakers, 0);
  CHECK_EQ(tideR_signal_take(&one), 1);
  tideR_signal_unwatch(&one);
}

TEST(what_came_is_counted_until_it_is_taken) {
  watch(rt, &one, SIGUSR1);
  CHECK(!tideR_signal_came(&one));
  raise(SIGUSR1);
  raise(SIGUSR1);
  CHECK(tideR_signal_came(&one));
  step(rt);
  CHECK_EQ(tideR_signal_take(&one), 2);
  CHECK_EQ(tideR_signal_take(&one), 0);
  CHECK(!tideR_signal_came(&one));
  tideR_signal_unwatch(&one);
}

TEST(a_wait_ends_by_a_cancel) {
  actor *a = spawn(rt, waits);
  watch(rt, &one, SIGUSR1);
  a->arg = &one;
  step(rt);
  CHECK_EQ(stats(rt).wakers, 1);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  run(rt);
  CHECK_SAID("cancelled");
  CHECK_EQ(stats(rt).wakers, 0);
  tideR_signal_unwatch(&one);
}

TEST(an_unwatch_wakes_who_waits) {
  watch(rt, &one, SIGUSR1);
  spawn(rt, waits)->arg = &one;
  step(rt);
  tideR_signal_unwatch(&one);
  run(rt);
  CHECK_SAID("came");
  CHECK_EQ(stats(rt).wakers, 0);
}

static unsigned told;

static void on_told(tideR_signal *signal) {
  told += tideR_signal_take(signal);
}

TEST(a_watcher_is_told) {
  told = 0;
  tideR_signal_init(&one);
  CHECK_EQ(tideR_signal_watch(rt, &one, SIGUSR1, false, on_told), 0);
  raise(SIGUSR1);
  CHECK_EQ(told, 0); /* not in the handler */
  step(rt);
  CHECK_EQ(told, 1);
  step(rt);
  CHECK_EQ(told, 1);
  raise(SIGUSR1);
  raise(SIGUSR1);
  step(rt);
  CHECK_EQ(told, 3);
  tideR_signal_unwatch(&one);
}

TEST(a_signal_has_several_watchers) {
  watch(rt, &one, SIGUSR1);
  watch(rt, &two, SIGUSR1);
  raise(SIGUSR1);
  CHECK_EQ(tideR_signal_take(&one), 1);
  tideR_signal_unwatch(&one);
  raise(SIGUSR1);
  CHECK_EQ(tideR_signal_take(&two), 2);
  tideR_signal_unwatch(&two);
}

TEST(each_watcher_gets_its_own_signal) {
  watch(rt, &one, SIGUSR1);
  watch(rt, &two, SIGUSR2);
  raise(SIGUSR2);
  CHECK_EQ(tideR_signal_take(&one), 0);
  CHECK_EQ(tideR_signal_take(&two), 1);
  tideR_signal_unwatch(&two);
  tideR_signal_unwatch(&one);
}

TEST(two_runtimes_watch_one_signal) {
  tideR_runtime *other = runtime_new();
  watch(rt, &one, SIGUSR1);
  watch(other, &two, SIGUSR1);
  raise(SIGUSR1);
  runtime_free(other);
  CHECK(two.rt == NULL);
  raise(SIGUSR1);
  CHECK_EQ(tideR_signal_take(&one), 2);
  tideR_signal_unwatch(&one);
}

TEST(the_last_watcher_puts_the_handler_before_back) {
  set_handler(SIGUSR1, on_before);
  watch(rt, &one, SIGUSR1);
  watch(rt, &two, SIGUSR1);
  tideR_signal_unwatch(&one);
  CHECK(!has_handler(SIGUSR1, on_before));
  tideR_signal_unwatch(&two);
  CHECK(has_handler(SIGUSR1, on_before));
  tideR_signal_unwatch(&two); /* twice is once */
  set_handler(SIGUSR1, SIG_DFL);
}

TEST(a_handler_put_over_ours_stays) {
  set_handler(SIGUSR1, on_before);
  watch(rt, &one, SIGUSR1);
  set_handler(SIGUSR1, on_other);
  tideR_signal_unwatch(&one);
  CHECK(has_handler(SIGUSR1, on_other));
  set_handler(SIGUSR1, SIG_DFL);
}

static struct sigaction ours;

/* As who installs a handler over another may do. */
static void on_over(int signum) {
  caught++;
  ours.sa_handler(signum);
}

TEST(a_handler_that_calls_ours_is_not_called_again_by_it) {
  set_handler(SIGUSR1, on_other);
  watch(rt, &one, SIGUSR1);
  CHECK_EQ(sigaction(SIGUSR1, NULL, &ours), 0);
  set_handler(SIGUSR1, on_over);
  watch(rt, &two, SIGUSR1); /* over it */
  tideR_signal_unwatch(&one);
  tideR_signal_unwatch(&two);
  CHECK(has_handler(SIGUSR1, on_over));
  raise(SIGUSR1);
  CHECK_EQ(caught, 1);
  CHECK(has_handler(SIGUSR1, on_over));
}

TEST(an_urgent_signal_that_nobody_takes_goes_to_the_handler_before) {
  set_handler(SIGUSR1, on_before);
  tideR_signal_init(&one);
  CHECK_EQ(tideR_signal_watch(rt, &one, SIGUSR1, true, NULL), 0);
  raise(SIGUSR1);
  CHECK_EQ(tideR_signal_take(&one), 1);
  raise(SIGUSR1);
  CHECK_EQ(caught, 0);
  raise(SIGUSR1);
  CHECK_EQ(caught, 1);
  tideR_signal_unwatch(&one);
  CHECK(has_handler(SIGUSR1, on_before));
  set_handler(SIGUSR1, SIG_DFL);
}

static void kill_soon(void *arg) {
  uv_sleep(2);
  kill(*(pid_t *)arg, SIGUSR1);
}

TEST(a_signal_ends_a_poll_that_blocks) {
  uv_thread_t thread;
  pid_t self = getpid();
  watch(rt, &one, SIGUSR1);
  spawn(rt, waits)->arg = &one;
  CHECK_EQ(uv_thread_create(&thread, kill_soon, &self), 0);
  run(rt); /* or hangs */
  uv_thread_join(&thread);
  CHECK_SAID("came");
  tideR_signal_unwatch(&one);
}

/* Runtimes come and go in a thread while signals arrive in this one. */
static void watch_and_unwatch(void *arg) {
  atomic_int *done = arg;
  for (int i = 0; i < 200; i++) {
    tideR_signal mine;
    tideR_runtime *rt = runtime_new();
    tideR_signal_init(&mine);
    tideR_signal_watch(rt, &mine, SIGUSR1, false, NULL);
    runtime_free(rt);
  }
  atomic_store(done, 1);
}

TEST(watchers_of_other_threads_come_and_go_while_signals_arrive) {
  uv_thread_t thread;
  atomic_int done = 0;
  uint32_t sent = 0;
  watch(rt, &one, SIGUSR1);
  CHECK_EQ(uv_thread_create(&thread, watch_and_unwatch, &done), 0);
  while (!atomic_load(&done)) {
    raise(SIGUSR1);
    sent++;
  }
  uv_thread_join(&thread);
  CHECK_EQ(tideR_signal_take(&one), sent);
  tideR_signal_unwatch(&one);
}

static atomic_uint came;

static void watch_alone(void *arg) {
  tideR_runtime *rt = runtime_new();
  for (int i = 0; i < 2000; i++) {
    watch(rt, &two, SIGUSR1);
    tideR_signal_unwatch(&two);
    atomic_fetch_add(&came, tideR_signal_take(&two));
  }
  runtime_free(rt);
  atomic_store((atomic_int *)arg, 1);
}

TEST(no_signal_is_lost_while_the_only_watcher_comes_and_goes) {
  uv_thread_t thread;
  atomic_int done = 0;
  uint32_t sent = 0;
  set_handler(SIGUSR1, on_before);
  atomic_store(&came, 0);
  CHECK_EQ(uv_thread_create(&thread, watch_alone, &done), 0);
  while (!atomic_load(&done)) {
    raise(SIGUSR1);
    sent++;
  }
  uv_thread_join(&thread);
  CHECK_EQ(atomic_load(&came) + (uint32_t)caught, sent);
  CHECK(has_handler(SIGUSR1, on_before));
}

/* How a child that runs `body` ends. */
static int in_child(void (*body)(tideR_runtime *rt), tideR_runtime *rt) {
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    body(rt);
    _exit(7);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status;
}

static void raise_in_child(tideR_runtime *rt) {
  (void)rt;
  raise(SIGUSR1);
}

TEST(in_the_child_of_a_fork_it_is_as_before) {
  int status;
  set_handler(SIGUSR1, SIG_DFL);
  watch(rt, &one, SIGUSR1);
  status = in_child(raise_in_child, rt);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
  CHECK_EQ(tideR_signal_take(&one), 0);
  raise(SIGUSR1);
  CHECK_EQ(tideR_signal_take(&one), 1); /* here it is watched on */
  tideR_signal_unwatch(&one);
}

static void raise_until(void *arg) {
  while (!atomic_load((atomic_int *)arg))
    raise(SIGUSR1);
}

static void unwatch_in_child(tideR_runtime *rt) {
  (void)rt;
  tideR_signal_unwatch(&one);
  _exit(0);
}

TEST(a_handler_that_ran_when_another_thread_forked_holds_up_no_child) {
  uv_thread_t thread;
  atomic_int done = 0;
  watch(rt, &one, SIGUSR1);
  CHECK_EQ(uv_thread_create(&thread, raise_until, &done), 0);
  for (int i = 0; i < 100; i++) {
    int status = in_child(unwatch_in_child, rt);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  atomic_store(&done, 1);
  uv_thread_join(&thread);
  tideR_signal_unwatch(&one);
}

static void watch_anew(tideR_runtime *rt) {
  tideR_runtime *mine = runtime_new();
  tideR_runtime_free(rt, NULL, NULL);
  watch(mine, &two, SIGUSR1);
  raise(SIGUSR1);
  if (tideR_signal_take(&two) == 1)
    _exit(0);
}

TEST(the_child_of_a_fork_watches_for_itself) {
  int status;
  watch(rt, &one, SIGUSR1);
  status = in_child(watch_anew, rt);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK_EQ(tideR_signal_take(&one), 0);
  tideR_signal_unwatch(&one);
}
