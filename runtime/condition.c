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

static bool abort_waiting(tide_runtime *rt, tide_task *task, tide_status why);
static bool abort_notified(tide_runtime *rt, tide_task *task, tide_status why);
static bool abort_leaving(tide_runtime *rt, tide_task *task, tide_status why);
static void forfeit_notified(tide_runtime *rt, tide_task *task);
static void forfeit_leaving(tide_runtime *rt, tide_task *task);
static const tide_waitkind waiting = {"condition", abort_waiting, NULL};
static const tide_waitkind notified = {"condition", abort_notified,
                                       forfeit_notified};
static const tide_waitkind leaving = {"condition", abort_leaving,
                                      forfeit_leaving};

static tide_condition *of(const tide_task *task) {
  if (task->wait->kind == &waiting)
    return CONTAINER(task->wait, tide_condition, waiters.wait);
  if (task->wait->kind == &notified)
    return CONTAINER(task->wait, tide_condition, notified);
  return CONTAINER(task->wait, tide_condition, leaving);
}

/* In the list of its lock, or not. */
static void track(tide_condition *condition) {
  tide_condition **list = &condition->lock->conditions;
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
  tide__lock_track(condition->lock);
}

/* ---- notifying ---- */

static bool notify(tide_runtime *rt, tide_condition *condition) {
  tide_task *task = tide__waitq_take(rt, &condition->waiters);
  track(condition);
  if (task != NULL)
    tide__lock_queue(rt, task, condition->lock, &condition->notified);
  return task != NULL;
}

void tide_condition_notify(tide_runtime *rt, tide_condition *condition,
                           uint64_t n) {
  while (n > 0 && notify(rt, condition))
    n--;
}

/* ---- leaving ---- */

/* A cancelled waiter stays for the lock, but not for one whose owner stays for
 * the end of this very task. */
static bool stays(tide_runtime *rt, tide_task *task) {
  bool ring = tide__stays_for(rt, tide__condition_holder(task), task);
  if (!ring)
    tide__stay(rt, task);
  return !ring;
}

static bool abort_waiting(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_condition *condition = of(task);
  tide_lock *lock = condition->lock;
  tide__waitq_remove(&condition->waiters, task);
  track(condition);
  if (why == TIDE_DEADLOCKED)
    tide_lock_try(rt, task, lock);
  if (why != TIDE_CANCELLED)
    return true;
  task->wait = &condition->leaving;
  if (lock->owner != NULL && !stays(rt, task))
    return true;
  tide__lock_queue(rt, task, lock, &condition->leaving);
  return false;
}

/* The notification was another's if this one cannot take it. */
static bool abort_notified(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_condition *condition = of(task);
  if (why == TIDE_CANCELLED && stays(rt, task))
    return false;
  tide__lock_unqueue(task, condition->lock);
  notify(rt, condition);
  return true;
}

static bool abort_leaving(tide_runtime *rt, tide_task *task, tide_status why) {
  (void)rt;
  (void)why;
  tide__lock_unqueue(task, of(task)->lock);
  return true;
}

static void forfeit_notified(tide_runtime *rt, tide_task *task) {
  tide_condition *condition = of(task);
  if (tide_lock_owned(condition->lock, task)) {
    notify(rt, condition);
    tide_lock_release(rt, condition->lock);
  }
}

static void forfeit_leaving(tide_runtime *rt, tide_task *task) {
  tide_lock *lock = of(task)->lock;
  if (tide_lock_owned(lock, task))
    tide_lock_release(rt, lock);
}

tide_task *tide__condition_holder(const tide_task *task) {
  return of(task)->lock->owner;
}

bool tide_condition_left(const tide_condition *condition,
                         const tide_task *task) {
  return task->wait == &condition->leaving;
}

/* The lock is broken: nobody could notify any more. */
void tide__condition_break(tide_runtime *rt, tide_condition *condition) {
  tide_waitq_wake_all(rt, &condition->waiters);
  track(condition);
}

/* ---- waiting ---- */

void tide_condition_init(tide_condition *condition, tide_lock *lock) {
  *condition = (tide_condition){
      .notified = {&notified}, .leaving = {&leaving}, .lock = lock};
  tide_waitq_init(&condition->waiters, &waiting);
}

int tide_condition_park(tide_runtime *rt, tide_task *task,
                        tide_condition *condition) {
  if (tide__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  tide_waitq_park(rt, task, &condition->waiters);
  track(condition);
  tide_lock_release(rt, condition->lock);
  return 0;
}
