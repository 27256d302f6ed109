/* test_watch.c: who looks on is told of wakes, cancels and polls; there are no
 * short cuts then. */
#include "test.h"

static void on_woken(tide_runtime *rt, tide_task *task) {
  const actor *me = task->coro;
  (void)rt;
  say("%s%c", me->name, task->status == TIDE_WOKEN ? '+' : '-');
}

static void on_cancelled(tide_runtime *rt, tide_task *task) {
  const actor *me = task->coro;
  (void)rt;
  say("%s!", me->name);
}

static unsigned polls;

static void on_poll(tide_runtime *rt, bool begins, bool blocking) {
  (void)rt;
  (void)blocking;
  polls += begins ? 1 : 100;
}

static const tide_watcher watcher = {on_woken, on_cancelled, on_poll};

static void sleeps(actor *me) {
  BEGIN
  SLEEP(0.001);
  SLEEP(0.001);
  END
}

TEST(it_is_told_of_wakes_of_those_it_watches) {
  actor *a = spawn_named(rt, sleeps, "a");
  tide_watch(rt, &watcher);
  actor *b = spawn_named(rt, sleeps, "b");
  CHECK(a->task->flags & TIDE_WATCHED);
  CHECK(!(b->task->flags & TIDE_WATCHED));
  CHECK_EQ(tide_loop_run(rt), 0);
  CHECK(a->done && b->done);
  CHECK_SAID("a+ a+");
}

TEST(it_is_told_of_cancels_once) {
  actor *a = spawn_named(rt, sleeps, "a");
  tide_watch(rt, &watcher);
  step(rt);
  CHECK_EQ(tide_task_cancel(rt, a->task), 0);
  CHECK_EQ(tide_task_cancel(rt, a->task), 0);
  CHECK_SAID("a! a-");
}

TEST(it_is_told_of_polls) {
  polls = 0;
  tide_watch(rt, &watcher);
  step(rt);
  CHECK_EQ(polls, 101);
  tide_watch(rt, NULL);
  step(rt);
  CHECK_EQ(polls, 101);
}

static void turns(actor *me) {
  if (tide_next_turn(me->rt, me->task))
    say("on");
  else
    say("parked");
}

TEST(a_task_that_is_alone_passes_through_the_loop) {
  actor *a = spawn(rt, turns);
  CHECK_EQ(tide_loop_begin(rt), 0);
  CHECK(tide_loop_next(rt) == a->task);
  for (int i = 0; i < 20; i++) { /* until no poll is due */
    tide_park_turn(rt, a->task);
    CHECK(tide_loop_next(rt) == a->task);
  }
  turns(a);
  CHECK_SAID("on");
  tide_watch(rt, &watcher);
  turns(a);
  CHECK_SAID("parked");
  CHECK(!tide_loop_take(rt, a->task));
  CHECK(tide_loop_next(rt) == a->task);
  tide_watch(rt, NULL);
  turns(a);
  CHECK_SAID("on");
  actor_end(a);
  CHECK(tide_loop_next(rt) == NULL);
  tide_loop_end(rt);
}

TEST(a_probe_goes_on_when_nobody_looks_any_more) {
  actor *a = spawn_named(rt, sleeps, "a");
  tide_probe(rt, a->task, 1, TIDE_PROBE_PARKED);
  tide_watch(rt, &watcher);
  tide_watch(rt, NULL);
  CHECK_EQ(tide_loop_begin(rt), 0);
  CHECK(tide_loop_next(rt) == a->task);
  tide_park_turn(rt, a->task);
  CHECK(!tide_loop_take(rt, a->task));
  CHECK(tide_loop_next(rt) == a->task);
  actor_end(a);
  CHECK(tide_loop_next(rt) == NULL);
  tide_loop_end(rt);
}

TEST(what_a_task_waits_for_is_told) {
  actor *a = spawn(rt, sleeps);
  step(rt);
  CHECK_STR(tide_task_waits_for(a->task), "sleep");
  CHECK(tide_task_sleeps_until(rt, a->task) != TIDE_NEVER);
  CHECK(tide_task_sleeps_until(rt, a->task) <= tide_deadline(rt, 0.001));
  CHECK(tide_task_lock_owner(a->task) == NULL);
  CHECK(tide_task_pending(a->task) == NULL);
  CHECK(!tide_task_is_awaited(a->task));
}
