/*
 * lock.c: locks that belong to a task, handed over at release, first come first
 * served.
 *
 * Taking a free lock and giving it back touches nothing but the lock. Only
 * while tasks wait for it, in its queue or in that of a condition on it, is it
 * in a list of its owner's (tide_extra), whose end then breaks it: `owner`
 * stays, and is no more. Whoever waits has made its tide_extra before, so that
 * handing over cannot fail.
 */
#include "internal.h"

static tide_lock *of(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_lock, waiters);
}

/* In the list of its owner while somebody waits, else in none. */
void tide__lock_track(tide_lock *lock) {
  tide_lock **list;
  if (lock->link != NULL) {
    *lock->link = lock->next;
    if (lock->next != NULL)
      lock->next->link = lock->link;
    lock->link = NULL;
  }
  if (lock->owner == NULL ||
      (lock->waiters.head == NULL && lock->conditions == NULL))
    return;
  list = &tide__extra(lock->owner)->locks;
  lock->next = *list;
  if (lock->next != NULL)
    lock->next->link = &lock->next;
  lock->link = list;
  *list = lock;
}

static void own(tide_lock *lock, tide_task *task) {
  lock->owner = task;
  lock->owner_id = task != NULL ? task->id : 0;
  tide__lock_track(lock);
}

static bool abort_wait(tide_runtime *rt, tide_task *task, tide_status why) {
  (void)rt;
  (void)why;
  tide__lock_unqueue(task, of(task));
  return true;
}

/* Who was handed the lock died before it knew. */
static void forfeit(tide_runtime *rt, tide_task *task) {
  tide_lock *lock = of(task);
  if (tide_lock_owned(lock, task))
    tide_lock_release(rt, lock);
}

static const tide_waitkind kind = {"lock", abort_wait, forfeit};

tide_task *tide_task_lock_owner(const tide_task *task) {
  bool waits = task->state == TIDE_TASK_PARKED && task->wait->kind == &kind;
  return waits && !tide_lock_broken(of(task)) ? of(task)->owner : NULL;
}

void tide_lock_init(tide_lock *lock) {
  *lock = (tide_lock){0};
  tide_waitq_init(&lock->waiters, &kind);
}

int tide_lock_try(tide_runtime *rt, tide_task *task, tide_lock *lock) {
  if (lock->owner != NULL)
    return UV_EBUSY;
  if (lock->conditions != NULL && tide__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  own(lock, task);
  return 0;
}

int tide_lock_park(tide_runtime *rt, tide_task *task, tide_lock *lock) {
  if (tide__task_extra(rt, task) == NULL ||
      tide__task_extra(rt, lock->owner) == NULL)
    return UV_ENOMEM;
  tide_waitq_park(rt, task, &lock->waiters);
  tide__lock_track(lock);
  return 0;
}

void tide_lock_release(tide_runtime *rt, tide_lock *lock) {
  own(lock, tide_waitq_wake(rt, &lock->waiters));
}

/* A task that is parked on something else waits for the lock, too, and is in
 * its queue. */
void tide__lock_queue(tide_runtime *rt, tide_task *task, tide_lock *lock,
                      tide_wait *wait) {
  task->wait = wait;
  tide__waitq_push(&lock->waiters, task);
  if (lock->owner == NULL)
    tide_lock_release(rt, lock);
  else
    tide__lock_track(lock);
}

void tide__lock_unqueue(tide_task *task, tide_lock *lock) {
  tide__waitq_remove(&lock->waiters, task);
  tide__lock_track(lock);
}

bool tide_lock_broken(const tide_lock *lock) {
  const tide_task *owner = lock->owner;
  return owner != NULL &&
         (owner->state == TIDE_TASK_FREE || owner->id != lock->owner_id);
}

/* The task of `extra` ends: who waits for its locks learns of it. */
void tide__locks_break(tide_runtime *rt, tide_extra *extra) {
  tide_lock *lock;
  tide_task *task;
  while ((lock = extra->locks) != NULL) {
    while (lock->conditions != NULL)
      tide__condition_break(rt, lock->conditions);
    while ((task = tide_waitq_wake(rt, &lock->waiters)) != NULL) {
      if (task->wait == &lock->waiters.wait) /* and not a condition's */
        task->status = TIDE_REFUSED;
    }
    tide__lock_track(lock);
  }
}
