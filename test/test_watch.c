/* test_watch.c: who looks on is told of wakes, cancels and polls; there are no
 * short cuts then. */
#include "test.h"

static void on_woken(tideR_runtime *rt, tideR_task *task) {
  const actor *me = task->coro;
  (void)rt;
  say("%s%c", me->name, task->status == TIDE_WOKEN ? '+' : '-');
}

static void on_cancelled(tideR_runtime *rt, tideR_task *task) {
  const actor *me = task->coro;
  (void)rt;
  say("%s!", me->name);
}

static unsigned polls;

static void on_poll(tideR_runtime *rt, bool begins, bool blocking) {
  (void)rt;
  (void)blocking;
  polls += begins ? 1 : 100;
}

static const tideR_watcher watcher = {on_woken, on_cancelled, on_poll};

static void sleeps(actor *me) {
  BEGIN
  SLEEP(0.001);
  SLEEP(0.001);
  END
}

TEST(it_is_told_of_wakes_of_those_it_watches) {
  actor *a = spawn_named(rt, sleeps, "a");
  tideR_watch(rt, &watcher);
  actor *b = spawn_named(rt, sleeps, "b");
  CHECK(a->task->flags & TIDE_WATCHED);
  CHECK(!(b->task->flags & TIDE_WATCHED));
  CHECK_EQ(tideR_loop_run(rt), 0);
  CHECK(a->done && b->done);
  CHECK_SAID("a+ a+");
}

TEST(it_is_told_of_cancels_once) {
  actor *a = spawn_named(rt, sleeps, "a");
  tideR_watch(rt, &watcher);
  step(rt);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  CHECK_SAID("a! a-");
}

TEST(it_is_told_of_polls) {
  polls = 0;
  tideR_watch(rt, &watcher);
  step(rt);
  CHECK_EQ(polls, 101);
  tideR_watch(rt, NULL);
  step(rt);
  CHECK_EQ(polls, 101);
}

static void turns(actor *me) {
  if (tideR_next_turn(me->rt, me->task))
    say("on");
  else
    say("parked");
}

TEST(a_task_that_is_alone_passes_through_the_loop) {
  actor *a = spawn(rt, turns);
  CHECK_EQ(tideR_loop_begin(rt), 0);
  CHECK(tideR_loop_next(rt) == a->task);
  for (int i = 0; i < 20; i++) { /* until no poll is due */
    tideR_park_turn(rt, a->task);
    CHECK(tideR_loop_next(rt) == a->task);
  }
  turns(a);
  CHECK_SAID("on");
  tideR_watch(rt, &watcher);
  turns(a);
  CHECK_SAID("parked");
  CHECK(!tideR_loop_take(rt, a->task));
  CHECK(tideR_loop_next(rt) == a->task);
  tideR_watch(rt, NULL);
  turns(a);
  CHECK_SAID("on");
  actor_end(a);
  CHECK(tideR_loop_next(rt) == NULL);
  tideR_loop_end(rt);
}

TEST(a_probe_goes_on_when_nobody_looks_any_more) {
  actor *a = spawn_named(rt, sleeps, "a");
  tideR_probe(rt, a->task, 1, TIDE_PROBE_PARKED);
  tideR_watch(rt, &watcher);
  tideR_watch(rt, NULL);
  CHECK_EQ(tideR_loop_begin(rt), 0);
  CHECK(tideR_loop_next(rt) == a->task);
  tideR_park_turn(rt, a->task);
  CHECK(!tideR_loop_take(rt, a->task));
  CHECK(tideR_loop_next(rt) == a->task);
  actor_end(a);
  CHECK(tideR_loop_next(rt) == NULL);
  tideR_loop_end(rt);
}

TEST(what_a_task_waits_for_is_told) {
  actor *a = spawn(rt, sleeps);
  step(rt);
  CHECK_STR(tideR_task_waits_for(a->task), "sleep");
  CHECK(tideR_task_sleeps_until(rt, a->task) != TIDE_NEVER);
  CHECK(tideR_task_sleeps_until(rt, a->task) <= tideR_deadline(rt, 0.001));
  CHECK(tideR_task_lock_owner(a->task) == NULL);
  CHECK(tideR_task_pending(a->task) == NULL);
  CHECK(!tideR_task_is_awaited(a->task));
}
