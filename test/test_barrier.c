/* test_barrier.c: barriers: all or none, and each has its place. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

static tideR_barrier new_barrier(uint64_t parties) {
  tideR_barrier barrier;
  tideR_barrier_init(&barrier, parties);
  return barrier;
}

/* Waits, and says its place, `!` when it was cancelled, `x` for broken. */
static void comer(actor *me) {
  tideR_barrier *barrier = me->arg;
  BEGIN
  if (tideR_barrier_full(barrier))
    CHECK_EQ(tideR_barrier_release(me->rt, me->task, barrier), 0);
  else
    AWAIT(CHECK_EQ(tideR_barrier_park(me->rt, me->task, barrier), 0));
  if (me->raised)
    say("%s!", me->name);
  else if (tideR_barrier_place(me->task) == TIDE_BROKEN)
    say("%sx", me->name);
  else
    say("%s%d", me->name, (int)tideR_barrier_place(me->task));
  END
}

TEST(the_last_to_come_releases_all) {
  tideR_barrier barrier = new_barrier(3);
  spawn_arg(rt, comer, &barrier, "a");
  spawn_arg(rt, comer, &barrier, "b");
  step(rt);
  CHECK_EQ(barrier.waiting, 2);
  CHECK(tideR_barrier_full(&barrier));
  CHECK_SAID("");
  spawn_arg(rt, comer, &barrier, "c");
  run(rt);
  CHECK_SAID("c2 a0 b1");
  CHECK_EQ(barrier.waiting, 0);
}

TEST(one_party_never_waits) {
  tideR_barrier barrier = new_barrier(1);
  spawn_arg(rt, comer, &barrier, "a");
  spawn_arg(rt, comer, &barrier, "b");
  run(rt);
  CHECK_SAID("a0 b0");
}

TEST(a_place_outlives_the_next_generation) {
  tideR_barrier barrier = new_barrier(2);
  spawn_arg(rt, comer, &barrier, "a");
  step(rt);
  for (int i = 0; i < 5; i++) /* all in one turn: a runs after them */
    spawn_arg(rt, comer, &barrier, &"b\0c\0d\0e\0f"[2 * i]);
  run(rt);
  CHECK_SAID("b1 d1 f1 a0 c0 e0");
}

TEST(who_is_cancelled_leaves_no_hole) {
  tideR_barrier barrier = new_barrier(3);
  actor *a = spawn_arg(rt, comer, &barrier, "a");
  spawn_arg(rt, comer, &barrier, "b");
  step(rt);
  cancel(a);
  CHECK_EQ(barrier.waiting, 1);
  spawn_arg(rt, comer, &barrier, "c");
  spawn_arg(rt, comer, &barrier, "d");
  run(rt);
  CHECK_SAID("a! d2 b0 c1");
}

TEST(who_is_given_up_leaves_no_hole) {
  tideR_barrier barrier = new_barrier(2);
  actor *a = spawn_arg(rt, comer, &barrier, "a");
  step(rt);
  tideR_task_give_up(rt, a->task);
  CHECK_EQ(barrier.waiting, 0);
  run(rt);
  CHECK_SAID("given up");
}

TEST(released_means_released) {
  tideR_barrier barrier = new_barrier(2);
  actor *a = spawn_arg(rt, comer, &barrier, "a");
  step(rt);
  tideR_task *me = root(rt)->task;
  CHECK_EQ(tideR_barrier_release(rt, me, &barrier), 0);
  CHECK_EQ(tideR_barrier_place(me), 1);
  cancel(a);
  tideR_barrier_reset(rt, &barrier);
  tideR_barrier_abort(rt, &barrier);
  run(rt);
  CHECK_SAID("a0");
  CHECK(barrier.broken);
}

TEST(reset_and_abort_end_the_waits) {
  tideR_barrier barrier = new_barrier(3);
  for (int aborted = 0; aborted < 2; aborted++) {
    spawn_arg(rt, comer, &barrier, "a");
    actor *b = spawn_arg(rt, comer, &barrier, "b");
    step(rt);
    (aborted ? tideR_barrier_abort : tideR_barrier_reset)(rt, &barrier);
    CHECK_EQ(barrier.waiting, 0);
    CHECK_EQ(barrier.broken, aborted);
    tideR_task_give_up(rt, b->task); /* woken: has nothing to pass on */
    run(rt);
    CHECK_SAID("ax given up");
  }
  tideR_barrier_reset(rt, &barrier);
  CHECK(!barrier.broken);
}
