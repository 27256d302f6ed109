/* join.c: waiting for a task to end. */
#include "internal.h"

static bool abort_joined(tide_runtime *rt, tide_task *task, tide_status why);
static const tide_waitkind joined = {"await", abort_joined, NULL};
static const tide_waitkind watched = {"await", tide_waitq_abort, NULL};

static tide_extra *awaited(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_extra, joined);
}

/* Wakes who waited for the task. Their `wait` must not outlive its extra. */
static void wake_waiters(tide_runtime *rt, tide_waitq *queue) {
  tide_task *waiter;
  while ((waiter = tide_waitq_wake(rt, queue)) != NULL)
    waiter->wait = &rt->turning;
}

void tide__join_init(tide_extra *extra) {
  tide_waitq_init(&extra->joined, &joined);
  tide_waitq_init(&extra->watched, &watched);
}

void tide__join_end(tide_runtime *rt, tide_extra *extra) {
  wake_waiters(rt, &extra->joined);
  wake_waiters(rt, &extra->watched);
}

const tide_task *tide_task_awaits(const tide_task *task) {
  if (task->state != TIDE_TASK_PARKED)
    return NULL;
  if (task->wait->kind == &joined)
    return awaited(task)->task;
  if (task->wait->kind == &watched)
    return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_extra,
                     watched)
        ->task;
  return NULL;
}

/* Whose end, or lock, a task that is leaving still waits for. */
static const tide_task *stays_for(const tide_task *task) {
  return task->wait->kind == &joined ? awaited(task)->task
                                     : tide__condition_holder(task);
}

/* Tasks that await each other in a ring: who would stay for one that stays for
 * it leaves, so the ring ends. So there is never a ring of which all are
 * leaving, and the walk ends, too. */
bool tide__closes_ring(const tide_task *task) {
  const tide_task *next = stays_for(task);
  while (next != task && next->state == TIDE_TASK_PARKED &&
         next->flags & TIDE_LEAVING)
    next = stays_for(next);
  return next == task;
}

/* A cancelled waiter that was the last cancels the task and stays until it has
 * ended; any other just leaves. */
static bool abort_joined(tide_runtime *rt, tide_task *task, tide_status why) {
  tide_extra *extra = awaited(task);
  bool last = !(task->flags & TIDE_LEAVING) && --extra->awaiters == 0;
  if (last && why == TIDE_CANCELLED && !tide__closes_ring(task)) {
    task->flags |= TIDE_LEAVING; /* first: the cancel may come round to us */
    if (tide_task_cancel(rt, extra->task) == 0)
      return false;
    task->flags &= (uint16_t)~TIDE_LEAVING;
  }
  return tide_waitq_abort(rt, task, why);
}

int tide_park_on(tide_runtime *rt, tide_task *task, tide_task *target,
                 bool counted) {
  tide_extra *extra = tide__task_extra(rt, target);
  if (extra == NULL)
    return UV_ENOMEM;
  if (counted)
    extra->awaiters++;
  tide_waitq_park(rt, task, counted ? &extra->joined : &extra->watched);
  return 0;
}
