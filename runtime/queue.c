/*
 * queue.c: how many items a queue holds, and who waits. The items themselves
 * are the bindings'.
 *
 * What a waiter is woken for is its own at once, though it acts on it only when
 * it runs: an item is `reserved` for a getter, a place for a putter is one of
 * `places`. A reserved item takes up no place, and nobody else sees it. So
 * while getters wait no item is free; and while putters wait a place is free
 * only if a reserved item is about to be taken, which admits the first of them.
 */
#include "internal.h"

static tide_queue *of_getter(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_queue,
                   getters);
}

static tide_queue *of_putter(const tide_task *task) {
  return CONTAINER(CONTAINER(task->wait, tide_waitq, wait), tide_queue,
                   putters);
}

static void forfeit_item(tide_runtime *rt, tide_task *task) {
  tide_queue_unreserve(rt, of_getter(task));
}

static void forfeit_place(tide_runtime *rt, tide_task *task) {
  tide_queue_unclaim(rt, of_putter(task));
}

void tide_queue_init(tide_queue *queue, uint64_t maxsize, bool late) {
  static const tide_waitkind getters = {"queue.get", tide_waitq_abort,
                                        forfeit_item};
  static const tide_waitkind putters = {"queue.put", tide_waitq_abort, NULL};
  static const tide_waitkind late_putters = {"queue.put", tide_waitq_abort,
                                             forfeit_place};
  static const tide_waitkind joiners = {"queue.join", tide_waitq_abort, NULL};
  *queue = (tide_queue){.maxsize = maxsize};
  tide_waitq_init(&queue->getters, &getters);
  tide_waitq_init(&queue->putters, late ? &late_putters : &putters);
  tide_waitq_init(&queue->joiners, &joiners);
}

/* ---- get ---- */

void tide_queue_park_get(tide_runtime *rt, tide_task *task, tide_queue *queue) {
  tide_waitq_park(rt, task, &queue->getters);
}

/* Items that were put are done, or will never be. Fewer may be unfinished: some
 * were told done before anybody got them. */
static void finish_items(tide_runtime *rt, tide_queue *queue, uint64_t n) {
  queue->unfinished -= n < queue->unfinished ? n : queue->unfinished;
  if (queue->unfinished == 0)
    tide_waitq_wake_all(rt, &queue->joiners);
}

void tide_queue_unreserve(tide_runtime *rt, tide_queue *queue) {
  if (tide_waitq_wake(rt, &queue->getters) != NULL)
    return;
  queue->reserved--;
  if (queue->dropped) { /* it would have been dropped with the others */
    queue->stored--;
    finish_items(rt, queue, 1);
  }
}

/* ---- put ---- */

void tide_queue_park_put(tide_runtime *rt, tide_task *task, tide_queue *queue) {
  tide_waitq_park(rt, task, &queue->putters);
}

void tide_queue_fill(tide_runtime *rt, tide_queue *queue) {
  queue->places--;
  queue->stored++;
  queue->unfinished++;
  if (tide_waitq_wake(rt, &queue->getters) != NULL)
    queue->reserved++;
}

tide_task *tide_queue_admit(tide_runtime *rt, tide_queue *queue) {
  tide_task *task = NULL;
  if (tide_queue_size(queue) + queue->places < queue->maxsize)
    task = tide_waitq_wake(rt, &queue->putters);
  if (task != NULL)
    queue->places++;
  return task;
}

void tide_queue_unclaim(tide_runtime *rt, tide_queue *queue) {
  queue->places--;
  tide_queue_admit(rt, queue);
}

/* ---- join, shutdown ---- */

bool tide_queue_done(tide_runtime *rt, tide_queue *queue) {
  if (queue->unfinished == 0)
    return false;
  finish_items(rt, queue, 1);
  return true;
}

void tide_queue_park_join(tide_runtime *rt, tide_task *task,
                          tide_queue *queue) {
  tide_waitq_park(rt, task, &queue->joiners);
}

static void refuse_all(tide_runtime *rt, tide_waitq *waiters) {
  tide_task *task;
  while ((task = tide_waitq_wake(rt, waiters)) != NULL)
    task->status = TIDE_REFUSED;
}

void tide_queue_shut(tide_runtime *rt, tide_queue *queue, bool drop) {
  queue->shut = true;
  if (drop && !queue->dropped) {
    uint64_t n = tide_queue_size(queue);
    queue->dropped = true;
    queue->stored -= n;
    finish_items(rt, queue, n);
  }
  refuse_all(rt, &queue->getters);
  refuse_all(rt, &queue->putters);
}
