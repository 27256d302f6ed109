/* barrier.c: a number of tasks that wait until all of them are there. */
#include "internal.h"

static bool abort_wait(tide_runtime *rt, tide_task *task, tide_status why) {
  CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_barrier, waiters)
      ->waiting--;
  return tide_waitq_abort(rt, task, why);
}

void tide_barrier_init(tide_barrier *barrier, uint64_t parties) {
  static const tide_waitkind kind = {"barrier", abort_wait, NULL};
  *barrier = (tide_barrier){.parties = parties};
  tide_waitq_init(&barrier->waiters, &kind);
}

bool tide_barrier_full(const tide_barrier *barrier) {
  return barrier->waiting + 1 == barrier->parties;
}

/* A place is the task's own from here on, whatever becomes of the barrier
 * before it runs. */
int tide_barrier_release(tide_runtime *rt, tide_task *last,
                         tide_barrier *barrier) {
  uint64_t place = 0;
  tide_task *task;
  if (tide__task_extra(rt, last) == NULL)
    return UV_ENOMEM;
  while ((task = tide_waitq_wake(rt, &barrier->waiters)) != NULL)
    tide__extra(task)->place = place++;
  tide__extra(last)->place = place;
  barrier->waiting = 0;
  return 0;
}

int tide_barrier_park(tide_runtime *rt, tide_task *task,
                      tide_barrier *barrier) {
  if (tide__task_extra(rt, task) == NULL)
    return UV_ENOMEM;
  tide__extra(task)->place = TIDE_BROKEN; /* unless it gets one */
  tide_waitq_park(rt, task, &barrier->waiters);
  barrier->waiting++;
  return 0;
}

uint64_t tide_barrier_place(const tide_task *task) {
  return tide__extra(task)->place;
}

static void end_waits(tide_runtime *rt, tide_barrier *barrier, bool broken) {
  tide_waitq_wake_all(rt, &barrier->waiters);
  barrier->waiting = 0;
  barrier->broken = broken;
}

void tide_barrier_reset(tide_runtime *rt, tide_barrier *barrier) {
  end_waits(rt, barrier, false);
}

void tide_barrier_abort(tide_runtime *rt, tide_barrier *barrier) {
  end_waits(rt, barrier, true);
}
