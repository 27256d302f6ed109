/* test_park.c: parking and waking, also where the yield fails. */
#include "test.h"

/* ---- stale wakes ---- */

TEST(a_wake_of_a_task_that_is_not_parked_does_nothing) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  tideR_wake(rt, a->task, TIDE_CANCELLED); /* ready */
  CHECK_EQ(a->task->status, TIDE_WOKEN);
  step(rt);
  tideR_waitq_wake(rt, &queue);
  tideR_wake(rt, a->task, TIDE_CANCELLED); /* woken already */
  run(rt);
  CHECK_SAID("a");
  tideR_wake(rt, a->task, TIDE_WOKEN); /* finished */
  CHECK_EQ(a->task->state, TIDE_TASK_FREE);
  CHECK_EQ(stats(rt).ready, 0);
}

/* ---- a suspension that fails: the task registered, but could not yield ----
 */

static void fails_then_sleeps(actor *me) {
  BEGIN
  tideR_waitq_park(me->rt, me->task, me->arg);
  SLEEP(1);
  say("slept");
  END
}

TEST(a_failed_wait_then_a_sleep_leaves_the_queue) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, fails_then_sleeps, &queue, "");
  step(rt);
  CHECK(queue.head == NULL);
  run(rt);
  CHECK_SAID("slept");
}

static void fails_sleeps_then_waits(actor *me) {
  BEGIN
  tideR_park_until(me->rt, me->task, tideR_deadline(me->rt, 1));
  tideR_park_until(me->rt, me->task, TIDE_NEVER);
  tideR_park_until(me->rt, me->task, tideR_deadline(me->rt, 2));
  WAIT(me->arg);
  END
}

TEST(failed_sleeps_leave_no_timer_and_no_promise) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, fails_sleeps_then_waits, &queue, "");
  step(rt);
  CHECK_EQ(stats(rt).timers, 0);
  CHECK_EQ(stats(rt).sleeping, 0);
  CHECK_EQ(stats(rt).wakers, 0);
}

static void fails_a_turn_then_waits(actor *me) {
  BEGIN
  tideR_park_turn(me->rt, me->task);
  WAIT(me->arg);
  say("%s", me->name);
  END
}

TEST(a_failed_turn_then_a_wait_leaves_the_ready_queue) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, fails_a_turn_then_waits, &queue, "a");
  spawn_arg(rt, fails_a_turn_then_waits, &queue, "b");
  step(rt);
  CHECK_EQ(stats(rt).ready, 0);
  step(rt);
  CHECK_SAID("");
  tideR_waitq_wake_all(rt, &queue);
  run(rt);
  CHECK_SAID("a b");
}

static void fails_and_ends(actor *me) {
  switch (me->n) {
  case 0:
    tideR_waitq_park(me->rt, me->task, me->arg);
    break;
  case 1:
    tideR_park_until(me->rt, me->task, tideR_deadline(me->rt, 1));
    break;
  case 2:
    tideR_park_until(me->rt, me->task, TIDE_NEVER);
    break;
  case 3:
    tideR_park_turn(me->rt, me->task);
    break;
  }
  actor_end(me);
}

TEST(a_task_that_ends_after_a_failed_wait_is_in_no_queue) {
  tideR_waitq queue = new_queue();
  for (long n = 0; n < 4; n++) {
    spawn_arg(rt, fails_and_ends, &queue, "")->n = n;
    step(rt);
    CHECK(queue.head == NULL);
    CHECK_EQ(stats(rt).ready, 0);
    CHECK_EQ(stats(rt).timers, 0);
    CHECK_EQ(stats(rt).sleeping, 0);
    CHECK_EQ(stats(rt).wakers, 0);
    queue = new_queue();
  }
}

static void fails_and_wakes(actor *me) {
  tideR_waitq_park(me->rt, me->task, me->arg);
  CHECK(tideR_waitq_wake(me->rt, me->arg) == NULL); /* it never waited */
  CHECK_EQ(me->task->state, TIDE_TASK_RUNNING);
}

TEST(a_task_cannot_wake_itself) {
  tideR_waitq queue = new_queue();
  spawn_arg(rt, fails_and_wakes, &queue, "");
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}
