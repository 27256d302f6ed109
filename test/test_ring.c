/* test_ring.c: tasks that wait for each other in a ring, and a cancel. */
#include "gatherer.h"

TEST(a_ring_of_gatherers_ends_by_a_cancel) {
  enum { SIZE = 100 };
  static set sets[SIZE];
  static actor *ring[SIZE];
  for (int i = 0; i < SIZE; i++) {
    sets[i] = (set){.until = TIDE_UNTIL_ERROR, .counted = true};
    ring[i] = spawn_arg(rt, gatherer, &sets[i], "");
  }
  for (int i = 0; i < SIZE; i++)
    sets[i].tasks[0] = ring[(i + 1) % SIZE];
  step(rt);
  CHECK_EQ(stats(rt).ready, 0);
  cancel(ring[SIZE / 2]);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  said[0] = '\0';
}

TEST(tasks_that_all_gather_each_other_end_by_a_cancel) {
  enum { SIZE = 4 };
  for (int victim = 0; victim < SIZE; victim++) {
    static set sets[SIZE];
    actor *ring[SIZE];
    for (int i = 0; i < SIZE; i++) {
      sets[i] = (set){.until = i % 2 ? TIDE_UNTIL_ERROR : TIDE_UNTIL_ALL,
                      .counted = true};
      ring[i] = spawn_arg(rt, gatherer, &sets[i], "");
    }
    for (int i = 0; i < SIZE; i++)
      for (int j = 0, n = 0; j < SIZE; j++)
        if (j != i)
          sets[i].tasks[n++] = ring[j];
    step(rt);
    cancel(ring[victim]);
    run(rt);
    /* the victim left: the others still wait for each other */
    for (int i = 0; i < SIZE && stats(rt).tasks > 0; i++)
      if (!ring[i]->done)
        cancel(ring[i]);
    run(rt);
    CHECK_EQ(stats(rt).tasks, 0);
    said[0] = '\0';
  }
}

TEST(a_ring_of_a_gatherer_and_an_awaiter_ends_by_a_cancel) {
  for (int which = 0; which < 2; which++) {
    set set = {.until = TIDE_UNTIL_ERROR, .counted = true};
    actor *a = spawn_arg(rt, gatherer, &set, "a");
    actor *b = spawn_arg(rt, awaiter, a, "b");
    set.tasks[0] = b;
    step(rt);
    cancel(which ? a : b);
    run(rt);
    CHECK_EQ(stats(rt).tasks, 0);
    said[0] = '\0';
  }
}

/* What it cancels before it waits stays for its end by the time it waits. */
TEST(a_ring_that_is_closed_before_the_wait_is_broken) {
  tideR_join future;
  set set = of_futures(TIDE_UNTIL_WINNER, true, &future, 1);
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  actor *b = spawn_arg(rt, awaiter, a, "b");
  step(rt);
  set.tasks[0] = b;
  tideR_future_end(rt, &future, TIDE_END_OK);
  a->body = gatherer;
  a->arg = &set;
  a->line = 0;
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("a b");
}

/* Every second one of a chain is shielded from its cancel, and then is not, the
 * last ones first: were all below it looked at each time, that would take more
 * than the seconds that a test has. */
static void shielding_awaiter(actor *me) {
  tideR_scope *scope;
  BEGIN
  tideR_scope_enter(me->rt, me->task, TIDE_NEVER, true, &scope);
  JOIN((actor *)me->arg, true);
  END
}

TEST(a_chain_that_comes_to_stay_from_its_end_is_not_walked_each_time) {
  enum { LENGTH = 200000 };
  static actor *chain[LENGTH];
  tideR_waitq queue = new_queue();
  tideR_scope *scope;
  chain[0] = spawn_arg(rt, waiter, &queue, "");
  tideR_scope_enter(rt, chain[0]->task, TIDE_NEVER, true, &scope);
  for (int i = 1; i < LENGTH; i++) {
    chain[i] =
        spawn_arg(rt, i % 2 ? shielding_awaiter : awaiter, chain[i - 1], "");
    step(rt);
  }
  for (int i = 0; i < LENGTH; i++)
    cancel(chain[i]);
  for (int i = 1; i < LENGTH; i += 2)
    tideR_scope_shield(rt, chain[i]->task->scope, false);
  CHECK(chain[1]->task->flags & TIDE_LEAVING);
  CHECK(chain[LENGTH - 1]->task->flags & TIDE_LEAVING);
  CHECK_EQ(stats(rt).tasks, LENGTH);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  said[0] = '\0';
}

/* Its edge, as the bindings make it: no checkpoint. */
#define EDGE(group) \
  do { \
    me->line = __LINE__; \
    me->refused = false; \
    tideR_group_park(me->rt, me->task, group); \
    return; \
  case __LINE__:; \
  } while (0)

static void host(actor *me) {
  set *set = me->arg;
  BEGIN
  CHECK_EQ(tideR_group_enter(me->rt, me->task, &set->group), 0);
  set->child = spawn_arg(me->rt, gatherer, set, "child");
  CHECK_EQ(tideR_group_add(me->rt, set->group, set->child->task), 0);
  SLEEP(5);
  EDGE(set->group);
  tideR_scope_leave(me->rt, me->task);
  say("%s", me->name);
  END
}

TEST(a_host_waits_for_no_child_that_stays_for_its_end) {
  set set = {.until = TIDE_UNTIL_ERROR, .counted = true};
  set.tasks[0] = spawn_arg(rt, host, &set, "host");
  step(rt);
  step(rt);
  cancel(set.child); /* which cancels the host, and stays */
  CHECK(set.child->task->flags & TIDE_LEAVING);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("child! host");
}

/* The host of a group in a group; what is in the inner one stays for the outer
 * host, and both come to their edges after that. */
static void outer_host(actor *me) {
  set *set = me->arg;
  BEGIN
  CHECK_EQ(tideR_group_enter(me->rt, me->task, &set->outer), 0);
  actor *inner = spawn_arg(me->rt, host, set, "host");
  CHECK_EQ(tideR_group_add(me->rt, set->outer, inner->task), 0);
  SLEEP(5);
  EDGE(set->outer);
  tideR_scope_leave(me->rt, me->task);
  say("%s", me->name);
  END
}

TEST(a_host_waits_for_none_that_stays_for_a_host_around_it) {
  set set = {.until = TIDE_UNTIL_ERROR, .counted = true};
  set.tasks[0] = spawn_arg(rt, outer_host, &set, "outer");
  for (int i = 0; i < 3; i++)
    step(rt);
  cancel(set.child);
  CHECK(set.child->task->flags & TIDE_LEAVING);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("child! host outer");
}

TEST(a_gather_knows_who_would_wait_for_itself) {
  tideR_join future;
  set set = of_futures(TIDE_UNTIL_FIRST, true, &future, 1);
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  actor *b = spawn_arg(rt, waiter, &queue, "b");
  step(rt);
  set.tasks[0] = a;
  add_all(rt, &set);
  CHECK(tideR_gather_awaits(&set.gather, a->task));
  CHECK(!tideR_gather_awaits(&set.gather, b->task));
  tideR_gather_leave(rt, &set.gather);
  CHECK(!tideR_gather_awaits(&set.gather, a->task));
}
