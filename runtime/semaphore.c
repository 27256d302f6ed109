/* semaphore.c: permits, handed over at release, first come first served. */
#include "internal.h"

static tideR_semaphore *of(const tideR_task *task) {
  return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_semaphore,
                   waiters);
}

/* Who was granted a permit died before it could take it. */
static void forfeit(tideR_runtime *rt, tideR_task *task) {
  tideR_semaphore_release(rt, of(task));
}

void tideR_semaphore_init(tideR_semaphore *semaphore, uint64_t value) {
  static const tideR_waitkind kind = {"semaphore", tideR_waitq_abort, forfeit};
  tideR_waitq_init(&semaphore->waiters, &kind);
  semaphore->value = value;
}

void tideR_semaphore_park(tideR_runtime *rt, tideR_task *task,
                          tideR_semaphore *semaphore) {
  tideR_waitq_park(rt, task, &semaphore->waiters);
}

void tideR_semaphore_release(tideR_runtime *rt, tideR_semaphore *semaphore) {
  if (tideR_waitq_wake(rt, &semaphore->waiters) == NULL)
    semaphore->value++;
}
