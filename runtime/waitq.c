/* waitq.c: tasks that wait for one thing, first come first served. */
#include "internal.h"

void tide_waitq_init(tide_waitq *queue, const tide_waitkind *kind) {
  queue->wait.kind = kind;
  queue->head = queue->tail = NULL;
}

void tide_waitq_park(tide_runtime *rt, tide_task *task, tide_waitq *queue) {
  tide_park(rt, task, &queue->wait);
  tide__waitq_push(queue, task);
}

void tide__waitq_push(tide_waitq *queue, tide_task *task) {
  task->next = NULL;
  task->prev = queue->tail;
  if (queue->tail != NULL)
    queue->tail->next = task;
  else
    queue->head = task;
  queue->tail = task;
}

void tide__waitq_remove(tide_waitq *queue, tide_task *task) {
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
  tide__waitq_remove(CONTAINER(task->wait, tide_waitq, wait), task);
  return true;
}

tide_task *tide__waitq_take(tide_runtime *rt, tide_waitq *queue) {
  tide_task *task = queue->head;
  if (task == NULL)
    return NULL;
  tide__waitq_remove(queue, task);
  if (task == rt->current) { /* its yield failed: it never waited (5.1, 5.2) */
    tide_wake(rt, task, TIDE_WOKEN);
    return tide__waitq_take(rt, queue);
  }
  return task;
}

tide_task *tide_waitq_wake(tide_runtime *rt, tide_waitq *queue) {
  tide_task *task = tide__waitq_take(rt, queue);
  if (task != NULL)
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
