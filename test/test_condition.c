/* test_condition.c: conditions: whoever waits owns the lock again. */
#include "test.h"

static void cancel(actor *a) {
  CHECK_EQ(tideR_task_cancel(a->rt, a->task), 0);
}

typedef struct monitor {
  tideR_lock lock;
  tideR_condition condition;
} monitor;

static void init(monitor *m) {
  tideR_lock_init(&m->lock);
  tideR_condition_init(&m->condition, &m->lock);
}

/* Acquires, waits, says how that ended, and releases after a turn. */
static void sleeper(actor *me) {
  monitor *m = me->arg;
  BEGIN
  if (tideR_lock_try(me->rt, me->task, &m->lock) < 0)
    AWAIT(CHECK_EQ(tideR_lock_park(me->rt, me->task, &m->lock), 0));
  AWAIT(CHECK_EQ(tideR_condition_park(me->rt, me->task, &m->condition), 0));
  if (!tideR_lock_owned(&m->lock, me->task)) {
    say("%s %s", me->name, me->raised ? "left" : "broken");
    return;
  }
  say("%s%s", me->name,
      tideR_condition_left(&m->condition, me->task) ? "!" : "");
  TURN();
  tideR_lock_release(me->rt, &m->lock);
  END
}

/* Sleepers a, b, c: they wait, and the lock is free. */
static void three(tideR_runtime *rt, monitor *m, actor *sleepers[3]) {
  init(m);
  for (int i = 0; i < 3; i++)
    sleepers[i] = spawn_arg(rt, sleeper, m, &"a\0b\0c"[2 * i]);
  for (int i = 0; i < 4; i++)
    step(rt);
  CHECK(m->lock.owner == NULL);
  CHECK_EQ(tideR_waitq_length(&m->condition.waiters), 3);
}

static void take(tideR_runtime *rt, monitor *m) {
  CHECK_EQ(tideR_lock_try(rt, root(rt)->task, &m->lock), 0);
}

TEST(who_waits_has_released_the_lock) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  CHECK(m.lock.conditions == &m.condition);
  take(rt, &m);
  CHECK(m.lock.link != NULL); /* its end would have to wake them */
  tideR_lock_release(rt, &m.lock);
  CHECK(m.lock.link == NULL);
}

TEST(the_notified_own_it_one_after_the_other) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  take(rt, &m);
  tideR_condition_notify(rt, &m.condition, 2);
  step(rt);
  CHECK_SAID("");
  tideR_lock_release(rt, &m.lock);
  CHECK(tideR_lock_owned(&m.lock, all[0]->task));
  step(rt);
  CHECK_SAID("a");
  for (int i = 0; i < 4; i++)
    step(rt);
  CHECK_SAID("b");
  CHECK(m.lock.owner == NULL);
  take(rt, &m);
  tideR_condition_notify(rt, &m.condition, 7);
  CHECK(m.lock.conditions == NULL);
  tideR_lock_release(rt, &m.lock);
  run(rt);
  CHECK_SAID("c");
}

TEST(they_queue_behind_who_waits_for_the_lock_already) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  take(rt, &m);
  spawn_arg(rt, sleeper, &m, "d"); /* acquires, and waits in turn */
  step(rt);
  tideR_condition_notify(rt, &m.condition, UINT64_MAX);
  tideR_lock_release(rt, &m.lock);
  run(rt);
  CHECK_SAID("a b c");
  take(rt, &m);
  tideR_condition_notify(rt, &m.condition, 1);
  tideR_lock_release(rt, &m.lock);
  run(rt);
  CHECK_SAID("d");
}

TEST(who_is_cancelled_takes_the_free_lock) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  cancel(all[1]);
  CHECK(tideR_lock_owned(&m.lock, all[1]->task));
  run(rt);
  CHECK_SAID("b!");
  CHECK(m.lock.owner == NULL);
}

TEST(who_is_cancelled_waits_for_the_lock_of_another) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  take(rt, &m);
  cancel(all[1]);
  CHECK(all[1]->task->flags & TIDE_LEAVING);
  step(rt);
  CHECK_SAID("");
  tideR_condition_notify(rt, &m.condition, 2); /* not to who leaves */
  tideR_lock_release(rt, &m.lock);
  run(rt);
  CHECK_SAID("b! a c");
}

TEST(who_was_notified_is_not_cancelled_any_more) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  take(rt, &m);
  tideR_condition_notify(rt, &m.condition, 1);
  cancel(all[0]);
  step(rt);
  CHECK_SAID("");
  tideR_lock_release(rt, &m.lock);
  run(rt);
  CHECK_SAID("a");
  CHECK_EQ(tideR_waitq_length(&m.condition.waiters), 2);
}

TEST(who_is_given_up_leaves_without_the_lock) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  tideR_task_give_up(rt, all[0]->task);
  run(rt);
  CHECK_SAID("given up");
  CHECK(m.lock.owner == NULL);
  CHECK_EQ(tideR_waitq_length(&m.condition.waiters), 2);
}

/* Else the owner's end would look at a lock that may be no more. */
TEST(the_last_to_leave_unlinks_the_lock_of_another) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  take(rt, &m);
  for (int i = 0; i < 3; i++) {
    CHECK(m.lock.link != NULL);
    tideR_task_give_up(rt, all[i]->task);
  }
  CHECK(m.lock.link == NULL);
  run(rt);
  CHECK_SAID("given up given up given up");
}

TEST(a_notification_of_one_given_up_passes_on) {
  for (int granted = 0; granted < 2; granted++) {
    monitor m;
    actor *all[3];
    three(rt, &m, all);
    take(rt, &m);
    tideR_condition_notify(rt, &m.condition, 1);
    if (granted) {
      tideR_lock_release(rt, &m.lock);
      CHECK(tideR_lock_owned(&m.lock, all[0]->task));
    }
    tideR_task_give_up(rt, all[0]->task);
    if (!granted)
      tideR_lock_release(rt, &m.lock);
    run(rt);
    CHECK_SAID("given up b");
    CHECK(m.lock.owner == NULL);
    tideR_task_give_up(rt, all[1]->done ? all[2]->task : all[1]->task);
    run(rt);
    CHECK_SAID("given up");
    CHECK(m.lock.conditions == NULL);
  }
}

TEST(the_lock_of_one_given_up_while_leaving_passes_on) {
  for (int granted = 0; granted < 2; granted++) {
    monitor m;
    actor *all[3];
    three(rt, &m, all);
    take(rt, &m);
    cancel(all[0]);
    cancel(all[1]);
    if (granted)
      tideR_lock_release(rt, &m.lock);
    tideR_task_give_up(rt, all[0]->task);
    if (!granted)
      tideR_lock_release(rt, &m.lock);
    run(rt);
    CHECK_SAID("given up b!");
    CHECK(m.lock.owner == NULL);
    cancel(all[2]);
    run(rt);
    CHECK_SAID("c!");
  }
}

/* Holds the lock, once it is free, to its end. */
static void breaker(actor *me) {
  monitor *m = me->arg;
  BEGIN
  CHECK_EQ(tideR_lock_try(me->rt, me->task, &m->lock), 0);
  tideR_condition_notify(me->rt, &m->condition, 1);
  TURN();
  END
}

TEST(a_broken_lock_ends_all_waits) {
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  spawn_arg(rt, breaker, &m, "owner");
  step(rt);
  CHECK(m.lock.waiters.head == all[0]->task); /* notified */
  cancel(all[2]);                             /* leaving */
  run(rt);
  CHECK_SAID("b broken a broken c broken");
  CHECK(tideR_lock_broken(&m.lock));
  CHECK(m.lock.conditions == NULL && m.lock.link == NULL);
  CHECK_EQ(stats(rt).tasks, 0);
}

TEST(a_lock_has_several_conditions) {
  tideR_condition second;
  monitor m;
  actor *all[3];
  three(rt, &m, all);
  tideR_condition_init(&second, &m.lock);
  take(rt, &m);
  actor *me = root(rt);
  CHECK_EQ(tideR_condition_park(rt, me->task, &second), 0);
  CHECK(m.lock.owner == NULL);
  CHECK(m.lock.conditions == &second && second.next == &m.condition);
  spawn_arg(rt, breaker, &m, "owner");
  run(rt); /* it stops when the root task is woken */
  CHECK(tideR_lock_broken(&m.lock));
  CHECK(me->task->state == TIDE_TASK_READY);
  CHECK(!tideR_lock_owned(&m.lock, me->task));
  CHECK(m.lock.conditions == NULL);
  me->task->state = TIDE_TASK_RUNNING;
  run(rt);
  CHECK(strstr(said, "a broken") && strstr(said, "b broken") &&
        strstr(said, "c broken"));
}

/* ---- rings ---- */

typedef struct pair {
  monitor m;
  actor *other;
} pair;

/* Holds the lock while it awaits the other. */
static void holder(actor *me) {
  pair *p = me->arg;
  BEGIN
  CHECK_EQ(tideR_lock_try(me->rt, me->task, &p->m.lock), 0);
  JOIN(p->other, true);
  say("holder%s", me->raised ? "!" : "");
  tideR_lock_release(me->rt, &p->m.lock);
  END
}

TEST(a_holder_that_awaits_the_waiter_leaves_or_is_left) {
  static const char *const said_by[] = {"a left holder", "holder! a!"};
  for (int order = 0; order < 2; order++) {
    pair p;
    actor *h;
    init(&p.m);
    p.other = spawn_arg(rt, sleeper, &p.m, "a");
    step(rt);
    h = spawn_arg(rt, holder, &p, "holder");
    step(rt);
    if (order == 1)
      cancel(p.other); /* it stays for the lock: */
    cancel(h);         /* so the holder cannot stay for its end */
    run(rt);
    CHECK_SAID(said_by[order]);
    CHECK_EQ(stats(rt).tasks, 0);
  }
}
