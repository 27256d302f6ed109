/* semaphore.c: permits, handed over at release, first come first served. */
#include "internal.h"

static tide_semaphore *of(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_semaphore,
                   waiters);
}

/* Who was granted a permit died before it could take it. */
static void forfeit(tide_runtime *rt, tide_task *task) {
  tide_semaphore_release(rt, of(task));
}

void tide_semaphore_init(tide_semaphore *semaphore, uint64_t value) {
  static const tide_waitkind kind = {"semaphore", tide_waitq_abort, forfeit};
  tide_waitq_init(&semaphore->waiters, &kind);
  semaphore->value = value;
}

void tide_semaphore_park(tide_runtime *rt, tide_task *task,
                         tide_semaphore *semaphore) {
  tide_waitq_park(rt, task, &semaphore->waiters);
}

void tide_semaphore_release(tide_runtime *rt, tide_semaphore *semaphore) {
  if (tide_waitq_wake(rt, &semaphore->waiters) == NULL)
    semaphore->value++;
}
