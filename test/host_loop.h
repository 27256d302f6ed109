/* host_loop.h: a host's libuv loop, and tasks for the runtimes on it. */
#ifndef TIDE_HOST_LOOP_H
#define TIDE_HOST_LOOP_H

#include <math.h>

#include "standard.h"
#include "test.h"

static uv_loop_t host;

static inline tideR_runtime *borrow(void) {
  CHECK_EQ(uv_loop_init(&host), 0);
  return runtime_on(&host);
}

static inline void end_host(void) {
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  CHECK_EQ(uv_loop_close(&host), 0);
}

static inline void give_back(tideR_runtime *rt) {
  runtime_free(rt);
  end_host();
}

static inline void run_host(void) {
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
}

static bool is_freed;

static inline void on_freed(void *ud) {
  world_free(ud);
  is_freed = true;
}

/* Its end, which the host's loop may see to later. */
static inline void free_on(tideR_runtime *rt) {
  is_freed = false;
  tideR_runtime_free(rt, on_freed, tideR_runtime_data(rt));
}

static inline void talker(actor *me) {
  BEGIN
  say("%s1", me->name);
  TURN();
  say("%s2", me->name);
  END
}

/* Sleeps me->n milliseconds. */
static inline void sleeper(actor *me) {
  BEGIN
  me->arg = (void *)(uintptr_t)uv_hrtime();
  SLEEP((double)me->n * 1e-3);
  CHECK(uv_hrtime() - (uintptr_t)me->arg >= (uint64_t)me->n * SECOND / 1000);
  say("%s", me->name);
  END
}

static inline actor *spawn_sleeper(tideR_runtime *rt, long ms,
                                   const char *name) {
  actor *me = spawn_named(rt, sleeper, name);
  me->n = ms;
  return me;
}

static inline void sleeps_for_ever(actor *me) {
  BEGIN
  SLEEP(INFINITY);
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

/* Gives up its turn until it is told to stop. */
static inline void spinner(actor *me) {
  BEGIN
  while (me->n++ >= 0 && !*(bool *)me->arg)
    TURN();
  END
}

typedef struct alarm_clock {
  uv_timer_t timer;
  bool rang;
} alarm_clock;

static inline void on_ring(uv_timer_t *timer) {
  alarm_clock *clock = timer->data;
  clock->rang = true;
}

static inline void ring(alarm_clock *clock, uint64_t ms) {
  uv_timer_init(&host, &clock->timer);
  clock->timer.data = clock;
  clock->rang = false;
  uv_update_time(&host);
  uv_timer_start(&clock->timer, on_ring, ms, 0);
}

static inline void reads(actor *me) {
  static const tideR_reading some = {.wanting = TIDE_READ_SOME,
                                     .size = SIZE_MAX};
  const char *bytes;
  size_t n;
  BEGIN
  do {
    CHECK(!tideR_stream_ready(me->arg, &some));
    AWAIT(tideR_stream_park(me->rt, me->task, me->arg));
  } while (!tideR_stream_fetch(me->arg));
  n = tideR_stream_see(me->arg, &bytes)->length;
  say("%.*s", (int)n, bytes);
  tideR_stream_take(me->arg);
  END
}

/* Standard input becomes a pipe. */
static inline tideR_stream *open_pipe(tideR_runtime *rt, int *ends) {
  tideR_stream *input = NULL;
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(dup2(ends[0], 0), 0);
  close(ends[0]);
  CHECK_EQ(tideR_stdio_open(rt, 0, &input), 0);
  return input;
}

static inline void awaits_signal(actor *me) {
  BEGIN
  if (!tideR_signal_came(me->arg))
    AWAIT(tideR_signal_park(me->rt, me->task, me->arg));
  say("signal");
  END
}

#endif
