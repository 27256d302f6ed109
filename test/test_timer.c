/* test_timer.c: the deadline heap and the clocks. */
#include <math.h>

#include "internal.h"
#include "test.h"

#define ORDER_WRAP (1u << 30)

/* ---- the heap ---- */

static void check_heap(tideR_runtime *rt) {
  const tideR_heap *heap = &rt->heap;
  bool ordered = true, indexed = true;
  for (uint32_t i = 0; i < heap->count; i++) {
    uint32_t parent = i > 0 ? (i - 1) / 4 : 0;
    ordered = ordered && heap->nodes[parent].when <= heap->nodes[i].when;
    indexed = indexed && heap->nodes[i].timer->index == i + 1;
  }
  CHECK(ordered);
  CHECK(indexed);
}

/* Takes the first timer off; its place in `timers`. */
static int pop(tideR_runtime *rt, tideR_timer *timers) {
  tideR_timer *first = rt->heap.nodes[0].timer;
  tideR__timer_clear(rt, first);
  return (int)(first - timers);
}

static void set(tideR_runtime *rt, tideR_timer *timer, uint64_t when) {
  CHECK_EQ(tideR__timer_set(rt, timer, TIMER_CALL, when), 0);
}

TEST(the_heap_gives_the_earliest_first) {
  static const uint64_t whens[] = {5, 3, 9, 1, 7, 8, 2, 6, 4};
  tideR_timer timers[9] = {0};
  for (int i = 0; i < 9; i++)
    set(rt, &timers[i], whens[i]);
  for (uint64_t when = 1; when <= 9; when++)
    CHECK_EQ(whens[pop(rt, timers)], when);
  CHECK_EQ(rt->heap.count, 0);
}

TEST(ties_come_in_the_order_set) {
  tideR_timer timers[50] = {0};
  for (int i = 0; i < 50; i++)
    set(rt, &timers[i], 7);
  for (int i = 0; i < 50; i++)
    CHECK_EQ(pop(rt, timers), i);
}

TEST(ties_come_in_the_order_set_when_the_counter_wraps) {
  tideR_timer timers[50] = {0};
  rt->heap.order = ORDER_WRAP - 25;
  for (int i = 0; i < 50; i++)
    set(rt, &timers[i], 7);
  for (int i = 0; i < 50; i++)
    CHECK_EQ(pop(rt, timers), i);
  rt->heap.order = UINT32_MAX - 25; /* the 32 bits that it is kept in */
  for (int i = 0; i < 50; i++)
    set(rt, &timers[i], 7);
  for (int i = 0; i < 50; i++)
    CHECK_EQ(pop(rt, timers), i);
}

TEST(setting_again_moves_a_timer_behind_its_ties) {
  tideR_timer timers[3] = {0};
  for (int i = 0; i < 3; i++)
    set(rt, &timers[i], 7);
  set(rt, &timers[0], 7);
  CHECK_EQ(rt->heap.count, 3);
  CHECK_EQ(pop(rt, timers), 1);
  CHECK_EQ(pop(rt, timers), 2);
  CHECK_EQ(pop(rt, timers), 0);
}

TEST(a_timer_is_cleared_from_anywhere) {
  for (int gone = 0; gone < 40; gone++) {
    tideR_timer timers[40] = {0};
    for (int i = 0; i < 40; i++)
      set(rt, &timers[i], (uint64_t)(i * 17 % 40));
    tideR__timer_clear(rt, &timers[gone]);
    tideR__timer_clear(rt, &timers[gone]); /* twice is once */
    CHECK_EQ(timers[gone].index, 0);
    check_heap(rt);
    for (uint64_t when = 0; when < 40; when++)
      if (when != (uint64_t)(gone * 17 % 40))
        CHECK_EQ(pop(rt, timers) * 17 % 40, when);
    CHECK_EQ(rt->heap.count, 0);
  }
}

/* ---- against a sorted array ---- */

enum { TIMERS = 300, OPERATIONS = 10000, WHENS = 40 };

typedef struct model {
  struct {
    uint64_t when;
    int timer;
  } sorted[TIMERS];
  int count;
} model;

static void model_clear(model *model, int timer) {
  int at = 0;
  while (at < model->count && model->sorted[at].timer != timer)
    at++;
  if (at == model->count)
    return;
  model->count--;
  memmove(&model->sorted[at], &model->sorted[at + 1],
          (size_t)(model->count - at) * sizeof model->sorted[0]);
}

static void model_set(model *model, int timer, uint64_t when) {
  int at;
  model_clear(model, timer);
  at = model->count++;
  for (; at > 0 && model->sorted[at - 1].when > when; at--)
    model->sorted[at] = model->sorted[at - 1];
  model->sorted[at].when = when;
  model->sorted[at].timer = timer;
}

TEST(the_heap_behaves_as_a_sorted_array) {
  static tideR_timer timers[TIMERS];
  static model model;
  uint32_t random = 20240601;
  rt->heap.order = ORDER_WRAP - OPERATIONS / 4; /* wraps on the way */
  for (int i = 0; i < OPERATIONS; i++) {
    int timer = (int)(next_number(&random) % TIMERS);
    uint64_t when = next_number(&random) % WHENS; /* few: many ties */
    switch (next_number(&random) % 4) {
    case 0:
      tideR__timer_clear(rt, &timers[timer]);
      model_clear(&model, timer);
      break;
    case 1:
      if (model.count > 0) {
        CHECK_EQ(rt->heap.nodes[0].timer - timers, model.sorted[0].timer);
        timer = pop(rt, timers);
        model_clear(&model, timer);
      }
      break;
    default:
      set(rt, &timers[timer], when);
      model_set(&model, timer, when);
    }
    CHECK_EQ(rt->heap.count, model.count);
  }
  check_heap(rt);
  while (model.count > 0) {
    int expected = model.sorted[0].timer;
    CHECK_EQ(pop(rt, timers), expected);
    model_clear(&model, expected);
  }
  CHECK_EQ(rt->heap.count, 0);
}

/* ---- sleeping ---- */

/* Sleeps me->n nanoseconds and says its name. */
static void sleeper(actor *me) {
  BEGIN
  AWAIT(
      tideR_park_until(me->rt, me->task, tideR_now(me->rt) + (uint64_t)me->n));
  say("%s", me->name);
  END
}

static actor *spawn_sleeper(tideR_runtime *rt, const char *name,
                            double seconds) {
  actor *me = spawn_named(rt, sleeper, name);
  me->n = (long)(seconds * 1e9);
  return me;
}

TEST(sleepers_wake_in_the_order_of_their_deadlines) {
  spawn_sleeper(rt, "c", 3);
  spawn_sleeper(rt, "a", 1);
  spawn_sleeper(rt, "b", 2);
  spawn_sleeper(rt, "b2", 2);
  run(rt);
  CHECK_SAID("a b b2 c");
  CHECK_EQ(stats(rt).sleeping, 0);
  CHECK_EQ(stats(rt).timers, 0);
}

static void punctual(actor *me) {
  uint64_t *last = me->arg;
  BEGIN
  me->n += (long)tideR_now(me->rt);
  AWAIT(tideR_park_until(me->rt, me->task, (uint64_t)me->n));
  CHECK_EQ(tideR_now(me->rt), me->n);
  CHECK(*last <= (uint64_t)me->n);
  *last = (uint64_t)me->n;
  END
}

TEST(virtual_sleeps_end_on_the_nanosecond_and_in_order) {
  uint32_t random = 7;
  uint64_t last = 0;
  for (int i = 0; i < 2000; i++)
    spawn_arg(rt, punctual, &last, "")->n = next_number(&random) % 100000;
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* ---- the machine's clock ---- */

static void real_sleeper(actor *me) {
  BEGIN
  me->arg = (void *)(uintptr_t)uv_hrtime();
  AWAIT(
      tideR_park_until(me->rt, me->task, tideR_now(me->rt) + (uint64_t)me->n));
  CHECK(uv_hrtime() - (uintptr_t)me->arg >= (uint64_t)me->n);
  END
}

TEST(a_real_sleep_is_never_early) {
  tideR_clock_virtual(rt, false);
  for (long us = 1; us < 4000; us += 131)
    spawn(rt, real_sleeper)->n = us * 1000;
  run(rt);
  CHECK_EQ(stats(rt).tasks, 0);
  CHECK(stats(rt).polls > 0);
}

TEST(a_short_real_sleep_does_not_spin) {
  tideR_clock_virtual(rt, false);
  spawn(rt, real_sleeper)->n = 2345678;
  run(rt);
  CHECK(stats(rt).turns <= 20);
}

static void spin_until(actor *me) {
  actor *other = me->arg;
  BEGIN
  while (!other->done)
    TURN();
  END
}

TEST(a_task_that_never_waits_does_not_starve_timers) {
  actor *other = spawn(rt, real_sleeper);
  other->n = 1000000;
  tideR_clock_virtual(rt, false);
  spawn_arg(rt, spin_until, other, "");
  run(rt); /* or hangs */
  CHECK(other->done);
}
