/*
 * condition.c: conditions, whose waiters own the lock again whenever the wait
 * ends.
 *
 *   waiters --notify--> notified --the lock is handed over--> runs
 *      \-----cancel---> leaving  --the lock is handed over--> raises
 *
 * A task that waits goes from the condition's queue to the end of the lock's,
 * and its `wait` tells as what. There a cancel does not move it any more.
 */
#include "internal.h"

static bool abort_waiting(tideR_runtime *rt, tideR_task *task,
                          tideR_status why);
static bool abort_notified(tideR_runtime *rt, tideR_task *task,
                           tideR_status why);
static bool abort_leaving(tideR_runtime *rt, tideR_task *task,
                          tideR_status why);
static void forfeit_notified(tideR_runtime *rt, tideR_task *task);
static void forfeit_leaving(tideR_runtime *rt, tideR_task *task);
static const tideR_waitkind waiting = {"condition", abort_waiting, NULL};
static const tideR_waitkind notified = {"condition", abort_notified,
                                        forfeit_notified};
static const tideR_waitkind leaving = {"condition", abort_leaving,
                                       forfeit_leaving};

static tideR_condition *of(const tideR_task *task) {
  if (task->wait->kind == &waiting)
    return CONTAINER(task->wait, tideR_condition, waiters.wait);
  if (task->wait->kind == &notified)
    return CONTAINER(task->wait, tideR_condition, notified);
  return CONTAINER(task->wait, tideR_condition, leaving);
}

/* In the list of its lock, or not. */
static void track(tideR_condition *condition) {
  tideR_condition **list = &condition->lock->conditions;
  bool is_awaited = condition->waiters.head != NULL;
  if (is_awaited == (condition->link != NULL))
    return;
  if (is_awaited) {
    condition->next = *list;
    if (condition->next != NULL)
      condition->next->link = &condition->next;
    condition->link = list;
    *list = condition;
  } else {
    *condition->link = condition->next;
    if (condition->next != NULL)
      condition->next->link = condition->link;
    condition->link = NULL;
  }
  tideR__lock_track(condition->lock);
}

/* ---- notifying ---- */

static bool notify(tideR_runtime *rt, tideR_condition *condition) {
  tideR_task *task = tideR__waitq_take(rt, &condition->waiters);
  track(condition);
  if (task != NULL)
    tideR__lock_queue(rt, task, condition->lock, &condition->notified);
  return task != NULL;
}

void tideR_condition_notify(tideR_runtime *rt, tideR_condition *condition,
                            uint64_t n) {
  while (n > 0 && notify(rt, condition))
    n--;
}

/* ---- leaving ---- */

/* A cancelled waiter stays for the lock, but not for one whose owner stays for
 * the end of this very task. */
static bool stays(tideR_runtime *rt, tideR_task *task) {
  bool ring = tideR__stays_for(rt, tideR__condition_holder(task), task);
  if (!ring)
    tideR__stay(rt, task);
  return !ring;
}

static bool abort_waiting(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  tideR_condition *condition = of(task);
  tideR_lock *lock = condition->lock;
  tideR__waitq_remove(&condition->waiters, task);
  track(condition);
  if (why == TIDE_DEADLOCKED)
    tideR_lock_try(rt, task, lock);
  if (why != TIDE_CANCELLED)
    return true;
  task->wait = &condition->leaving;
  if (lock->owner != NULL && !stays(rt, task))
    return true;
  tideR__lock_queue(rt, task, lock, &condition->leaving);
  return false;
}

/* The notification was another's if this one cannot take it. */
static bool abort_notified(tideR_runtime *rt, tideR_task *task,
                           tideR_status why) {
  tideR_condition *condition = of(task);
  if (why == TIDE_CANCELLED && stays(rt, task))
    return false;
  tideR__lock_unqueue(task, condition->lock);
  notify(rt, condition);
  return true;
}

static bool abort_leaving(tideR_runtime *rt, tideR_task *task,
                          tideR_status why) {
  (void)rt;
  (void)why;
  tideR__lock_unqueue(task, of(task)->lock);
  return true;
}

static void forfeit_notified(tideR_runtime *rt, tideR_task *task) {
  tideR_condition *condition = of(task);
  if (tideR_lock_owned(condition->lock, task)) {
    notify(rt, condition);
    tideR_lock_release(rt, condition->lock);
  }
}

static void forfeit_leaving(tideR_runtime *rt, tideR_task *task) {
  tideR_lock *lock = of(task)->lock;
  if (tideR_lock_owned(lock, task))
    tideR_lock_release(rt, lock);
}

tideR_task *tideR__condition_holder(const tideR_task *task) {
  return of(task)->lock->owner;
}

bool tideR_condition_left(const tideR_condition *condition,
                          const tideR_task *task) {
  return task->wait == &condition->leaving;
}

/* The lock is broken: nobody could notify any more. */
void tideR__condition_break(tideR_runtime *rt, tideR_condition *condition) {
  tideR_waitq_wake_all(rt, &condition->waiters);
  track(condition);
}

/* ---- waiting ---- */

void tideR_condition_init(tideR_condition *condition, tideR_lock *lock) {
  *condition = (tideR_condition){
      .notified = {&notified}, .leaving = {&leaving}, .lock = lock};
  tideR_waitq_init(&condition->waiters, &waiting);
}

int tideR_condition_park(tideR_runtime *rt, tideR_task *task,
                         tideR_condition *condition) {
  if (tideR__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  tideR_waitq_park(rt, task, &condition->waiters);
  track(condition);
  tideR_lock_release(rt, condition->lock);
  return 0;
}
