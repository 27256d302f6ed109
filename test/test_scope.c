/* test_scope.c: who is cancelled, by what, and until when. */
#include "test.h"

/* A task that "runs" in the test: what it opens is looked at from here. */
static tideR_task *new_task(tideR_runtime *rt) {
  return tideR_task_new(rt);
}

static tideR_scope *enter(tideR_runtime *rt, tideR_task *task,
                          uint64_t deadline, bool shield) {
  tideR_scope *scope;
  CHECK_EQ(tideR_scope_enter(rt, task, deadline, shield, &scope), 0);
  CHECK(task->scope == scope);
  return scope;
}

static tideR_scope *open_scope(tideR_runtime *rt, tideR_task *task) {
  return enter(rt, task, TIDE_NEVER, false);
}

static bool inside(const tideR_scope *scope) {
  return scope->flags & TIDE_SCOPE_INSIDE;
}

static bool cancelled(const tideR_task *task) {
  return task->flags & TIDE_CANCEL;
}

/* ---- cancel and shield ---- */

TEST(a_cancel_reaches_inside_and_not_outside) {
  tideR_task *task = new_task(rt);
  tideR_scope *a = open_scope(rt, task), *b = open_scope(rt, task),
              *c = open_scope(rt, task);
  tideR_scope_cancel(rt, b);
  tideR_scope_cancel(rt, b);
  CHECK(!inside(a));
  CHECK(inside(b));
  CHECK(inside(c));
  CHECK(cancelled(task));
  CHECK(tideR_scope_culprit(rt, c) == b);
  CHECK(tideR_scope_culprit(rt, a) == NULL);
  CHECK(inside(open_scope(rt, task))); /* one opened later, too */
  tideR_scope_leave(rt, task);
  tideR_scope_leave(rt, task);
  CHECK(cancelled(task));
  tideR_scope_leave(rt, task);
  CHECK(!cancelled(task)); /* it left what was cancelled */
}

TEST(a_shield_stops_outer_cancels_only) {
  tideR_task *task = new_task(rt);
  tideR_scope *outer = open_scope(rt, task);
  tideR_scope *shield = enter(rt, task, TIDE_NEVER, true);
  tideR_scope *inner = open_scope(rt, task);
  tideR_scope_cancel(rt, outer);
  CHECK(inside(outer));
  CHECK(!cancelled(task));
  CHECK(tideR_scope_culprit(rt, inner) == NULL);
  tideR_scope_cancel(rt, inner);
  CHECK(cancelled(task));
  CHECK(tideR_scope_culprit(rt, inner) == inner);
  CHECK(!inside(shield));
  tideR_scope_leave(rt, task);
  CHECK(!cancelled(task));
  tideR_scope_cancel(rt, shield); /* its own */
  CHECK(cancelled(task));
  CHECK(tideR_scope_culprit(rt, shield) == shield);
}

TEST(a_shield_put_up_and_dropped) {
  tideR_task *task = new_task(rt);
  tideR_scope *outer = open_scope(rt, task);
  tideR_scope *shield = enter(rt, task, TIDE_NEVER, true);
  tideR_scope_cancel(rt, outer);
  tideR_scope_shield(rt, shield, false);
  CHECK(cancelled(task));
  tideR_scope_shield(rt, shield, true);
  CHECK(!cancelled(task));
  tideR_scope_leave(rt, task);
  CHECK(cancelled(task));
}

TEST(the_culprit_is_the_innermost_that_is_cancelled) {
  tideR_task *task = new_task(rt);
  tideR_scope *a = open_scope(rt, task), *b = open_scope(rt, task),
              *c = open_scope(rt, task);
  tideR_scope_cancel(rt, b);
  tideR_scope_cancel(rt, a);
  CHECK(tideR_scope_culprit(rt, c) == b);
  tideR_scope_leave(rt, task);
  tideR_scope_leave(rt, task);
  CHECK(tideR_scope_culprit(rt, task->scope) == a);
}

/* Waits in a shield inside a cancelled scope. */
static void shielded_waiter(actor *me) {
  tideR_scope *scope;
  BEGIN
  tideR_scope_enter(me->rt, me->task, TIDE_NEVER, false, &scope);
  tideR_scope_cancel(me->rt, scope);
  tideR_scope_enter(me->rt, me->task, TIDE_NEVER, true, &scope);
  WAIT(me->arg);
  say("%s", me->raised ? "cancelled" : "woken");
  END
}

TEST(dropping_a_shield_ends_the_wait_at_once) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, shielded_waiter, &queue, "");
  step(rt);
  CHECK_EQ(a->task->state, TIDE_TASK_PARKED);
  tideR_scope_shield(rt, a->task->scope, false);
  CHECK_EQ(a->task->state, TIDE_TASK_READY);
  run(rt);
  CHECK_SAID("cancelled");
}

/* ---- deadlines ---- */

TEST(a_deadline_that_is_past_cancels_at_once) {
  tideR_task *task = new_task(rt);
  tideR_scope *now = enter(rt, task, tideR_now(rt), false);
  CHECK(cancelled(task));
  CHECK(now->flags & TIDE_SCOPE_EXPIRED);
  CHECK(now->flags & TIDE_SCOPE_CANCEL);
  CHECK(!(now->flags & TIDE_SCOPE_TIMED));
  CHECK_EQ(now->deadline, tideR_now(rt));
  CHECK_EQ(stats(rt).timers, 0);
  tideR_scope_leave(rt, task);
  CHECK(!cancelled(task));
}

TEST(a_checkpoint_fires_what_is_due) {
  tideR_task *task = new_task(rt);
  tideR_scope *scope = enter(rt, task, tideR_deadline(rt, 1), false);
  CHECK(task->flags & TIDE_TIMED);
  CHECK(!tideR_checkpoint(rt, task));
  tideR_clock_advance(rt, 1);
  CHECK(!cancelled(task)); /* nobody has looked at the clock yet */
  CHECK(tideR_checkpoint(rt, task));
  CHECK(scope->flags & TIDE_SCOPE_EXPIRED);
}

TEST(a_scope_that_was_cancelled_does_not_expire) {
  tideR_task *task = new_task(rt);
  tideR_scope *scope = enter(rt, task, tideR_deadline(rt, 1), false);
  tideR_scope_cancel(rt, scope);
  CHECK_EQ(stats(rt).timers, 0);
  tideR_clock_advance(rt, 2);
  step(rt);
  CHECK(!(scope->flags & TIDE_SCOPE_EXPIRED));
}

TEST(leaving_a_scope_clears_its_deadline) {
  tideR_task *task = new_task(rt);
  enter(rt, task, tideR_deadline(rt, 1), false);
  CHECK_EQ(stats(rt).timers, 1);
  tideR_scope_leave(rt, task);
  CHECK_EQ(stats(rt).timers, 0);
  CHECK(!(task->flags & TIDE_TIMED));
}

TEST(a_task_is_timed_inside_a_deadline) {
  tideR_task *task = new_task(rt);
  tideR_scope *outer = enter(rt, task, tideR_deadline(rt, 1), false);
  tideR_scope *inner = enter(rt, task, TIDE_NEVER, true);
  CHECK(inner->flags & TIDE_SCOPE_TIMED);
  CHECK_EQ(tideR_scope_reschedule(rt, outer, TIDE_NEVER), 0);
  CHECK(!(inner->flags & TIDE_SCOPE_TIMED));
  CHECK(!(task->flags & TIDE_TIMED));
  CHECK_EQ(stats(rt).timers, 0);
}

TEST(a_deadline_is_moved) {
  tideR_task *task = new_task(rt);
  tideR_scope *scope = enter(rt, task, tideR_deadline(rt, 1), false);
  CHECK_EQ(tideR_scope_reschedule(rt, scope, tideR_deadline(rt, 3)), 0);
  CHECK_EQ(stats(rt).timers, 1);
  tideR_clock_advance(rt, 2);
  CHECK(!tideR_checkpoint(rt, task));
  CHECK_EQ(tideR_scope_reschedule(rt, scope, tideR_deadline(rt, 0.5)), 0);
  tideR_clock_advance(rt, 0.5);
  CHECK(tideR_checkpoint(rt, task));
  CHECK_EQ(tideR_scope_reschedule(rt, scope, TIDE_NEVER), 0); /* too late */
  CHECK_EQ(scope->deadline, TIDE_NEVER);
  CHECK(cancelled(task));
  tideR_scope_leave(rt, task);
  scope = open_scope(rt, task);
  CHECK_EQ(tideR_scope_reschedule(rt, scope, tideR_now(rt) - 1), 0);
  CHECK(cancelled(task)); /* moved to the past: at once */
  CHECK(scope->flags & TIDE_SCOPE_EXPIRED);
}

/* Sleeps me->n seconds inside two deadlines in a second. */
static void twice_timed(actor *me) {
  tideR_scope *scope;
  uint64_t when = tideR_deadline(me->rt, 1);
  BEGIN
  tideR_scope_enter(me->rt, me->task, when, false, &scope);
  tideR_scope_enter(me->rt, me->task, when, false, &scope);
  SLEEP(me->n);
  say("%s", me->raised ? "cancelled" : "slept");
  scope = me->task->scope;
  CHECK(scope->flags & TIDE_SCOPE_EXPIRED);
  CHECK(scope->parent->flags & TIDE_SCOPE_EXPIRED);
  CHECK(tideR_scope_culprit(me->rt, scope) == scope);
  tideR_scope_leave(me->rt, me->task);
  CHECK(tideR_scope_culprit(me->rt, me->task->scope) == me->task->scope);
  END
}

TEST(equal_deadlines_nested_both_expire) {
  uint64_t start = tideR_now(rt);
  spawn(rt, twice_timed)->n = 60;
  run(rt);
  CHECK_SAID("cancelled");
  CHECK_EQ(tideR_now(rt), start + SECOND);
  CHECK_EQ(stats(rt).timers, 0); /* they ended with the task */
}

TEST(a_deadline_set_before_an_equal_sleep_wins) {
  spawn(rt, twice_timed)->n = 1;
  run(rt);
  CHECK_SAID("cancelled");
}

/* ---- records ---- */

TEST(the_id_of_a_scope_is_never_used_again) {
  tideR_task *task = new_task(rt);
  tideR_scope *scope = open_scope(rt, task), *again;
  uint64_t id = scope->id;
  tideR_scope_cancel(rt, scope);
  tideR_scope_leave(rt, task);
  CHECK_EQ(scope->id, 0);
  again = open_scope(rt, task);
  CHECK(again == scope); /* the record is */
  CHECK(again->id > id);
  CHECK_EQ(again->flags, 0);
}

static void leaves_scopes_open(actor *me) {
  tideR_scope *scope;
  for (int i = 0; i < 3; i++)
    tideR_scope_enter(me->rt, me->task, tideR_deadline(me->rt, 9), false,
                      &scope);
}

TEST(the_end_of_a_task_closes_its_scopes) {
  actor *a = spawn(rt, leaves_scopes_open);
  run(rt);
  CHECK_EQ(stats(rt).timers, 0);
  CHECK(a->task->scope == NULL);
}

TEST(five_thousand_nested_scopes) {
  enum { DEPTH = 5000 };
  tideR_task *task = new_task(rt);
  tideR_scope *outer = open_scope(rt, task), *middle = NULL;
  for (int i = 1; i < DEPTH; i++) {
    tideR_scope *scope = open_scope(rt, task);
    if (i == DEPTH / 2)
      middle = scope;
  }
  tideR_scope_cancel(rt, outer);
  CHECK(cancelled(task));
  tideR_scope_shield(rt, middle, true);
  CHECK(!cancelled(task));
  CHECK(tideR_scope_culprit(rt, task->scope) == NULL);
  tideR_scope_shield(rt, middle, false);
  CHECK(tideR_scope_culprit(rt, task->scope) == outer);
  CHECK_EQ(tideR_task_cancel(rt, task), 0);
  CHECK(outer->parent == tideR_task_own_scope(task));
  for (int i = 0; i < DEPTH; i++)
    tideR_scope_leave(rt, task);
  CHECK(task->scope == tideR_task_own_scope(task));
}

/* Each cancel one after the other: were each told to all inside it, that would
 * take more than the seconds that a test has. */
TEST(a_deep_nest_is_cancelled_scope_by_scope) {
  enum { DEPTH = 200000 };
  tideR_scope **scopes = calloc(DEPTH, sizeof *scopes);
  for (int inwards = 0; inwards < 2; inwards++) {
    tideR_task *task = new_task(rt);
    for (int i = 0; i < DEPTH; i++)
      scopes[i] = open_scope(rt, task);
    for (int i = 0; i < DEPTH; i++)
      tideR_scope_cancel(rt, scopes[inwards ? i : DEPTH - 1 - i]);
    for (int i = DEPTH - 1; i >= 0; i--) {
      CHECK(tideR_scope_culprit(rt, task->scope) == scopes[i]);
      tideR_scope_leave(rt, task);
    }
    CHECK(!cancelled(task));
  }
  free(scopes);
}

TEST(a_deep_nest_inside_what_is_cancelled_is_left) {
  enum { DEPTH = 200000 };
  tideR_task *task = new_task(rt);
  tideR_scope *outer = open_scope(rt, task);
  for (int i = 0; i < DEPTH; i++)
    open_scope(rt, task);
  tideR_scope_cancel(rt, outer);
  for (int i = 0; i < DEPTH; i++) {
    CHECK(tideR_scope_culprit(rt, task->scope) == outer);
    tideR_scope_leave(rt, task);
  }
}

/* As it is defined, by looking. */
static tideR_scope *culprit_of(tideR_scope *scope) {
  for (; scope != NULL; scope = scope->parent) {
    if (scope->flags & TIDE_SCOPE_CANCEL)
      return scope;
    if (scope->flags & TIDE_SCOPE_SHIELD)
      return NULL;
  }
  return NULL;
}

/* Of the own scope of a host, inside it a group's, inside that a child's. */
static int open_nest(tideR_runtime *rt, tideR_scope **scopes) {
  tideR_group *group = NULL;
  int n = 0;
  for (int i = 0; i < 3; i++) {
    tideR_task *child = new_task(rt);
    if (group != NULL)
      CHECK_EQ(tideR_group_add(rt, group, child), 0);
    CHECK_EQ(tideR_task_cancel(rt, child), 0);
    tideR_task_uncancel(rt, child);
    scopes[n++] = tideR_task_own_scope(child);
    scopes[n++] = open_scope(rt, child);
    CHECK_EQ(tideR_group_enter(rt, child, &group), 0);
    scopes[n++] = group->scope;
    scopes[n++] = open_scope(rt, child);
  }
  return n;
}

static void change(tideR_runtime *rt, tideR_scope *scope, uint32_t how) {
  if (how == 0)
    tideR_scope_cancel(rt, scope);
  else if (how < 4)
    tideR_scope_shield(rt, scope, !(scope->flags & TIDE_SCOPE_SHIELD));
  else if (how < 6)
    tideR_scope_reschedule(rt, scope,
                           how == 4 ? TIDE_NEVER : tideR_now(rt) + 9);
  else if (!(scope->flags & TIDE_SCOPE_OWN))
    return;
  else if (tideR_task_cancelling(scope->task) == 0)
    tideR_task_cancel(rt, scope->task);
  else
    tideR_task_uncancel(rt, scope->task);
}

TEST(whatever_changes_the_culprit_is_the_nearest) {
  tideR_scope *scopes[12];
  uint32_t seed = 1;
  for (int round = 0; round < 300; round++) {
    int n = open_nest(rt, scopes);
    for (int i = 0; i < 40; i++) {
      change(rt, scopes[next_number(&seed) % n], next_number(&seed) % 16);
      for (int k = 0; k < 3; k++) { /* what is asked is remembered */
        tideR_scope *scope = scopes[next_number(&seed) % n];
        CHECK(tideR_scope_culprit(rt, scope) == culprit_of(scope));
      }
      for (int k = 0; k < n; k++)
        CHECK_EQ(inside(scopes[k]), culprit_of(scopes[k]) != NULL);
    }
  }
}

/* ---- the task's own scope ---- */

TEST(the_own_scope_lies_around_those_that_are_open) {
  tideR_task *task = new_task(rt);
  tideR_scope *outer = open_scope(rt, task);
  tideR_scope *shield = enter(rt, task, TIDE_NEVER, true);
  CHECK(tideR_task_own_scope(task) == NULL);
  CHECK_EQ(tideR_task_cancel(rt, task), 0);
  tideR_scope *own = tideR_task_own_scope(task);
  CHECK(own->flags & TIDE_SCOPE_OWN);
  CHECK(outer->parent == own);
  CHECK(own->inner == outer);
  CHECK(task->scope == shield);
  CHECK(inside(outer));
  CHECK(!cancelled(task)); /* the shield holds */
  tideR_scope_leave(rt, task);
  CHECK(cancelled(task));
  CHECK(tideR_scope_culprit(rt, task->scope) == own);
  tideR_scope_leave(rt, task);
  CHECK(task->scope == own);
  CHECK_EQ(tideR_task_uncancel(rt, task), 0);
  CHECK(!cancelled(task));
}

/* ---- chains that a coroutine takes along ---- */

TEST(a_detached_chain_no_longer_matters_to_the_task) {
  tideR_task *task = new_task(rt);
  tideR_scope *base = open_scope(rt, task);
  tideR_scope *a = open_scope(rt, task), *b = open_scope(rt, task);
  tideR_scope_cancel(rt, a);
  CHECK(tideR_scope_detach(rt, task, base) == b);
  CHECK(task->scope == base);
  CHECK(!cancelled(task));
  CHECK(a->task == NULL && b->task == NULL && a->parent == NULL);
  CHECK(tideR_scope_detach(rt, task, base) == NULL); /* nothing is inside */
  tideR_scope_attach(rt, task, b);
  CHECK(task->scope == b && a->parent == base && base->inner == a);
  CHECK(cancelled(task));
  CHECK(tideR_scope_culprit(rt, b) == a);
}

TEST(a_chain_hangs_on_another_task) {
  tideR_task *one = new_task(rt), *two = new_task(rt);
  tideR_scope *scope = open_scope(rt, one);
  tideR_scope *outer = open_scope(rt, two);
  CHECK(tideR_scope_detach(rt, one, NULL) == scope);
  CHECK(one->scope == NULL);
  tideR_scope_cancel(rt, outer);
  tideR_scope_attach(rt, two, scope);
  CHECK(scope->task == two);
  CHECK(inside(scope));
  CHECK(cancelled(two));
  CHECK(!cancelled(one));
}

TEST(a_detached_scope_is_cancelled_and_expires) {
  tideR_task *task = new_task(rt);
  tideR_scope *timed = enter(rt, task, tideR_deadline(rt, 1), false);
  tideR_scope *inner = open_scope(rt, task);
  CHECK(tideR_scope_detach(rt, task, NULL) == inner);
  tideR_clock_advance(rt, 1);
  step(rt);
  CHECK(timed->flags & TIDE_SCOPE_EXPIRED);
  CHECK(inside(inner));
  CHECK(!cancelled(task));
  tideR_scope_attach(rt, task, inner);
  CHECK(cancelled(task));
}

TEST(a_detached_chain_is_discarded_with_its_deadlines) {
  tideR_task *task = new_task(rt);
  enter(rt, task, tideR_deadline(rt, 1), false);
  enter(rt, task, tideR_deadline(rt, 2), false);
  tideR_scope_discard(rt, tideR_scope_detach(rt, task, NULL));
  CHECK_EQ(stats(rt).timers, 0);
  tideR_scope_discard(rt, NULL);
}

static void attaches(actor *me) {
  tideR_scope_attach(me->rt, ((actor *)me->arg)->task,
                     tideR_scope_detach(me->rt, me->task, NULL));
}

TEST(a_chain_that_is_attached_to_a_waiting_task_may_end_its_wait) {
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(rt, waiter, &queue, "a");
  actor *b = spawn_arg(rt, attaches, a, "");
  tideR_scope *scope = open_scope(rt, b->task);
  tideR_scope_cancel(rt, scope);
  run(rt);
  CHECK_SAID("a!");
}

TEST(the_own_scope_stays_when_a_chain_is_detached) {
  tideR_task *task = new_task(rt);
  tideR_scope *base = task->scope; /* none: where a coroutine starts */
  tideR_scope *scope = open_scope(rt, task);
  CHECK_EQ(tideR_task_cancel(rt, task), 0); /* the own comes meanwhile */
  tideR_scope *own = tideR_task_own_scope(task);
  CHECK(tideR_scope_detach(rt, task, base) == scope);
  CHECK(task->scope == own);
  CHECK(own->task == task);
  CHECK(cancelled(task));
  CHECK(tideR_scope_detach(rt, task, base) == NULL);
  CHECK(task->scope == own);
}
