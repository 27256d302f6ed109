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

static tideR_queue *of_getter(const tideR_task *task) {
  return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_queue,
                   getters);
}

static tideR_queue *of_putter(const tideR_task *task) {
  return CONTAINER(CONTAINER(task->wait, tideR_waitq, wait), tideR_queue,
                   putters);
}

static void forfeit_item(tideR_runtime *rt, tideR_task *task) {
  tideR_queue_unreserve(rt, of_getter(task));
}

static void forfeit_place(tideR_runtime *rt, tideR_task *task) {
  tideR_queue_unclaim(rt, of_putter(task));
}

void tideR_queue_init(tideR_queue *queue, uint64_t maxsize, bool late) {
  static const tideR_waitkind getters = {"queue.get", tideR_waitq_abort,
                                         forfeit_item};
  static const tideR_waitkind putters = {"queue.put", tideR_waitq_abort, NULL};
  static const tideR_waitkind late_putters = {"queue.put", tideR_waitq_abort,
                                              forfeit_place};
  static const tideR_waitkind joiners = {"queue.join", tideR_waitq_abort, NULL};
  *queue = (tideR_queue){.maxsize = maxsize};
  tideR_waitq_init(&queue->getters, &getters);
  tideR_waitq_init(&queue->putters, late ? &late_putters : &putters);
  tideR_waitq_init(&queue->joiners, &joiners);
}

/* ---- get ---- */

void tideR_queue_park_get(tideR_runtime *rt, tideR_task *task,
                          tideR_queue *queue) {
  tideR_waitq_park(rt, task, &queue->getters);
}

/* Items that were put are done, or will never be. Fewer may be unfinished: some
 * were told done before anybody got them. */
static void finish_items(tideR_runtime *rt, tideR_queue *queue, uint64_t n) {
  queue->unfinished -= n < queue->unfinished ? n : queue->unfinished;
  if (queue->unfinished == 0)
    tideR_waitq_wake_all(rt, &queue->joiners);
}

void tideR_queue_unreserve(tideR_runtime *rt, tideR_queue *queue) {
  if (tideR_waitq_wake(rt, &queue->getters) != NULL)
    return;
  queue->reserved--;
  if (queue->dropped) { /* it would have been dropped with the others */
    queue->stored--;
    finish_items(rt, queue, 1);
  }
}

/* ---- put ---- */

void tideR_queue_park_put(tideR_runtime *rt, tideR_task *task,
                          tideR_queue *queue) {
  tideR_waitq_park(rt, task, &queue->putters);
}

void tideR_queue_fill(tideR_runtime *rt, tideR_queue *queue) {
  queue->places--;
  queue->stored++;
  queue->unfinished++;
  if (tideR_waitq_wake(rt, &queue->getters) != NULL)
    queue->reserved++;
}

tideR_task *tideR_queue_admit(tideR_runtime *rt, tideR_queue *queue) {
  tideR_task *task = NULL;
  if (tideR_queue_size(queue) + queue->places < queue->maxsize)
    task = tideR_waitq_wake(rt, &queue->putters);
  if (task != NULL)
    queue->places++;
  return task;
}

void tideR_queue_unclaim(tideR_runtime *rt, tideR_queue *queue) {
  queue->places--;
  tideR_queue_admit(rt, queue);
}

/* ---- join, shutdown ---- */

bool tideR_queue_done(tideR_runtime *rt, tideR_queue *queue) {
  if (queue->unfinished == 0)
    return false;
  finish_items(rt, queue, 1);
  return true;
}

void tideR_queue_park_join(tideR_runtime *rt, tideR_task *task,
                           tideR_queue *queue) {
  tideR_waitq_park(rt, task, &queue->joiners);
}

static void refuse_all(tideR_runtime *rt, tideR_waitq *waiters) {
  tideR_task *task;
  while ((task = tideR_waitq_wake(rt, waiters)) != NULL)
    task->status = TIDE_REFUSED;
}

void tideR_queue_shut(tideR_runtime *rt, tideR_queue *queue, bool drop) {
  queue->shut = true;
  if (drop && !queue->dropped) {
    uint64_t n = tideR_queue_size(queue);
    queue->dropped = true;
    queue->stored -= n;
    finish_items(rt, queue, n);
  }
  refuse_all(rt, &queue->getters);
  refuse_all(rt, &queue->putters);
}
