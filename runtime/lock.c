/*
 * lock.c: locks that belong to a task, handed over at release, first come first
 * served.
 *
 * Taking a free lock and giving it back touches nothing but the lock. Only
 * while tasks wait for it, in its queue or in that of a condition on it, is it
 * in a list of its owner's (tideR_extra), whose end then breaks it: `owner`
 * stays, and is no more. Whoever waits has made its tideR_extra before, so that
 * handing over cannot fail.
 */
#include "internal.h"

static tideR_lock *of(const tideR_task *task) {
  return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_lock,
                   waiters);
}

/* In the list of its owner while somebody waits, else in none. */
void tideR__lock_track(tideR_lock *lock) {
  tideR_lock **list;
  if (lock->link != NULL) {
    *lock->link = lock->next;
    if (lock->next != NULL)
      lock->next->link = lock->link;
    lock->link = NULL;
  }
  if (lock->owner == NULL ||
      (lock->waiters.head == NULL && lock->conditions == NULL))
    return;
  list = &tideR__extra(lock->owner)->locks;
  lock->next = *list;
  if (lock->next != NULL)
    lock->next->link = &lock->next;
  lock->link = list;
  *list = lock;
}

static void own(tideR_lock *lock, tideR_task *task) {
  lock->owner = task;
  lock->owner_id = task != NULL ? task->id : 0;
  tideR__lock_track(lock);
}

static bool abort_wait(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  (void)rt;
  (void)why;
  tideR__lock_unqueue(task, of(task));
  return true;
}

/* Who was handed the lock died before it knew. */
static void forfeit(tideR_runtime *rt, tideR_task *task) {
  tideR_lock *lock = of(task);
  if (tideR_lock_owned(lock, task))
    tideR_lock_release(rt, lock);
}

static const tideR_waitkind kind = {"lock", abort_wait, forfeit};

tideR_task *tideR_task_lock_owner(const tideR_task *task) {
  bool waits = task->state == TIDE_TASK_PARKED && task->wait->kind == &kind;
  return waits && !tideR_lock_broken(of(task)) ? of(task)->owner : NULL;
}

void tideR_lock_init(tideR_lock *lock) {
  *lock = (tideR_lock){0};
  tideR_waitq_init(&lock->waiters, &kind);
}

int tideR_lock_try(tideR_runtime *rt, tideR_task *task, tideR_lock *lock) {
  if (lock->owner != NULL)
    return UV_EBUSY;
  if (lock->conditions != NULL && tideR__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  own(lock, task);
  return 0;
}

int tideR_lock_park(tideR_runtime *rt, tideR_task *task, tideR_lock *lock) {
  if (tideR__task_extra(rt, task) == NULL ||
      tideR__task_extra(rt, lock->owner) == NULL)
    return UV_ENOMEM;
  tideR_waitq_park(rt, task, &lock->waiters);
  tideR__lock_track(lock);
  return 0;
}

void tideR_lock_release(tideR_runtime *rt, tideR_lock *lock) {
  own(lock, tideR_waitq_wake(rt, &lock->waiters));
}

/* A task that is parked on something else waits for the lock, too, and is in
 * its queue. */
void tideR__lock_queue(tideR_runtime *rt, tideR_task *task, tideR_lock *lock,
                       tideR_wait *wait) {
  task->wait = wait;
  tideR__waitq_push(&lock->waiters, task);
  if (lock->owner == NULL)
    tideR_lock_release(rt, lock);
  else
    tideR__lock_track(lock);
}

void tideR__lock_unqueue(tideR_task *task, tideR_lock *lock) {
  tideR__waitq_remove(&lock->waiters, task);
  tideR__lock_track(lock);
}

bool tideR_lock_broken(const tideR_lock *lock) {
  const tideR_task *owner = lock->owner;
  return owner != NULL &&
         (owner->state == TIDE_TASK_FREE || owner->id != lock->owner_id);
}

/* The task of `extra` ends: who waits for its locks learns of it. */
void tideR__locks_break(tideR_runtime *rt, tideR_extra *extra) {
  tideR_lock *lock;
  tideR_task *task;
  while ((lock = extra->locks) != NULL) {
    while (lock->conditions != NULL)
      tideR__condition_break(rt, lock->conditions);
    while ((task = tideR_waitq_wake(rt, &lock->waiters)) != NULL) {
      if (task->wait == &lock->waiters.wait) /* and not a condition's */
        task->status = TIDE_REFUSED;
    }
    tideR__lock_track(lock);
  }
}
