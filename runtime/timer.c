/*
 * timer.c: the deadline heap and the clocks.
 *
 * One heap of four children a node holds every deadline: sleeps, scopes,
 * delayed calls. Four children, because a node with its siblings then fills one
 * cache line. Each timer knows its index, so that clearing it is O(log n).
 */
#include <math.h>
#include <stdlib.h>

#include "internal.h"

#define ARITY 4
#define ORDER_BITS 30

/* Ties fire in the order set; the counter may wrap around. */
static bool before(const tide_heapnode *a, const tide_heapnode *b) {
  if (a->when != b->when)
    return a->when < b->when;
  uint32_t ahead =
      (b->timer->order - a->timer->order) & ((1u << ORDER_BITS) - 1);
  return ahead != 0 && ahead < 1u << (ORDER_BITS - 1);
}

static void place(tide_heap *heap, uint32_t at, tide_heapnode node) {
  heap->nodes[at] = node;
  node.timer->index = at + 1;
}

static void sift_up(tide_heap *heap, uint32_t at, tide_heapnode node) {
  while (at > 0) {
    uint32_t parent = (at - 1) / ARITY;
    if (!before(&node, &heap->nodes[parent]))
      break;
    place(heap, at, heap->nodes[parent]);
    at = parent;
  }
  place(heap, at, node);
}

static void sift_down(tide_heap *heap, uint32_t at, tide_heapnode node) {
  for (;;) {
    uint32_t first = at * ARITY + 1, least = at;
    const tide_heapnode *best = &node;
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

static int reserve(tide_heap *heap) {
  if (heap->count == heap->room) {
    uint32_t room = heap->room > 0 ? heap->room * 2 : 64;
    tide_heapnode *nodes = realloc(heap->nodes, room * sizeof *nodes);
    if (nodes == NULL)
      return UV_ENOMEM;
    heap->nodes = nodes;
    heap->room = room;
  }
  return 0;
}

int tide__timer_set(tide_runtime *rt, tide_timer *timer, int kind,
                    uint64_t when) {
  tide_heap *heap = &rt->heap;
  if (timer->index != 0)
    tide__timer_clear(rt, timer);
  int err = reserve(heap);
  if (err < 0)
    return err;
  timer->kind = (unsigned)kind & 3;
  timer->order = heap->order++ & ((1u << ORDER_BITS) - 1);
  heap->count++;
  sift_up(heap, heap->count - 1, (tide_heapnode){when, timer});
  return 0;
}

void tide__timer_clear(tide_runtime *rt, tide_timer *timer) {
  tide_heap *heap = &rt->heap;
  if (timer->index == 0)
    return;
  uint32_t at = timer->index - 1;
  timer->index = 0;
  tide_heapnode last = heap->nodes[--heap->count];
  if (last.timer == timer)
    return;
  if (at > 0 && before(&last, &heap->nodes[(at - 1) / ARITY]))
    sift_up(heap, at, last);
  else
    sift_down(heap, at, last);
}

static void fire(tide_runtime *rt, tide_timer *timer) {
  switch (timer->kind) {
  case TIMER_TASK:
    rt->sleepers--;
    tide_wake(rt, CONTAINER(timer, tide_task, timer), TIDE_WOKEN);
    break;
  case TIMER_SCOPE:
    tide__scope_expire(rt, CONTAINER(timer, tide_scope, timer));
    break;
  case TIMER_CALL:
    tide__call_queue(rt, CONTAINER(timer, tide_call, timer));
    break;
  case TIMER_STOP:
    rt->stop = true;
    break;
  }
}

/* What fires only records and wakes, it sets no timer: the walk ends. */
void tide__timers_fire(tide_runtime *rt) {
  tide_heap *heap = &rt->heap;
  uint64_t now = heap->count > 0 ? tide_now(rt) : 0;
  while (heap->count > 0 && heap->nodes[0].when <= now) {
    tide_timer *timer = heap->nodes[0].timer;
    tide__timer_clear(rt, timer);
    fire(rt, timer);
  }
}

uint64_t tide_now(const tide_runtime *rt) {
  return rt->is_virtual ? rt->virtual_now : uv_hrtime() + rt->offset;
}

uint64_t tide_instant(double seconds) {
  double ns = seconds * 1e9, whole = nearbyint(ns);
  if (!(ns > 0))
    return 0;
  /* A time that tide_now gave and that went through a double is itself again:
   * only what is more than a rounding error above a nanosecond is rounded. */
  ns = fabs(ns - whole) <= ns * 4e-16 ? whole : ceil(ns);
  return ns < 9e18 ? (uint64_t)ns : TIDE_NEVER; /* 285 years: never */
}

uint64_t tide_deadline(const tide_runtime *rt, double seconds) {
  uint64_t span = tide_instant(seconds);
  return span == TIDE_NEVER ? TIDE_NEVER : tide_now(rt) + span;
}

void tide_clock_virtual(tide_runtime *rt, bool on) {
  uint64_t now = tide_now(rt);
  if (on)
    rt->virtual_now = now;
  else if (rt->is_virtual) /* go on from here: what is set keeps its meaning */
    rt->offset = now - uv_hrtime();
  rt->is_virtual = on;
}

void tide_clock_advance(tide_runtime *rt, double seconds) {
  if (rt->is_virtual)
    rt->virtual_now += tide_instant(seconds);
}
