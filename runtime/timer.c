/*
 * timer.c: the deadline heap.
 *
 * One heap of four children a node holds every deadline: sleeps, scopes,
 * delayed calls. Four children, because a node with its siblings then fills one
 * cache line. Each timer knows its index, so that clearing it is O(log n).
 */
#include <stdlib.h>

#include "internal.h"

#define ARITY 4
#define ORDER_BITS 30

/* Ties fire in the order set; the counter may wrap around. */
static bool before(const tideR_heapnode *a, const tideR_heapnode *b) {
  if (a->when != b->when)
    return a->when < b->when;
  uint32_t ahead =
      (b->timer->order - a->timer->order) & ((1u << ORDER_BITS) - 1);
  return ahead != 0 && ahead < 1u << (ORDER_BITS - 1);
}

static void place(tideR_heap *heap, uint32_t at, tideR_heapnode node) {
  heap->nodes[at] = node;
  node.timer->index = at + 1;
}

static void sift_up(tideR_heap *heap, uint32_t at, tideR_heapnode node) {
  while (at > 0) {
    uint32_t parent = (at - 1) / ARITY;
    if (!before(&node, &heap->nodes[parent]))
      break;
    place(heap, at, heap->nodes[parent]);
    at = parent;
  }
  place(heap, at, node);
}

static void sift_down(tideR_heap *heap, uint32_t at, tideR_heapnode node) {
  for (;;) {
    uint32_t first = at * ARITY + 1, least = at;
    const tideR_heapnode *best = &node;
    for (uint32_t i = first; i < first + ARITY && i < heap->count; i++) {
      if (before(&heap->nodes[i], best)) {
        best = &heap->nodes[i];
        least = i;
      }
    }
    if (least == at)
      break;
    place(heap, at, heap->nodes[least]);
    at = least;
  }
  place(heap, at, node);
}

/* One place is kept for the stop timer: a run that has to end can be told when,
 * also without memory. */
static int reserve(tideR_heap *heap) {
  if (heap->count + 1 >= heap->room) {
    uint32_t room = heap->room > 0 ? heap->room * 2 : 64;
    tideR_heapnode *nodes = realloc(heap->nodes, room * sizeof *nodes);
    if (nodes == NULL)
      return UV_ENOMEM;
    heap->nodes = nodes;
    heap->room = room;
  }
  return 0;
}

int tideR__timers_init(tideR_runtime *rt) {
  return reserve(&rt->heap);
}

int tideR__timer_set(tideR_runtime *rt, tideR_timer *timer, int kind,
                     uint64_t when) {
  tideR_heap *heap = &rt->heap;
  if (timer->index != 0)
    tideR__timer_clear(rt, timer);
  int err = timer == &rt->stop_timer ? 0 : reserve(heap);
  if (err < 0)
    return err;
  timer->kind = (unsigned)kind & 3;
  timer->order = heap->order++ & ((1u << ORDER_BITS) - 1);
  heap->count++;
  sift_up(heap, heap->count - 1, (tideR_heapnode){when, timer});
  if (rt->announces && when < rt->announced)
    tideR__announce(rt);
  return 0;
}

void tideR__timer_clear(tideR_runtime *rt, tideR_timer *timer) {
  tideR_heap *heap = &rt->heap;
  if (timer->index == 0)
    return;
  uint32_t at = timer->index - 1;
  timer->index = 0;
  tideR_heapnode last = heap->nodes[--heap->count];
  if (last.timer == timer)
    return;
  if (at > 0 && before(&last, &heap->nodes[(at - 1) / ARITY]))
    sift_up(heap, at, last);
  else
    sift_down(heap, at, last);
}

static void fire(tideR_runtime *rt, tideR_timer *timer) {
  switch (timer->kind) {
  case TIMER_TASK:
    rt->sleepers--;
    tideR_wake(rt, CONTAINER(timer, tideR_task, timer), TIDE_WOKEN);
    break;
  case TIMER_SCOPE:
    tideR__scope_expire(rt, CONTAINER(timer, tideR_scope, timer));
    break;
  case TIMER_CALL:
    tideR__call_queue(rt, CONTAINER(timer, tideR_call, timer));
    break;
  case TIMER_STOP:
    rt->stop = true;
    break;
  }
}

/* What fires only records and wakes, it sets no timer: the walk ends. */
void tideR__timers_fire(tideR_runtime *rt) {
  tideR_heap *heap = &rt->heap;
  uint64_t now = heap->count > 0 ? tideR_now(rt) : 0;
  while (heap->count > 0 && heap->nodes[0].when <= now) {
    tideR_timer *timer = heap->nodes[0].timer;
    tideR__timer_clear(rt, timer);
    fire(rt, timer);
  }
}
