/* test_join.c: tasks that wait for tasks, and tasks that are given up. */
#include "test.h"

/* Ends when its queue wakes it; a cancel costs it me->n seconds of cleanup. */
static void target(actor *me) {
  BEGIN
  WAIT(me->arg);
  if (me->raised) {
    tideR_task_uncancel(me->rt, me->task);
    SLEEP(me->n);
    say("%s cleaned up", me->name);
  }
  say("%s ends", me->name);
  END
}

static void say_how(actor *me) {
  say("%s%s", me->name, me->raised ? "!" : "");
}

static void awaiter(actor *me) {
  BEGIN
  JOIN((actor *)me->arg, true);
  say_how(me);
  END
}

static void watcher(actor *me) {
  BEGIN
  JOIN((actor *)me->arg, false);
  say_how(me);
  END
}

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

/* ---- waiting for the end ---- */

TEST(the_end_of_a_task_wakes_all_who_wait_for_it) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  spawn_arg(rt, awaiter, t, "a");
  spawn_arg(rt, watcher, t, "w");
  spawn_arg(rt, awaiter, t, "b");
  step(rt);
  CHECK_SAID("");
  tideR_waitq_wake(rt, &queue);
  step(rt);
  CHECK_SAID("t ends");
  step(rt);
  CHECK_SAID("a b w"); /* each kind in the order of its coming */
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(the_last_awaiter_cancels_the_task_and_waits_for_its_end) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  t->n = 5;
  step(rt);
  cancel(a);
  CHECK(a->task->flags & TIDE_LEAVING);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  cancel(a); /* again changes nothing */
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  step(rt);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  run(rt);
  CHECK_SAID("t cleaned up t ends a"); /* woken: bindings look at LEAVING */
}

TEST(a_task_that_one_awaits_is_awaited_by_none_when_that_one_is_given_up) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  step(rt);
  CHECK(tideR_task_awaits(a->task) == t->task);
  tideR_task_give_up(rt, a->task);
  CHECK(t->task->ends == 0);
  spawn_arg(rt, awaiter, t, "b");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("given up t ends b");
}

TEST(another_awaiter_just_leaves) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  actor *b = spawn_arg(rt, awaiter, t, "b");
  step(rt);
  cancel(a);
  CHECK(!(a->task->flags & TIDE_LEAVING));
  step(rt);
  CHECK_SAID("a!");
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  cancel(b); /* now the last */
  CHECK(b->task->flags & TIDE_LEAVING);
  run(rt);
  CHECK_SAID("t cleaned up t ends b");
}

TEST(an_awaiter_that_does_not_count_just_leaves) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *w = spawn_arg(rt, watcher, t, "w");
  step(rt);
  cancel(w);
  run(rt);
  CHECK_SAID("w!");
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  CHECK_EQ(t->task->state, TIDE_TASK_PARKED);
}

TEST(who_comes_while_another_leaves_counts_anew) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t"), *a, *b;
  t->n = 5;
  a = spawn_arg(rt, awaiter, t, "a");
  step(rt);
  cancel(a);
  b = spawn_arg(rt, awaiter, t, "b");
  step(rt);
  cancel(b);
  CHECK(b->task->flags & TIDE_LEAVING);
  CHECK_EQ(tideR_task_cancelling(t->task), 1); /* a's was lifted */
  run(rt);
  CHECK_SAID("t cleaned up t ends a b");
}

TEST(a_cancel_before_the_await_leaves_the_task_alone) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  cancel(a);
  run(rt);
  CHECK_SAID("a!");
  CHECK_EQ(t->task->state, TIDE_TASK_PARKED);
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
}

TEST(a_cancel_runs_down_a_long_chain_of_awaits) {
  enum { LENGTH = 200000 }; /* no recursion could go as deep */
  tideR_waitq queue = new_queue();
  actor *last = spawn_arg(rt, waiter, &queue, "first");
  for (int i = 0; i < LENGTH; i++)
    last = spawn_arg(rt, awaiter, last, "");
  step(rt);
  cancel(last);
  CHECK_EQ(stats(rt).ready, 1); /* the others wait for its end */
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(a_deadlock_takes_the_main_out_of_its_await) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  tideR_loop_main(rt, spawn_arg(rt, awaiter, t, "main")->task);
  run(rt);
  CHECK_SAID("main");
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("t ends");
}

/* ---- giving up ---- */

static void sleeper(actor *me) {
  BEGIN
  AWAIT(tideR_park_until(me->rt, me->task, (uint64_t)me->n));
  say("slept");
  END
}

TEST(a_sleeper_that_is_given_up_is_abandoned_at_its_next_turn) {
  actor *a = spawn(rt, sleeper);
  a->n = (long)tideR_deadline(rt, 1);
  step(rt);
  tideR_task_give_up(rt, a->task);
  CHECK(!a->abandoned);
  CHECK_EQ(a->task->status, TIDE_ABANDONED);
  CHECK_EQ(stats(rt).timers, 0);
  step(rt);
  CHECK(a->abandoned);
  CHECK_SAID("given up");
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(one_that_sleeps_for_ever_takes_its_promise_along) {
  actor *a = spawn(rt, sleeper);
  a->n = (long)TIDE_NEVER;
  step(rt);
  CHECK_EQ(stats(rt).wakers, 1);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(stats(rt).wakers, 0);
}

TEST(a_ready_task_that_is_given_up_does_not_run) {
  tideR_waitq queue = new_queue();
  actor *fresh = spawn_arg(rt, waiter, &queue, "fresh");
  tideR_task_give_up(rt, fresh->task);
  run(rt);
  CHECK(fresh->abandoned);
  CHECK(queue.head == NULL);
  actor *woken = spawn_arg(rt, waiter, &queue, "woken");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  tideR_task_give_up(rt, woken->task);
  run(rt);
  CHECK(woken->abandoned);
  CHECK_SAID("given up given up");
}

static void gives_itself_up(actor *me) {
  BEGIN
  tideR_task_give_up(me->rt, me->task);
  say("goes on");
  TURN();
  say("back");
  END
}

TEST(a_running_task_that_is_given_up_runs_until_it_parks) {
  actor *a = spawn(rt, gives_itself_up);
  run(rt);
  CHECK(a->abandoned);
  CHECK_SAID("goes on given up");
}

TEST(an_awaiter_that_is_given_up_leaves_the_task_alone) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  step(rt);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  CHECK_EQ(t->task->state, TIDE_TASK_PARKED);
}

TEST(an_awaiter_is_given_up_while_it_leaves) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  t->n = 5;
  step(rt);
  cancel(a);
  step(rt);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_SAID("given up t cleaned up t ends");
}

TEST(an_awaiter_is_given_up_after_the_end_that_woke_it) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  actor *w = spawn_arg(rt, watcher, t, "w");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  step(rt);
  tideR_task_give_up(rt, a->task); /* ready; what it waited for is gone */
  tideR_task_give_up(rt, w->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK(w->abandoned);
}

TEST(the_end_of_an_abandoned_task_wakes_its_awaiters) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  spawn_arg(rt, awaiter, t, "a");
  step(rt);
  tideR_task_give_up(rt, t->task);
  run(rt);
  CHECK_SAID("given up a");
}
