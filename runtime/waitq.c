/* waitq.c: tasks that wait for one thing, first come first served. */
#include "internal.h"

void tideR_waitq_init(tideR_waitq *queue, const tideR_waitkind *kind) {
  queue->wait.kind = kind;
  queue->head = queue->tail = NULL;
}

void tideR_waitq_park(tideR_runtime *rt, tideR_task *task, tideR_waitq *queue) {
  tideR_park(rt, task, &queue->wait);
  tideR__waitq_push(queue, task);
}

void tideR__waitq_push(tideR_waitq *queue, tideR_task *task) {
  task->next = NULL;
  task->prev = queue->tail;
  if (queue->tail != NULL)
    queue->tail->next = task;
  else
    queue->head = task;
  queue->tail = task;
}

void tideR__waitq_remove(tideR_waitq *queue, tideR_task *task) {
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

bool tideR_waitq_abort(tideR_runtime *rt, tideR_task *task, tideR_status why) {
  (void)rt;
  (void)why;
  tideR__waitq_remove(CONTAINER(task->wait, tideR_waitq, wait), task);
  return true;
}

tideR_task *tideR__waitq_take(tideR_runtime *rt, tideR_waitq *queue) {
  tideR_task *task = queue->head;
  if (task == NULL)
    return NULL;
  tideR__waitq_remove(queue, task);
  if (task == rt->current) { /* its yield failed: it never waited (5.1, 5.2) */
    tideR_wake(rt, task, TIDE_WOKEN);
    return tideR__waitq_take(rt, queue);
  }
  return task;
}

tideR_task *tideR_waitq_wake(tideR_runtime *rt, tideR_waitq *queue) {
  tideR_task *task = tideR__waitq_take(rt, queue);
  if (task != NULL)
    tideR_wake(rt, task, TIDE_WOKEN);
  return task;
}

void tideR_waitq_wake_all(tideR_runtime *rt, tideR_waitq *queue) {
  while (tideR_waitq_wake(rt, queue) != NULL)
    continue;
}

uint32_t tideR_waitq_length(const tideR_waitq *queue) {
  uint32_t length = 0;
  for (const tideR_task *task = queue->head; task != NULL; task = task->next)
    length++;
  return length;
}
