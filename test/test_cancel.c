/* test_cancel.c: cancelling tasks, tasks that swallow it, and probes. */
#include "test.h"

/* Awaits me->n times and says how each await ended. */
static void persistent(actor *me) {
  BEGIN
  while (me->n-- > 0) {
    SLEEP(1);
    say("%s", me->raised ? "cancelled" : "slept");
  }
  END
}

static actor *spawn_persistent(tideR_runtime *rt, long awaits) {
  actor *me = spawn(rt, persistent);
  me->n = awaits;
  return me;
}

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* ---- delivery ---- */

TEST(a_cancel_ends_a_sleep_and_clears_its_timer) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn_persistent(rt, 1);
  step(rt);
  CHECK_EQ(stats(rt).sleeping, 1);
  cancel(a);
  CHECK_EQ(stats(rt).sleeping, 0);
  CHECK_EQ(stats(rt).timers, 0);
  CHECK_EQ(a->task->status, TIDE_CANCELLED);
  run(rt);
  CHECK_SAID("cancelled");
  CHECK_EQ(tideR_now(rt), start);
}

TEST(every_checkpoint_of_a_cancelled_task_raises) {
  actor *a = spawn_persistent(rt, 3);
  step(rt);
  cancel(a);
  run(rt);
  CHECK_SAID("cancelled cancelled cancelled");
}

TEST(a_raised_cancellation_gives_up_the_turn) {
  actor *a = spawn_persistent(rt, 2);
  step(rt);
  cancel(a);
  step(rt);
  CHECK_SAID("cancelled");
  CHECK_EQ(a->task->state, TIDE_TASK_READY);
  step(rt);
  CHECK_SAID("cancelled");
}

TEST(a_task_cancelled_before_its_first_step_runs_to_its_checkpoint) {
  actor *a = spawn_persistent(rt, 1);
  cancel(a);
  CHECK_EQ(a->task->state, TIDE_TASK_READY);
  run(rt);
  CHECK_SAID("cancelled");
}

TEST(a_task_cancelled_after_it_was_woken_has_what_it_waited_for) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  cancel(a);
  CHECK_EQ(a->task->status, TIDE_WOKEN);
  CHECK(a->task->flags & TIDE_CANCEL); /* its next checkpoint raises */
  run(rt);
  CHECK_SAID("a");
}

TEST(a_cancel_that_no_checkpoint_meets_dies_with_the_task) {
  actor *a = spawn_persistent(rt, 0);
  tideR_task *task = a->task;
  cancel(a);
  run(rt);
  CHECK_SAID("");
  CHECK(tideR_task_new(rt) == task);
  CHECK_EQ(tideR_task_cancelling(task), 0);
  CHECK_EQ(task->flags, TIDE_FRESH);
  CHECK(tideR_task_own_scope(task) == NULL);
  tideR_task_discard(rt, task);
}

static void cancels_itself(actor *me) {
  BEGIN
  CHECK_EQ(tideR_task_cancel(me->rt, me->task), 0);
  CHECK(me->task->flags & TIDE_SELFCANCEL);
  SLEEP(1);
  CHECK(!(me->task->flags & TIDE_SELFCANCEL)); /* it was delivered */
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

TEST(a_task_that_cancels_itself_raises_at_its_next_await) {
  spawn(rt, cancels_itself);
  run(rt);
  CHECK_SAID("cancelled");
}

TEST(a_cancel_from_outside_is_no_self_cancel) {
  actor *a = spawn_persistent(rt, 1);
  cancel(a);
  CHECK(!(a->task->flags & TIDE_SELFCANCEL));
}

/* ---- counting ---- */

TEST(cancels_are_counted_and_uncancel_lifts_the_last) {
  actor *a = spawn_persistent(rt, 2);
  step(rt);
  CHECK_EQ(tideR_task_cancelling(a->task), 0);
  CHECK_EQ(tideR_task_uncancel(rt, a->task), 0); /* none: nothing */
  cancel(a);
  cancel(a);
  CHECK_EQ(tideR_task_cancelling(a->task), 2);
  CHECK_EQ(tideR_task_uncancel(rt, a->task), 1);
  CHECK(a->task->flags & TIDE_CANCEL);
  CHECK_EQ(tideR_task_uncancel(rt, a->task), 0);
  CHECK(!(a->task->flags & TIDE_CANCEL));
  CHECK_EQ(tideR_task_uncancel(rt, a->task), 0);
  run(rt);
  CHECK_SAID("cancelled slept");
}

TEST(a_task_can_be_cancelled_again_after_an_uncancel) {
  actor *a = spawn_persistent(rt, 2);
  step(rt);
  cancel(a);
  tideR_task_uncancel(rt, a->task);
  step(rt); /* raised; now it sleeps again */
  cancel(a);
  run(rt);
  CHECK_SAID("cancelled cancelled");
}

/* ---- swallowing ---- */

/* Catches each cancellation and sleeps on, counting them, at most me->arg. */
static void swallower(actor *me) {
  BEGIN
  do
    SLEEP(1);
  while (me->raised && ++me->n < (long)(intptr_t)me->arg);
  END
}

static actor *spawn_swallower(tideR_runtime *rt, long most) {
  actor *me = spawn_arg(rt, swallower, (void *)(intptr_t)most, "");
  step(rt);
  return me;
}

TEST(a_hundred_swallowed_cancels_cost_a_turn_each) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn_swallower(rt, 101); /* the first found it asleep */
  uint64_t turns = stats(rt).turns;
  cancel(a);
  run(rt);
  CHECK(a->done);
  CHECK_EQ(a->n, 101);
  CHECK_EQ(a->swallowed, 0);
  CHECK_EQ(tideR_now(rt), start);
  CHECK_EQ(stats(rt).turns - turns, 101);
}

TEST(further_ones_cost_a_pause_and_are_reported_once) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn_swallower(rt, 151);
  cancel(a);
  run(rt);
  CHECK(a->done);
  CHECK_EQ(a->swallowed, 1);
  CHECK_EQ(tideR_now(rt), start + 50 * SECOND / 1000);
}

TEST(another_cancel_does_not_shorten_the_pause) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn_swallower(rt, 102);
  cancel(a);
  while (stats(rt).sleeping == 0)
    step(rt);
  cancel(a);
  CHECK_EQ(stats(rt).sleeping, 1);
  run(rt);
  CHECK_EQ(tideR_now(rt), start + SECOND / 1000);
}

TEST(a_swallower_is_given_up_after_the_limit) {
  actor *a;
  tideR_swallow_limits(rt, 200, 0);
  a = spawn_swallower(rt, 1000);
  cancel(a);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(a->n, 201); /* with the one that found it asleep */
  CHECK_EQ(a->swallowed, 1);
  CHECK_SAID("given up");
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(both_limits_have_to_be_passed) {
  uint64_t start = tideR_now(rt);
  actor *a;
  tideR_swallow_limits(rt, 0, 2);
  a = spawn_swallower(rt, 10000);
  cancel(a);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(tideR_now(rt), start + 2 * SECOND);
}

TEST(by_default_it_takes_a_thousand_and_a_second) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn_swallower(rt, 10000);
  cancel(a);
  run(rt);
  CHECK(a->abandoned);
  CHECK(a->n > 1000);
  CHECK(tideR_now(rt) - start >= SECOND);
}

static void in_a_cancelled_scope(actor *me) {
  tideR_scope *scope;
  BEGIN
  tideR_scope_enter(me->rt, me->task, TIDE_NEVER, false, &scope);
  tideR_scope_cancel(me->rt, scope);
  me->line = 0;
  me->body = swallower;
  swallower(me);
  END
}

TEST(who_swallows_a_scope_that_it_can_leave_is_not_given_up) {
  actor *a;
  tideR_swallow_limits(rt, 10, 0);
  a = spawn_arg(rt, in_a_cancelled_scope, (void *)(intptr_t)1500, "");
  run(rt);
  CHECK(a->done);
  CHECK(!a->abandoned);
  CHECK_EQ(a->swallowed, 1);
}

static void uncancels_now_and_then(actor *me) {
  BEGIN
  for (me->n = 0; me->n < 500; me->n++) {
    tideR_task_cancel(me->rt, me->task);
    TURN();
    CHECK(me->raised);
    tideR_task_uncancel(me->rt, me->task);
  }
  END
}

TEST(a_cancel_that_was_lifted_was_not_swallowed) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn(rt, uncancels_now_and_then);
  run(rt);
  CHECK(a->done);
  CHECK_EQ(a->swallowed, 0);
  CHECK_EQ(tideR_now(rt), start);
}

TEST(a_busy_swallower_does_not_starve_others) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_swallower(rt, 50);
  spawn_arg(rt, waiter, &queue, "other");
  step(rt);
  cancel(a);
  step(rt);
  tideR_waitq_wake(rt, &queue);
  step(rt);
  CHECK_SAID("other");
  CHECK(!a->done);
}

/* ---- probes ---- */

/* Three awaits; says which ones raised, and whether they had been left. */
static void probed(actor *me) {
  BEGIN
  for (me->n = 1; me->n <= 3; me->n++) {
    SLEEP(1);
    if (me->raised)
      say("%ld%s", me->n, me->refused ? "refused" : "left");
    else
      say("%ld", me->n);
  }
  END
}

TEST(a_probe_cancels_at_the_entry_of_the_nth_await) {
  tideR_probe(rt, spawn(rt, probed)->task, 2, TIDE_PROBE_ENTER);
  run(rt);
  CHECK(tideR_probe_hit(rt));
  CHECK_SAID("1 2refused 3refused");
}

TEST(a_probe_cancels_as_soon_as_the_nth_await_parked) {
  uint64_t start = tideR_now(rt);
  tideR_probe(rt, spawn(rt, probed)->task, 2, TIDE_PROBE_PARKED);
  run(rt);
  CHECK(tideR_probe_hit(rt));
  CHECK_SAID("1 2left 3refused");
  CHECK_EQ(tideR_now(rt), start + SECOND);
}

TEST(a_probe_cancels_when_the_nth_await_is_woken) {
  uint64_t start = tideR_now(rt);
  tideR_probe(rt, spawn(rt, probed)->task, 2, TIDE_PROBE_WOKEN);
  run(rt);
  CHECK(tideR_probe_hit(rt));
  CHECK_SAID("1 2 3refused");
  CHECK_EQ(tideR_now(rt), start + 2 * SECOND);
}

TEST(a_probe_beyond_the_last_await_does_not_hit) {
  static const tideR_probe_at places[] = {TIDE_PROBE_ENTER, TIDE_PROBE_PARKED,
                                          TIDE_PROBE_WOKEN};
  for (int i = 0; i < 3; i++) {
    tideR_probe(rt, spawn(rt, probed)->task, 4, places[i]);
    run(rt);
    CHECK(!tideR_probe_hit(rt));
    CHECK_SAID("1 2 3");
  }
}

static void turns_once(actor *me) {
  BEGIN
  TURN();
  say("%s", me->raised ? "cancelled" : "turned");
  SLEEP(1);
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

TEST(a_probe_of_a_turn_is_met_by_the_next_await) {
  tideR_probe(rt, spawn(rt, turns_once)->task, 1, TIDE_PROBE_PARKED);
  run(rt);
  CHECK_SAID("turned cancelled");
  tideR_probe(rt, spawn(rt, turns_once)->task, 1, TIDE_PROBE_WOKEN);
  run(rt);
  CHECK_SAID("turned cancelled");
}

TEST(a_probe_does_not_hit_the_next_task_of_the_record) {
  actor *a = spawn_persistent(rt, 0);
  tideR_task *task = a->task;
  tideR_probe(rt, task, 1, TIDE_PROBE_ENTER);
  run(rt);
  CHECK(spawn_persistent(rt, 1)->task == task);
  run(rt);
  CHECK_SAID("slept");
  CHECK(!tideR_probe_hit(rt));
}
