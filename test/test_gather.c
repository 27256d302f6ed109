/* test_gather.c: waiting for several ends at once. */
#include "gatherer.h"

/* ---- until when ---- */

/* Ends three futures one after the other: which end made it go on, from 1, and
 * how many futures it has cancelled by then. */
static void check_until(tideR_runtime *rt, tideR_until until, bool counted,
                        const tideR_end ends[3], int expected, int cancelled) {
  tideR_join futures[3];
  set set = of_futures(until, counted, futures, 3);
  actor *a = spawn_arg(rt, gatherer, &set, "");
  int at = 0, count = 0;
  step(rt);
  for (; at < 3 && !a->done; at++) {
    if (!futures[at].ended)
      tideR_future_end(rt, &futures[at], ends[at]);
    step(rt);
  }
  CHECK(a->done);
  CHECK_EQ(at, expected);
  for (int i = expected; i < 3; i++)
    count += futures[i].ended && futures[i].how == TIDE_END_CANCELLED;
  CHECK_EQ(count, cancelled);
  tideR_gather_leave(rt, &set.gather);
  for (int i = 0; i < 3; i++)
    CHECK(futures[i].head == NULL && futures[i].awaiters == 0);
}

TEST(each_until_is_over_in_its_time) {
  const tideR_end OK = TIDE_END_OK, BAD = TIDE_END_FAILED,
                  GONE = TIDE_END_CANCELLED;
  const struct {
    tideR_until until;
    tideR_end ends[3];
    int counted, after, cancelled;
  } cases[] = {
      {TIDE_UNTIL_ALL, {OK, BAD, GONE}, 0, 3, 0},
      {TIDE_UNTIL_ALL, {BAD, GONE, OK}, 1, 3, 0},
      {TIDE_UNTIL_FIRST, {OK, OK, OK}, 0, 1, 0},
      {TIDE_UNTIL_FIRST, {GONE, OK, OK}, 1, 1, 0},
      {TIDE_UNTIL_FAILED, {OK, GONE, OK}, 0, 3, 0},
      {TIDE_UNTIL_FAILED, {GONE, BAD, OK}, 0, 2, 0},
      {TIDE_UNTIL_ERROR, {OK, OK, OK}, 1, 3, 0},
      {TIDE_UNTIL_ERROR, {BAD, OK, OK}, 1, 1, 2},
      {TIDE_UNTIL_ERROR, {OK, GONE, OK}, 1, 2, 1},
      {TIDE_UNTIL_WINNER, {OK, OK, OK}, 1, 1, 2},
      {TIDE_UNTIL_WINNER, {BAD, OK, OK}, 1, 1, 2},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    check_until(rt, cases[i].until, cases[i].counted, cases[i].ends,
                cases[i].after, cases[i].cancelled);
}

TEST(nothing_to_wait_for_is_over_at_once) {
  static const tideR_until all[] = {TIDE_UNTIL_ALL, TIDE_UNTIL_FIRST,
                                    TIDE_UNTIL_FAILED, TIDE_UNTIL_ERROR,
                                    TIDE_UNTIL_WINNER};
  for (int i = 0; i < 5; i++) {
    set set = {.until = all[i], .counted = true};
    CHECK(spawn_arg(rt, gatherer, &set, "")->task != NULL);
    step(rt);
    CHECK_EQ(stats(rt).tasks, 0);
  }
}

TEST(what_has_ended_before_counts) {
  tideR_join futures[3];
  set set = of_futures(TIDE_UNTIL_FIRST, false, futures, 3);
  tideR_future_end(rt, &futures[1], TIDE_END_OK);
  spawn_arg(rt, gatherer, &set, "first");
  step(rt);
  CHECK_SAID("first");
  tideR_gather_leave(rt, &set.gather);
  set.until = TIDE_UNTIL_ERROR;
  set.counted = true;
  spawn_arg(rt, gatherer, &set, "all");
  step(rt);
  tideR_future_end(rt, &futures[0], TIDE_END_OK);
  tideR_future_end(rt, &futures[2], TIDE_END_OK);
  step(rt);
  CHECK_SAID("all");
}

TEST(one_that_has_failed_before_cancels_the_others) {
  tideR_join futures[3];
  set set = of_futures(TIDE_UNTIL_ERROR, true, futures, 3);
  tideR_future_end(rt, &futures[1], TIDE_END_FAILED);
  spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  CHECK_SAID("a");
  CHECK(set.gather.first == &set.links[1]);
  CHECK_EQ(futures[0].how, TIDE_END_CANCELLED);
  CHECK_EQ(futures[2].how, TIDE_END_CANCELLED);
}

TEST(they_are_taken_in_the_order_of_their_ends) {
  tideR_join futures[3];
  set set = of_futures(TIDE_UNTIL_ALL, false, futures, 3);
  spawn_arg(rt, gatherer, &set, "all");
  step(rt);
  tideR_future_end(rt, &futures[2], TIDE_END_OK);
  tideR_future_end(rt, &futures[0], TIDE_END_FAILED);
  say_done(&set);
  tideR_future_end(rt, &futures[1], TIDE_END_OK);
  say_done(&set);
  run(rt);
  CHECK_SAID("2 0 1 all");
}

/* ---- a task for which nobody else waits ---- */

TEST(a_task_that_is_left_has_nobody_who_waits_for_it) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set set = {.until = TIDE_UNTIL_ALL, .tasks = {t}};
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  CHECK(t->task->ends != 0);
  CHECK(tideR_gather_awaits(&set.gather, t->task));
  cancel(a); /* it does not count: it just leaves */
  step(rt);
  CHECK_SAID("a!");
  tideR_gather_leave(rt, &set.gather);
  CHECK(t->task->ends == 0);
  CHECK(!tideR_gather_awaits(&set.gather, t->task));
  spawn_arg(rt, awaiter, t, "b");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("b");
}

/* Twice by one gather, by a second, and by a task: all wait for the one end. */
TEST(others_may_come_to_wait_for_the_same_task) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set one = {.until = TIDE_UNTIL_ALL, .counted = true, .tasks = {t, t}};
  set two = {.until = TIDE_UNTIL_FIRST, .tasks = {t}};
  spawn_arg(rt, gatherer, &one, "one");
  spawn_arg(rt, gatherer, &two, "two");
  actor *a = spawn_arg(rt, awaiter, t, "a");
  step(rt);
  CHECK_EQ(tideR_task_join(rt, t->task)->awaiters, 3);
  CHECK(tideR_gather_awaits(&one.gather, t->task));
  CHECK(tideR_gather_awaits(&two.gather, t->task));
  cancel(a); /* not the last */
  step(rt);
  CHECK_SAID("a!");
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("one two");
  say_done(&one);
  CHECK_SAID("0 1");
}

TEST(one_that_is_cancelled_itself_ends_for_its_gather) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set set = {.until = TIDE_UNTIL_ERROR, .counted = true, .tasks = {t}};
  spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  cancel(t);
  run(rt);
  CHECK_SAID("t cleaned up a");
}

/* ---- giving up ---- */

TEST(a_cancelled_gatherer_cancels_and_stays) {
  static const tideR_until all[] = {TIDE_UNTIL_ALL, TIDE_UNTIL_ERROR,
                                    TIDE_UNTIL_WINNER};
  for (int i = 0; i < 3; i++) {
    tideR_waitq queue = new_queue();
    actor *t = spawn_arg(rt, target, &queue, "t");
    tideR_join future;
    set set = of_futures(all[i], true, &future, 1);
    set.tasks[0] = t;
    t->n = 5;
    actor *a = spawn_arg(rt, gatherer, &set, "a");
    step(rt);
    cancel(a);
    CHECK(a->task->flags & TIDE_LEAVING);
    CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
    CHECK_EQ(future.how, TIDE_END_CANCELLED);
    CHECK_EQ(tideR_task_cancelling(t->task), 1);
    cancel(a); /* again changes nothing */
    CHECK_EQ(tideR_task_cancelling(t->task), 1);
    run(rt);
    CHECK_SAID("t cleaned up a!");
  }
}

TEST(a_cancelled_waiter_that_does_not_count_just_leaves) {
  static const tideR_until all[] = {TIDE_UNTIL_ALL, TIDE_UNTIL_FIRST,
                                    TIDE_UNTIL_FAILED};
  for (int i = 0; i < 3; i++) {
    tideR_join futures[2];
    set set = of_futures(all[i], false, futures, 2);
    actor *a = spawn_arg(rt, gatherer, &set, "a");
    step(rt);
    CHECK_EQ(futures[0].awaiters, 0);
    cancel(a);
    run(rt);
    CHECK_SAID("a!");
    CHECK(!futures[0].ended && !futures[1].ended);
    tideR_gather_leave(rt, &set.gather);
    CHECK(futures[0].head == NULL && futures[1].head == NULL);
  }
}

TEST(who_waits_for_the_first_of_several_leaves_and_cancels_later) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set set = {.until = TIDE_UNTIL_FIRST, .counted = true, .tasks = {t}};
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  cancel(a);
  step(rt);
  CHECK_SAID("a!");
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  tideR_gather_cancel(rt, &set.gather);
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  run(rt);
  CHECK_SAID("t cleaned up");
  say_done(&set);
  CHECK_SAID("0");
}

TEST(what_others_wait_for_is_left) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  actor *b = spawn_arg(rt, awaiter, t, "b");
  tideR_join future;
  set set = of_futures(TIDE_UNTIL_ERROR, true, &future, 1);
  set.tasks[0] = t;
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  cancel(a);
  step(rt);
  CHECK_SAID("a!");
  CHECK(future.ended);
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  cancel(b); /* now the last */
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  run(rt);
  CHECK_SAID("t cleaned up b");
}

TEST(the_others_count_until_they_leave) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set one = {.until = TIDE_UNTIL_ERROR, .counted = true, .tasks = {t}};
  set two = one;
  actor *a = spawn_arg(rt, gatherer, &one, "a");
  t->n = 5;
  step(rt);
  cancel(a); /* the last; it stays, and counts no more */
  actor *b = spawn_arg(rt, gatherer, &two, "b");
  step(rt);
  CHECK_EQ(tideR_task_cancelling(t->task), 0); /* a's was lifted */
  cancel(b);
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  CHECK(b->task->flags & TIDE_LEAVING);
  run(rt);
  CHECK_SAID("t cleaned up a! b!");
}

TEST(one_that_is_there_twice_is_cancelled_once) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set set = {.until = TIDE_UNTIL_ERROR, .counted = true, .tasks = {t, t}};
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  cancel(a);
  CHECK_EQ(tideR_task_cancelling(t->task), 1);
  run(rt);
  CHECK_SAID("t cleaned up a!");
}

TEST(the_first_error_wins_over_a_later_cancel) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  tideR_join future;
  set set = of_futures(TIDE_UNTIL_ERROR, true, &future, 1);
  set.tasks[0] = t;
  t->n = 5;
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  tideR_future_end(rt, &future, TIDE_END_FAILED);
  CHECK(a->task->flags & TIDE_LEAVING);
  cancel(a);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  run(rt);
  CHECK_SAID("t cleaned up a"); /* no `!` */
  CHECK(set.gather.first == &set.links[1]);
}

/* Its end cancels, through the first gather, the second, which has not heard of
 * the end yet: a task that has ended must not be cancelled. */
TEST(an_end_cancels_one_that_waits_for_the_same_end) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set one = {.until = TIDE_UNTIL_WINNER, .counted = true, .tasks = {t}};
  set two = {.until = TIDE_UNTIL_ERROR, .counted = true, .tasks = {t}};
  actor *b = spawn_arg(rt, gatherer, &two, "b");
  one.tasks[1] = b;
  two.tasks[0] = t;
  actor *a = spawn_arg(rt, gatherer, &one, "a");
  step(rt);
  tideR_gather_drop(&two.links[0]); /* to stand behind the first */
  tideR_gather_add(&two.gather, &two.links[0], tideR_task_join(rt, t->task));
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK(a->done);
  CHECK_SAID("b! a");
  for (int i = 0; i < 3; i++) { /* their records are used again */
    actor *next = spawn(rt, waiter);
    CHECK_EQ(tideR_task_cancelling(next->task), 0);
    CHECK(next->task->scope == NULL);
    next->arg = &queue;
    next->name = "next";
    cancel(next);
  }
  run(rt);
  CHECK_SAID("next! next! next!");
}

TEST(a_gatherer_that_is_given_up_leaves_all) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  tideR_join future;
  set set = of_futures(TIDE_UNTIL_ERROR, true, &future, 1);
  set.tasks[0] = t;
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  tideR_task_give_up(rt, a->task);
  CHECK(future.head == NULL && future.awaiters == 0);
  run(rt);
  CHECK(a->abandoned);
  CHECK(!future.ended);
  CHECK_EQ(tideR_task_cancelling(t->task), 0);
  CHECK(set.gather.pending.head == NULL);
}

TEST(a_gatherer_is_given_up_while_it_stays) {
  tideR_waitq queue = new_queue();
  actor *t = spawn_arg(rt, target, &queue, "t");
  set set = {.until = TIDE_UNTIL_WINNER, .counted = true, .tasks = {t}};
  t->n = 5;
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  cancel(a);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK(a->abandoned);
  CHECK_SAID("given up t cleaned up");
}

TEST(a_deadlock_takes_the_main_out_of_its_gather) {
  tideR_join futures[2];
  set set = of_futures(TIDE_UNTIL_ERROR, true, futures, 2);
  tideR_loop_main(rt, spawn_arg(rt, gatherer, &set, "main")->task);
  run(rt);
  CHECK_SAID("main");
  CHECK(!futures[0].ended);
  tideR_gather_leave(rt, &set.gather);
}

TEST(a_gather_that_is_left_wakes_who_waits_in_it) {
  tideR_join futures[2];
  set set = of_futures(TIDE_UNTIL_FIRST, true, futures, 2);
  actor *a = spawn_arg(rt, gatherer, &set, "a");
  step(rt);
  CHECK(set.gather.waiter == a->task);
  tideR_gather_leave(rt, &set.gather);
  CHECK(set.gather.waiter == NULL);
  CHECK_EQ(futures[0].awaiters + futures[1].awaiters, 0);
  run(rt);
  CHECK_SAID("a");
}

/* ---- many ---- */

enum { MANY = 30000 };

static void shuffle(tideR_link **links, int n) {
  uint32_t seed = 1;
  for (int i = 0; i < n; i++) {
    int j = (int)(next_number(&seed) % (uint32_t)(i + 1));
    tideR_link *other = links[j];
    links[j] = links[i];
    links[i] = other;
  }
}

static tideR_link many_links[MANY], *shuffled[MANY];

static void shuffle_many(void) {
  for (int i = 0; i < MANY; i++)
    shuffled[i] = &many_links[i];
  shuffle(shuffled, MANY);
}

/* Dropped from the middle of one join's list: a walk to each would take more
 * than the seconds that a test has under a sanitizer. */
TEST(a_link_is_dropped_in_one_step) {
  static tideR_gather gathers[MANY];
  tideR_join future;
  tideR_future_init(&future);
  for (int i = 0; i < MANY; i++) {
    tideR_gather_init(&gathers[i], TIDE_UNTIL_ALL, true);
    tideR_gather_add(&gathers[i], &many_links[i], &future);
  }
  CHECK_EQ(future.awaiters, MANY);
  shuffle_many();
  for (int i = 0; i < MANY - 1; i++)
    tideR_gather_drop(shuffled[i]);
  CHECK_EQ(future.awaiters, 1);
  CHECK(future.head == shuffled[MANY - 1] && future.tail == future.head);
  tideR_future_end(rt, &future, TIDE_END_OK);
  CHECK(future.head == NULL && future.tail == NULL);
  CHECK(shuffled[MANY - 1]->gather->done.head == shuffled[MANY - 1]);
}

TEST(an_end_is_noted_in_one_step) {
  static tideR_join futures[MANY];
  tideR_gather gather;
  tideR_link *link;
  int i = 0;
  tideR_gather_init(&gather, TIDE_UNTIL_ALL, true);
  for (int j = 0; j < MANY; j++) {
    tideR_future_init(&futures[j]);
    tideR_gather_add(&gather, &many_links[j], &futures[j]);
  }
  shuffle_many();
  for (int j = 0; j < MANY; j++)
    tideR_future_end(rt, &futures[shuffled[j] - many_links], TIDE_END_OK);
  CHECK(gather.pending.head == NULL && gather.pending.tail == NULL);
  while ((link = tideR_gather_take(&gather)) != NULL && link == shuffled[i])
    i++;
  CHECK_EQ(i, MANY);
}

TEST(a_cancel_runs_down_a_long_chain_of_gathers) {
  enum { LENGTH = 100000 }; /* no recursion could go as deep */
  tideR_waitq queue = new_queue();
  static tideR_join futures[LENGTH];
  set *sets = calloc(LENGTH, sizeof *sets);
  actor *last = spawn_arg(rt, waiter, &queue, "first");
  int left = 0;
  for (int i = 0; i < LENGTH; i++) {
    sets[i] = of_futures(i % 2 ? TIDE_UNTIL_ERROR : TIDE_UNTIL_WINNER, true,
                         &futures[i], 1);
    sets[i].tasks[0] = last;
    last = spawn_arg(rt, gatherer, &sets[i], "");
  }
  step(rt);
  cancel(last);
  CHECK_EQ(stats(rt).ready, 1); /* the others wait for its end */
  for (int i = 0; i < LENGTH; i++)
    left += !futures[i].ended;
  CHECK_EQ(left, 0);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  said[0] = '\0';
  free(sets);
}

/* Its error lets all end, turn by turn. */
TEST(an_error_runs_up_a_chain_of_gathers_of_futures) {
  enum { LENGTH = 1000 };
  static tideR_join futures[LENGTH + 1];
  static set sets[LENGTH];
  for (int i = 0; i <= LENGTH; i++)
    tideR_future_init(&futures[i]);
  for (int i = 0; i < LENGTH; i++)
    sets[i] = (set){.until = TIDE_UNTIL_ERROR,
                    .counted = true,
                    .futures = {&futures[i], &futures[i + 1]}};
  for (int i = 0; i < LENGTH; i++)
    spawn_arg(rt, gatherer, &sets[i], "");
  step(rt);
  tideR_future_end(rt, &futures[0], TIDE_END_FAILED);
  /* the next is shared, so it is left, and so is all behind it */
  CHECK(!futures[1].ended);
  CHECK_EQ(futures[1].awaiters, 1);
  CHECK_EQ(stats(rt).ready, 1);
  tideR_future_end(rt, &futures[LENGTH], TIDE_END_FAILED);
  CHECK_EQ(stats(rt).ready, 2);
  for (int i = 1; i < LENGTH; i++)
    if (!futures[i].ended)
      tideR_future_end(rt, &futures[i], TIDE_END_OK);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}
