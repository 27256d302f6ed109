/* waitq.c: tasks that wait for one thing, first come first served. */
#include <assert.h>

#include "internal.h"

void tide_waitq_init(tide_waitq *queue, const tide_waitkind *kind) {
  queue->wait.kind = kind;
  queue->head = queue->tail = NULL;
}

void tide_waitq_park(tide_runtime *rt, tide_task *task, tide_waitq *queue) {
  tide_park(rt, task, &queue->wait);
  task->next = NULL;
  task->prev = queue->tail;
  if (queue->tail != NULL)
    queue->tail->next = task;
  else
    queue->head = task;
  queue->tail = task;
}

static void unlink_task(tide_waitq *queue, tide_task *task) {
  if (task->prev != NULL)
    task->prev->next = task->next;
  else
    queue->head = task->next;
  if (task->next != NULL)
    task->next->prev = task->prev;
  else
    queue->tail = task->prev;
  task->next = task->prev = NULL;
}

bool tide_waitq_abort(tide_runtime *rt, tide_task *task, tide_status why) {
  (void)rt;
  (void)why;
  unlink_task(CONTAINER(task->wait, tide_waitq, wait), task);
  return true;
}

tide_task *tide_waitq_wake(tide_runtime *rt, tide_waitq *queue) {
  tide_task *task = queue->head;
  if (task == NULL)
    return NULL;
  unlink_task(queue, task);
  if (task == rt->current) { /* its yield failed: it never waited (5.1, 5.2) */
    tide_wake(rt, task, TIDE_WOKEN);
    return tide_waitq_wake(rt, queue);
  }
  tide_wake(rt, task, TIDE_WOKEN);
  return task;
}

void tide_waitq_wake_all(tide_runtime *rt, tide_waitq *queue) {
  while (tide_waitq_wake(rt, queue) != NULL)
    continue;
}

uint32_t tide_waitq_length(const tide_waitq *queue) {
  uint32_t length = 0;
  for (const tide_task *task = queue->head; task != NULL; task = task->next)
    length++;
  return length;
}
