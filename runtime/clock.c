/*
 * clock.c: what time it is.
 *
 * The machine's monotonic clock, most often as it is; at another speed, or a
 * host's clock instead; or virtual time, which stands. Whenever that changes
 * the time goes on from where it was, so that deadlines keep their meaning.
 */
#include <math.h>

#include "internal.h"

#define MS UINT64_C(1000000)
#define ROUNDING 4e-16       /* of a double, relative */
#define MOST 9e18            /* nanoseconds, 285 years: never */
#define LOOK_AGAIN (10 * MS) /* while the clock stands */

/* A time that went through a double is itself again: what is within `error` of
 * a whole number of nanoseconds is that. */
static double mend(double ns, double error) {
  double whole = nearbyint(ns);
  return fabs(ns - whole) <= error ? whole : ns;
}

static double read_source(tideR_clock *clock) {
  double seconds = clock->source(clock->ud);
  if (isfinite(seconds))
    clock->seen = seconds;
  return clock->seen;
}

/* Since `base`, in nanoseconds of our clock. */
static uint64_t passed(tideR_clock *clock) {
  double ns, error = 0;
  if (clock->source != NULL) {
    double now = read_source(clock);
    ns = (now - clock->origin) * 1e9;
    error = (fabs(now) + fabs(clock->origin)) * 1e9 * ROUNDING;
  } else {
    ns = (double)(uv_hrtime() - clock->since);
  }
  ns = floor(mend(ns * clock->speed, error * clock->speed));
  return ns > 0 && ns < MOST ? (uint64_t)ns : 0;
}

static TIDE_NOINLINE uint64_t other_now(tideR_clock *clock) {
  uint64_t now = clock->last;
  if (!clock->is_virtual)
    now = clock->base + passed(clock);
  if (now > clock->last)
    clock->last = now;
  return clock->last;
}

uint64_t tideR_now(tideR_runtime *rt) {
  if (rt->clock.is_plain)
    return uv_hrtime() + rt->clock.offset;
  return other_now(&rt->clock);
}

uint64_t tideR_instant(double seconds) {
  double ns = seconds * 1e9;
  if (!(ns > 0))
    return 0;
  ns = ceil(mend(ns, ns * ROUNDING));
  return ns < MOST ? (uint64_t)ns : TIDE_NEVER;
}

uint64_t tideR_deadline(tideR_runtime *rt, double seconds) {
  uint64_t span = tideR_instant(seconds);
  return span == TIDE_NEVER ? TIDE_NEVER : tideR_now(rt) + span;
}

/* ---- changes ---- */

/* Deadlines may be nearer now than the host knows. */
static void tell_host(tideR_runtime *rt) {
  if (rt->announces && rt->heap.count > 0)
    tideR__announce(rt);
}

static void go_on_from(tideR_runtime *rt, uint64_t now) {
  tideR_clock *clock = &rt->clock;
  clock->base = clock->last = now;
  clock->since = uv_hrtime();
  clock->offset = now - clock->since;
  if (clock->source != NULL)
    clock->origin = read_source(clock);
  clock->is_plain =
      !clock->is_virtual && clock->source == NULL && clock->speed == 1;
  tell_host(rt);
}

void tideR__clock_init(tideR_runtime *rt) {
  rt->clock.speed = 1;
  go_on_from(rt, uv_hrtime());
}

void tideR_clock_virtual(tideR_runtime *rt, bool on) {
  uint64_t now = tideR_now(rt);
  rt->clock.is_virtual = on;
  go_on_from(rt, now);
}

void tideR_clock_advance(tideR_runtime *rt, double seconds) {
  if (!rt->clock.is_virtual)
    return;
  rt->clock.last += tideR_instant(seconds);
  tell_host(rt);
}

void tideR__clock_jump(tideR_runtime *rt, uint64_t when) {
  if (when > rt->clock.last)
    rt->clock.last = when;
}

void tideR_clock_source(tideR_runtime *rt, double (*now)(void *ud), void *ud) {
  tideR_clock *clock = &rt->clock;
  uint64_t start = tideR_now(rt);
  bool is_new = rt->turns == 0 && rt->heap.count == 0 && clock->is_plain;
  clock->source = now;
  clock->ud = ud;
  clock->seen = 0;
  if (is_new && now != NULL)
    start = tideR_instant(read_source(clock));
  go_on_from(rt, start);
}

int tideR_clock_speed(tideR_runtime *rt, double speed) {
  uint64_t now;
  if (!(speed >= 0) || isinf(speed))
    return UV_EINVAL;
  now = tideR_now(rt);
  rt->clock.speed = speed;
  go_on_from(rt, now);
  return 0;
}

/* ---- in real time ---- */

/* A host's clock is taken for one that goes as the machine's: who waited looks
 * again. */
uint64_t tideR__clock_until(tideR_runtime *rt, uint64_t when) {
  uint64_t now = tideR_now(rt);
  double ns;
  if (when <= now)
    return 0;
  if (rt->clock.is_virtual || rt->clock.speed == 1)
    return when - now;
  ns = ceil((double)(when - now) / rt->clock.speed);
  return ns < MOST ? (uint64_t)ns : TIDE_NEVER;
}

/* Rounded up, for libuv's are milliseconds: a deadline never fires early. */
uint64_t tideR__clock_patience(tideR_runtime *rt) {
  uint64_t ns = tideR__clock_until(rt, rt->heap.nodes[0].when);
  if (ns == TIDE_NEVER)
    ns = LOOK_AGAIN;
  return (ns + MS - 1) / MS;
}
