/* test_interrupt.c: SIGINT, taken from the process and given back. */
#include <math.h>

#include "test.h"

static volatile sig_atomic_t caught; /* by the handler that was there before */

static void on_sigint(int signum) {
  (void)signum;
  caught++;
}

/* Sets the handler that "was there before" a watch. */
static void set_before(void) {
  struct sigaction action = {.sa_handler = on_sigint};
  sigemptyset(&action.sa_mask);
  CHECK_EQ(sigaction(SIGINT, &action, NULL), 0);
  caught = 0;
}

static void check_before_is_back(void) {
  struct sigaction action;
  CHECK_EQ(sigaction(SIGINT, NULL, &action), 0);
  CHECK(action.sa_handler == on_sigint);
}

static void watch(tideR_runtime *rt) {
  set_before();
  CHECK_EQ(tideR_interrupt_watch(rt), 0);
  CHECK(tideR_interrupt_watched(rt));
}

static void sleeps_for_ever(actor *me) {
  BEGIN
  SLEEP(INFINITY);
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

static void raises(actor *me) {
  (void)me;
  raise(SIGINT);
}

TEST(an_interrupt_cancels_the_main) {
  actor *other = spawn(rt, sleeps_for_ever);
  watch(rt);
  tideR_loop_main(rt, spawn(rt, sleeps_for_ever)->task);
  spawn(rt, raises);
  run(rt);
  CHECK_SAID("cancelled");
  CHECK_EQ(other->task->state, TIDE_TASK_PARKED);
  CHECK(tideR_interrupt_take(rt));
  CHECK(!tideR_interrupt_take(rt));
  CHECK_EQ(caught, 0);
}

TEST(an_interrupt_cancels_the_wait_of_the_root) {
  tideR_task *task = root(rt)->task;
  watch(rt);
  tideR_park_until(rt, task, TIDE_NEVER);
  spawn(rt, raises);
  run(rt);
  CHECK_EQ(task->status, TIDE_CANCELLED);
  CHECK_EQ(stats(rt).wakers, 0);
}

TEST(an_interrupt_is_seen_by_a_step) {
  actor *a = spawn(rt, sleeps_for_ever);
  watch(rt);
  tideR_loop_main(rt, a->task);
  step(rt);
  raise(SIGINT);
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  step(rt);
  CHECK_SAID("cancelled");
}

static void kill_soon(void *arg) {
  uv_sleep(2);
  kill(*(pid_t *)arg, SIGINT);
}

TEST(an_interrupt_ends_a_poll_that_blocks) {
  uv_thread_t thread;
  pid_t self = getpid();
  watch(rt);
  tideR_loop_main(rt, spawn(rt, sleeps_for_ever)->task);
  CHECK_EQ(uv_thread_create(&thread, kill_soon, &self), 0);
  run(rt); /* or hangs */
  uv_thread_join(&thread);
  CHECK_SAID("cancelled");
  CHECK(tideR_interrupt_take(rt));
}

TEST(an_interrupt_without_a_main_is_noted) {
  watch(rt);
  CHECK(!tideR_interrupt_take(rt));
  raise(SIGINT);
  step(rt);
  CHECK(tideR_interrupt_told(rt));
  CHECK(tideR_interrupt_take(rt));
}

TEST(an_interrupt_that_nobody_was_told_of_is_taken) {
  watch(rt);
  raise(SIGINT);
  CHECK(!tideR_interrupt_told(rt));
  CHECK(tideR_interrupt_take(rt));
  CHECK(!tideR_interrupt_take(rt));
  raise(SIGINT);
  CHECK_EQ(caught, 0);
}

TEST(the_second_interrupt_reaches_the_handler_before) {
  watch(rt);
  raise(SIGINT);
  CHECK_EQ(caught, 0);
  raise(SIGINT);
  CHECK_EQ(caught, 1);
  check_before_is_back();
  raise(SIGINT);
  CHECK_EQ(caught, 2);
}

TEST(after_it_was_taken_the_next_is_a_first_one) {
  watch(rt);
  for (int i = 0; i < 3; i++) {
    raise(SIGINT);
    step(rt);
    CHECK(tideR_interrupt_take(rt));
  }
  CHECK_EQ(caught, 0);
}

TEST(unwatch_puts_the_handler_before_back) {
  watch(rt);
  CHECK_EQ(tideR_interrupt_watch(rt), 0); /* twice is once */
  tideR_interrupt_unwatch(rt);
  CHECK(!tideR_interrupt_watched(rt));
  check_before_is_back();
  tideR_interrupt_unwatch(rt);
  raise(SIGINT);
  CHECK_EQ(caught, 1);
  CHECK(!tideR_interrupt_take(rt));
}

TEST(the_end_of_a_runtime_puts_it_back_too) {
  tideR_runtime *other = runtime_new();
  watch(other);
  runtime_free(other);
  check_before_is_back();
  CHECK_EQ(tideR_interrupt_watch(rt), 0);
}

TEST(one_runtime_of_a_process_watches) {
  tideR_runtime *other = runtime_new();
  watch(rt);
  CHECK_EQ(tideR_interrupt_watch(other), UV_EBUSY);
  CHECK(!tideR_interrupt_watched(other));
  tideR_interrupt_unwatch(other); /* not its own: nothing */
  raise(SIGINT);
  step(rt);
  CHECK(tideR_interrupt_take(rt));
  tideR_interrupt_unwatch(rt);
  CHECK_EQ(tideR_interrupt_watch(other), 0);
  runtime_free(other);
}

TEST(a_new_watch_begins_clean) {
  watch(rt);
  raise(SIGINT);
  step(rt);
  tideR_interrupt_unwatch(rt); /* nobody took it */
  watch(rt);
  CHECK(!tideR_interrupt_take(rt));
  raise(SIGINT);
  step(rt);
  CHECK(tideR_interrupt_take(rt));
}
