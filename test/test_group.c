/* test_group.c: groups, their scopes, and rings of awaits through them. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

static tideR_group *new_group(actor *host) {
  tideR_group *group;
  CHECK_EQ(tideR_group_enter(host->rt, host->task, &group), 0);
  return group;
}

/* A task of the group. */
static actor *child(tideR_group *group, void (*body)(actor *me), void *arg,
                    const char *name) {
  const actor *host = group->scope->task->coro;
  tideR_runtime *rt = host->rt;
  actor *me = actor_new(rt, body);
  me->task = tideR_task_new(rt);
  me->task->coro = me;
  me->arg = arg;
  me->name = name;
  CHECK_EQ(tideR_group_add(rt, group, me->task), 0);
  tideR_task_start(rt, me->task);
  return me;
}

/* Opens the group that its maker then fills, and waits at its edge when its
 * queue wakes it, or a cancel. */
typedef struct nursery {
  tideR_waitq body;
  tideR_group *group;
} nursery;

/* An edge is no cancel point. */
#define EDGE(group) \
  do { \
    me->line = __LINE__; \
    me->refused = false; \
    tideR_group_park(me->rt, me->task, group); \
    return; \
  case __LINE__:; \
  } while (0)

static nursery new_nursery(void) {
  return (nursery){.body = new_queue()};
}

static void host(actor *me) {
  nursery *nursery = me->arg;
  BEGIN
  nursery->group = new_group(me);
  WAIT(&nursery->body);
  say("%s%s at its edge", me->name, me->raised ? "!" : "");
  while (!tideR_group_empty(nursery->group))
    EDGE(nursery->group);
  tideR_scope_leave(me->rt, me->task);
  say("%s ends", me->name);
  END
}

static void await_it(actor *me) {
  BEGIN
  JOIN((actor *)me->arg, true);
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

/* ---- the edge ---- */

TEST(a_host_waits_at_its_edge_for_the_last_child) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  spawn_arg(rt, host, &n, "host");
  step(rt);
  child(n.group, waiter, &queue, "a");
  child(n.group, waiter, &queue, "b");
  CHECK_EQ(tideR_group_count(n.group), 2);
  tideR_waitq_wake(rt, &n.body);
  run(rt);
  CHECK_SAID("host at its edge");
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("a");
  CHECK_EQ(tideR_group_count(n.group), 1);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("b host ends");
}

TEST(a_child_that_comes_when_the_last_has_ended_is_waited_for) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  spawn_arg(rt, host, &n, "host");
  step(rt);
  child(n.group, waiter, &queue, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  tideR_waitq_wake(rt, &queue);
  step(rt); /* a ends: the host is woken */
  child(n.group, waiter, &queue, "late");
  run(rt);
  CHECK_SAID("host at its edge a");
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("late host ends");
}

static void fails(actor *me) {
  BEGIN
  WAIT(me->arg);
  me->done = true;
  tideR_task_finish(me->rt, me->task, TIDE_END_FAILED);
  END
}

TEST(a_child_that_fails_cancels_the_others_and_the_host) {
  tideR_waitq queue = new_queue(), other = new_queue();
  nursery n = new_nursery();
  spawn_arg(rt, host, &n, "host");
  step(rt);
  child(n.group, fails, &queue, "bad");
  child(n.group, waiter, &other, "sibling");
  step(rt);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("host! at its edge sibling! host ends");
}

TEST(a_child_that_is_cancelled_cancels_nobody_else) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  spawn_arg(rt, host, &n, "host");
  step(rt);
  actor *a = child(n.group, waiter, &queue, "a");
  step(rt);
  cancel(a);
  run(rt);
  CHECK_SAID("a!");
  CHECK(!(n.group->scope->flags & TIDE_SCOPE_CANCEL));
  tideR_waitq_wake(rt, &n.body);
  run(rt);
  CHECK_SAID("host at its edge host ends");
}

TEST(a_cancel_at_the_edge_goes_to_the_children) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "host");
  step(rt);
  child(n.group, waiter, &queue, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  cancel(h);
  CHECK_EQ(h->task->state, TIDE_TASK_PARKED);
  run(rt);
  CHECK_SAID("host at its edge a! host ends");
}

TEST(a_cancel_runs_down_a_long_chain_of_groups) {
  enum { LENGTH = 10000 }; /* no recursion could go as deep */
  static nursery nurseries[LENGTH];
  actor *first = NULL;
  for (int i = 0; i < LENGTH; i++) {
    nurseries[i] = new_nursery();
    if (i == 0)
      first = spawn_arg(rt, host, &nurseries[i], "");
    else
      child(nurseries[i - 1].group, host, &nurseries[i], "");
    step(rt);
  }
  for (int i = 0; i < LENGTH - 1; i++)
    tideR_waitq_wake(rt, &nurseries[i].body);
  step(rt);
  cancel(first);
  CHECK_EQ(stats(rt).ready, 1);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* ---- ends out of order ---- */

TEST(an_abandoned_host_leaves_its_children_cancelled_and_free) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "host");
  step(rt);
  actor *a = child(n.group, waiter, &queue, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  tideR_task_give_up(rt, h->task);
  step(rt);
  CHECK(h->abandoned);
  CHECK(tideR_task_group(a->task) == NULL);
  CHECK(tideR_task_own_scope(a->task)->parent == NULL);
  run(rt);
  CHECK_SAID("host at its edge given up a!");
}

TEST(a_child_that_is_given_up_ends_for_its_host) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery();
  spawn_arg(rt, host, &n, "host");
  step(rt);
  actor *a = child(n.group, waiter, &queue, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("host at its edge given up host ends");
}

/* A gather that came before the group cancels the host when the child fails,
 * which is in the group's list yet, and has no scope any more. */
TEST(a_child_ends_while_its_group_is_cancelled_by_that) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery(), start = new_nursery();
  tideR_gather gather;
  tideR_link links[2];
  actor *h = spawn_arg(rt, host, &n, "host");
  spawn_arg(rt, host, &start, "starter");
  step(rt);
  actor *bad = child(start.group, fails, &queue, "bad");
  tideR_gather_init(&gather, TIDE_UNTIL_ERROR, true);
  tideR_gather_add(&gather, &links[0], tideR_task_join(rt, bad->task));
  tideR_gather_add(&gather, &links[1], tideR_task_join(rt, h->task));
  tideR_group_move(rt, n.group, bad->task);
  step(rt);
  tideR_waitq_wake(rt, &queue);
  step(rt);
  CHECK(h->task->flags & TIDE_CANCEL);
  tideR_waitq_wake(rt, &start.body);
  run(rt);
  CHECK_SAID("host! at its edge host ends starter at its edge starter ends");
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(a_task_that_is_gathered_twice_is_not_cancelled_as_it_ends) {
  tideR_waitq queue = new_queue();
  tideR_gather gather;
  tideR_link links[2];
  actor *bad = spawn_arg(rt, fails, &queue, "bad");
  step(rt);
  tideR_gather_init(&gather, TIDE_UNTIL_ERROR, true);
  for (int i = 0; i < 2; i++)
    tideR_gather_add(&gather, &links[i], tideR_task_join(rt, bad->task));
  tideR_waitq_wake(rt, &queue);
  step(rt);
  CHECK(gather.pending.head == NULL);
  actor *next = spawn_arg(rt, waiter, &queue, "next");
  CHECK(next->task == bad->task); /* the same record */
  CHECK(next->task->ends == 0 && next->task->scope == NULL);
  step(rt);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("next");
}

/* ---- starts ---- */

TEST(a_group_waits_for_the_starts_in_it) {
  tideR_waitq queue = new_queue();
  nursery n = new_nursery(), start = new_nursery();
  spawn_arg(rt, host, &n, "host");
  spawn_arg(rt, host, &start, "starter");
  step(rt);
  tideR_group_start(start.group, n.group);
  actor *a = child(start.group, waiter, &queue, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  CHECK(!tideR_group_empty(n.group));
  tideR_group_move(rt, n.group, a->task);
  tideR_waitq_wake(rt, &start.body);
  run(rt);
  CHECK_SAID("host at its edge starter at its edge starter ends");
  CHECK(n.group->starts == NULL);
  CHECK_EQ(tideR_group_count(n.group), 1);
  tideR_waitq_wake(rt, &queue);
  run(rt);
  CHECK_SAID("a host ends");
}

TEST(a_group_is_free_to_end_when_a_starter_is_given_up) {
  nursery n = new_nursery(), start[3];
  spawn_arg(rt, host, &n, "host");
  step(rt);
  actor *starters[3];
  for (int i = 0; i < 3; i++) {
    start[i] = new_nursery();
    starters[i] = spawn_arg(rt, host, &start[i], "starter");
    step(rt);
    tideR_group_start(start[i].group, n.group);
  }
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  static const int order[] = {1, 0, 2}; /* the middle of the list first */
  for (int i = 0; i < 3; i++) {
    CHECK(!tideR_group_empty(n.group));
    tideR_task_give_up(rt, starters[order[i]]->task);
    step(rt);
  }
  run(rt);
  CHECK_SAID("host at its edge given up given up given up host ends");
}

TEST(a_start_outlives_its_target) {
  nursery n = new_nursery(), start = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "host");
  spawn_arg(rt, host, &start, "starter");
  step(rt);
  tideR_group_start(start.group, n.group);
  tideR_task_give_up(rt, h->task);
  step(rt);
  CHECK(start.group->target == NULL);
  tideR_waitq_wake(rt, &start.body);
  run(rt);
  CHECK_SAID("given up starter at its edge starter ends");
}

/* ---- rings ---- */

TEST(a_child_that_awaits_its_host_leaves_when_both_are_cancelled) {
  nursery n = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "host");
  step(rt);
  child(n.group, await_it, h, "a");
  child(n.group, await_it, h, "b");
  step(rt);
  cancel(h);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("host! at its edge a! b! host ends");
}

TEST(a_grandchild_that_awaits_its_grandparent_leaves) {
  nursery outer = new_nursery(), inner = new_nursery();
  actor *h = spawn_arg(rt, host, &outer, "outer");
  step(rt);
  child(outer.group, host, &inner, "inner");
  step(rt);
  actor *a = child(inner.group, await_it, h, "a");
  tideR_waitq_wake(rt, &outer.body);
  step(rt);
  cancel(a); /* it cancels the outer host, which reaches the inner */
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("outer at its edge inner! at its edge a! inner ends outer ends");
}

TEST(a_ring_through_a_start_ends) {
  nursery n = new_nursery(), start = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "host");
  actor *s = spawn_arg(rt, host, &start, "starter");
  step(rt);
  tideR_group_start(start.group, n.group);
  child(start.group, await_it, h, "a");
  tideR_waitq_wake(rt, &n.body);
  step(rt);
  cancel(s);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK_SAID("host at its edge starter! at its edge a! starter ends host ends");
}

/* All children of one host await it: each is a ring of its own. */
TEST(many_rings_are_broken_in_time) {
  enum { MANY = 2000 };
  nursery n = new_nursery();
  actor *h = spawn_arg(rt, host, &n, "");
  step(rt);
  for (int i = 0; i < MANY; i++)
    child(n.group, await_it, h, "");
  step(rt);
  cancel(h);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* Waits for the queue whatever is cancelled. */
static void shielded(actor *me) {
  tideR_scope *scope;
  BEGIN
  tideR_scope_enter(me->rt, me->task, TIDE_NEVER, true, &scope);
  WAIT((tideR_waitq *)me->arg);
  END
}

/* Each host's body ends when those of all hosts inside it have: were all that
 * a host stays for looked at each time, that would take more than the seconds
 * that a test has. */
TEST(the_edges_of_a_deep_nest_are_reached_innermost_first) {
  enum { LENGTH = 100000 };
  static nursery nurseries[LENGTH];
  tideR_waitq last = new_queue();
  actor *leaver;
  for (int i = 0; i < LENGTH; i++) {
    nurseries[i] = new_nursery();
    if (i == 0)
      spawn_arg(rt, host, &nurseries[i], "");
    else
      child(nurseries[i - 1].group, host, &nurseries[i], "");
    step(rt);
  }
  child(nurseries[LENGTH - 1].group, waiter, &last, "");
  leaver = spawn_arg(rt, await_it, spawn_arg(rt, shielded, &last, ""), "");
  step(rt);
  cancel(leaver);
  CHECK(leaver->task->flags & TIDE_LEAVING);
  for (int i = LENGTH - 1; i >= 0; i--) {
    tideR_waitq_wake(rt, &nurseries[i].body);
    step(rt);
  }
  CHECK_EQ(stats(rt).tasks, LENGTH + 3);
  tideR_waitq_wake_all(rt, &last);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(the_edges_of_a_deep_nest_are_reached_in_any_order) {
  enum { LENGTH = 100000 };
  static nursery nurseries[LENGTH];
  tideR_waitq last = new_queue();
  for (int i = 0; i < LENGTH; i++) {
    nurseries[i] = new_nursery();
    if (i == 0)
      spawn_arg(rt, host, &nurseries[i], "");
    else
      child(nurseries[i - 1].group, host, &nurseries[i], "");
    step(rt);
  }
  child(nurseries[LENGTH - 1].group, waiter, &last, "");
  step(rt);
  for (int odd = 0; odd < 2; odd++) {
    for (int i = LENGTH - 1 - odd; i >= 0; i -= 2) {
      tideR_waitq_wake(rt, &nurseries[i].body);
      step(rt);
    }
  }
  CHECK_EQ(stats(rt).tasks, LENGTH + 1);
  tideR_waitq_wake_all(rt, &last);
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}
