/* test_future.c: ends that are set by hand. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

static void future_awaiter(actor *me) {
  BEGIN
  AWAIT(tideR_join_park(me->rt, me->task, me->arg, me->n == 0));
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

TEST(the_end_of_a_future_wakes_all_who_wait_for_it) {
  tideR_join future;
  tideR_future_init(&future);
  spawn_arg(rt, future_awaiter, &future, "a");
  spawn_arg(rt, future_awaiter, &future, "watcher")->n = 1;
  spawn_arg(rt, future_awaiter, &future, "b");
  step(rt);
  tideR_future_end(rt, &future, TIDE_END_OK);
  CHECK(future.ended);
  CHECK_EQ(future.how, TIDE_END_OK);
  run(rt);
  CHECK_SAID("a b watcher");
}

TEST(the_last_awaiter_of_a_future_cancels_it) {
  tideR_join future;
  tideR_future_init(&future);
  actor *a = spawn_arg(rt, future_awaiter, &future, "a");
  actor *b = spawn_arg(rt, future_awaiter, &future, "b");
  actor *watcher = spawn_arg(rt, future_awaiter, &future, "watcher");
  watcher->n = 1;
  step(rt);
  cancel(a);
  CHECK(!future.ended);
  cancel(b);
  CHECK(future.ended);
  CHECK_EQ(future.how, TIDE_END_CANCELLED);
  CHECK(b->task->flags & TIDE_LEAVING);
  run(rt);
  CHECK_SAID("a! b watcher"); /* b: bindings look at LEAVING */
}

TEST(a_future_is_left_alone_by_who_does_not_count_or_is_given_up) {
  tideR_join future;
  tideR_future_init(&future);
  actor *watcher = spawn_arg(rt, future_awaiter, &future, "watcher");
  actor *dead = spawn_arg(rt, future_awaiter, &future, "dead");
  watcher->n = 1;
  step(rt);
  cancel(watcher);
  tideR_task_give_up(rt, dead->task);
  run(rt);
  CHECK_SAID("watcher! given up");
  CHECK(!future.ended);
  CHECK_EQ(future.awaiters, 0);
  CHECK(future.joined.head == NULL && future.watched.head == NULL);
}
