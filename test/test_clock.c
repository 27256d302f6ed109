/* test_clock.c: instants; virtual time, a host's clock, other speeds. */
#include <math.h>

#include "test.h"

/* ---- instants and deadlines ---- */

TEST(an_instant_is_rounded_up) {
  CHECK_EQ(tideR_instant(1), SECOND);
  CHECK_EQ(tideR_instant(1e-9), 1);
  CHECK_EQ(tideR_instant(1e-12), 1);
  CHECK_EQ(tideR_instant(1.5e-9), 2);
}

TEST(odd_numbers_of_seconds_are_now_or_never) {
  CHECK_EQ(tideR_instant(0), 0);
  CHECK_EQ(tideR_instant(-5), 0);
  CHECK_EQ(tideR_instant(NAN), 0);
  CHECK_EQ(tideR_instant(1e300), TIDE_NEVER);
  CHECK_EQ(tideR_instant(INFINITY), TIDE_NEVER);
  CHECK_EQ(tideR_deadline(rt, -5), tideR_now(rt));
  CHECK_EQ(tideR_deadline(rt, 2), tideR_now(rt) + 2 * SECOND);
  CHECK_EQ(tideR_deadline(rt, INFINITY), TIDE_NEVER);
}

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

/* ---- virtual time ---- */

TEST(virtual_time_jumps_to_the_next_deadline) {
  uint64_t start = tideR_now(rt);
  spawn_sleeper(rt, "year", 365 * 86400.0);
  run(rt);
  CHECK_SAID("year");
  CHECK_EQ(tideR_now(rt), start + 365 * 86400 * SECOND);
}

static void spinner(actor *me) {
  BEGIN
  for (; me->n > 0; me->n--) {
    TURN();
    CHECK_EQ(tideR_now(me->rt), *(uint64_t *)me->arg);
  }
  say("spun");
  END
}

TEST(virtual_time_stands_still_while_a_task_can_run) {
  uint64_t start = tideR_now(rt);
  spawn_sleeper(rt, "slept", 1e-9);
  spawn_arg(rt, spinner, &start, "")->n = 500;
  run(rt);
  CHECK_SAID("spun slept");
}

TEST(virtual_time_advances_by_hand_and_wakes_nobody_early) {
  spawn_sleeper(rt, "a", 1);
  step(rt);
  tideR_clock_advance(rt, 0.999999999);
  step(rt);
  step(rt);
  CHECK_SAID("");
  tideR_clock_advance(rt, 1e-9);
  step(rt);
  step(rt);
  CHECK_SAID("a");
}

TEST(switching_clocks_never_goes_back) {
  uint64_t before, after;
  tideR_clock_advance(rt, 1000);
  before = tideR_now(rt);
  tideR_clock_virtual(rt, false);
  after = tideR_now(rt);
  CHECK(after >= before);
  CHECK(after < before + 1000 * SECOND); /* it went on, it did not jump */
  tideR_clock_virtual(rt, false);        /* no change */
  CHECK(tideR_now(rt) >= after);
  tideR_clock_advance(rt, 1000); /* nothing: the clock is real */
  CHECK(tideR_now(rt) < before + 1000 * SECOND);
  before = tideR_now(rt);
  tideR_clock_virtual(rt, true);
  tideR_clock_virtual(rt, true);
  CHECK(tideR_now(rt) >= before);
  after = tideR_now(rt);
  CHECK_EQ(tideR_now(rt), after); /* it stands */
}

TEST(a_deadline_keeps_its_meaning_when_the_clock_becomes_real) {
  actor *near = spawn_sleeper(rt, "near", 1e-3);
  actor *far = spawn_sleeper(rt, "far", 1000);
  step(rt);
  tideR_clock_advance(rt, 10e-3);
  tideR_clock_virtual(rt, false);
  step(rt);
  step(rt);
  CHECK_SAID("near");
  CHECK(near->done);
  CHECK(!far->done);
}

/* ---- a host's clock ---- */

static double read_clock(void *ud) {
  return *(double *)ud;
}

static uint64_t millis(double ms) {
  return (uint64_t)(ms * 1e6);
}

TEST(a_new_runtime_takes_over_the_hosts_time) {
  double host = 0.1;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  CHECK_EQ(tideR_now(rt), millis(100));
  host = 0.3; /* whose difference to 0.1 is less than 0.2 */
  CHECK_EQ(tideR_now(rt), millis(300));
}

TEST(a_runtime_that_has_run_goes_on_from_its_time) {
  double host = 5;
  uint64_t start;
  tideR_clock_virtual(rt, false);
  spawn_sleeper(rt, "a", 0);
  step(rt);
  start = tideR_now(rt);
  tideR_clock_source(rt, read_clock, &host);
  CHECK(tideR_now(rt) >= start);
  start = tideR_now(rt);
  CHECK_EQ(tideR_now(rt), start);
  host = 7;
  CHECK_EQ(tideR_now(rt), start + 2 * SECOND);
}

TEST(a_hosts_clock_never_goes_back) {
  double host = 5;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  host = 6;
  CHECK_EQ(tideR_now(rt), 6 * SECOND);
  host = 2;
  CHECK_EQ(tideR_now(rt), 6 * SECOND);
  host = NAN;
  CHECK_EQ(tideR_now(rt), 6 * SECOND);
  host = INFINITY;
  CHECK_EQ(tideR_now(rt), 6 * SECOND);
  host = 6.5;
  CHECK_EQ(tideR_now(rt), 6 * SECOND + SECOND / 2);
  host = 3;
  tideR_clock_source(rt, read_clock, &host);
  host = 4;
  CHECK_EQ(tideR_now(rt), 7 * SECOND + SECOND / 2);
}

TEST(the_machines_clock_goes_on_where_the_hosts_was) {
  double host = 1e9;
  uint64_t then;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  then = tideR_now(rt);
  tideR_clock_source(rt, NULL, NULL);
  CHECK(tideR_now(rt) >= then);
  CHECK(tideR_now(rt) < then + 1000 * SECOND);
}

static void frame_sleeper(actor *me) {
  const double *host = me->arg;
  BEGIN
  me->n = (long)tideR_now(me->rt);
  SLEEP(3 / 60.0);
  CHECK(tideR_now(me->rt) - (uint64_t)me->n >= tideR_instant(3 / 60.0));
  say("%.0f", *host * 60);
  END
}

TEST(a_timer_fires_in_the_frame_that_it_is_due_in) {
  double host = 7 / 60.0;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  spawn_arg(rt, frame_sleeper, &host, "");
  for (int frame = 7; frame < 20; frame++) {
    host = frame / 60.0;
    tideR_loop_step(rt, INFINITY);
    tideR_loop_step(rt, INFINITY);
  }
  CHECK_SAID("10");
}

static void timed(actor *me) {
  double *host = me->arg;
  BEGIN
  me->n = (long)(*host * 1e9);
  SLEEP(0.0123);
  CHECK(*host * 1e9 - (double)me->n >= 0.0123e9 - 1);
  END
}

TEST(a_timer_is_never_early_on_the_hosts_clock) {
  double host = 0;
  uint32_t random = 5;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  for (int i = 0; i < 3000; i++) {
    spawn_arg(rt, timed, &host, "");
    tideR_loop_step(rt, INFINITY);
    host += (next_number(&random) % 1000) * 1e-6 * 0.777;
  }
  host += 1;
  tideR_loop_step(rt, INFINITY);
  tideR_loop_step(rt, INFINITY);
  CHECK_EQ(stats(rt).tasks, 0);
}

/* Goes on with each look at it: as one that is slower than the machine's. */
static double slow_clock(void *ud) {
  double *host = ud;
  return *host += 1e-4;
}

TEST(a_run_waits_for_a_clock_that_is_slow) {
  double host = 0;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, slow_clock, &host);
  spawn_sleeper(rt, "slept", 2e-3);
  run(rt);
  CHECK_SAID("slept");
  CHECK(host >= 2e-3);
}

TEST(virtual_time_is_stronger_than_a_hosts_clock) {
  double host = 1;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  tideR_clock_virtual(rt, true);
  spawn_sleeper(rt, "hour", 3600);
  run(rt);
  CHECK_SAID("hour");
  CHECK_EQ(tideR_now(rt), 3601 * SECOND);
  tideR_clock_virtual(rt, false);
  host = 2;
  CHECK_EQ(tideR_now(rt), 3602 * SECOND);
}

/* ---- speed ---- */

TEST(a_speed_is_a_number_from_0_on) {
  CHECK_EQ(tideR_clock_speed(rt, -1), UV_EINVAL);
  CHECK_EQ(tideR_clock_speed(rt, NAN), UV_EINVAL);
  CHECK_EQ(tideR_clock_speed(rt, INFINITY), UV_EINVAL);
  CHECK_EQ(tideR_clock_speed(rt, 0), 0);
  CHECK_EQ(tideR_clock_speed(rt, 0.5), 0);
  CHECK_EQ(tideR_clock_speed(rt, 1), 0);
}

TEST(the_speed_changes_without_a_jump) {
  double host = 10;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  tideR_clock_speed(rt, 0.5);
  CHECK_EQ(tideR_now(rt), 10 * SECOND);
  host = 12;
  CHECK_EQ(tideR_now(rt), 11 * SECOND);
  tideR_clock_speed(rt, 0);
  host = 20;
  CHECK_EQ(tideR_now(rt), 11 * SECOND);
  tideR_clock_speed(rt, 2);
  CHECK_EQ(tideR_now(rt), 11 * SECOND);
  host = 21;
  CHECK_EQ(tideR_now(rt), 13 * SECOND);
  tideR_clock_speed(rt, 1);
  host = 22;
  CHECK_EQ(tideR_now(rt), 14 * SECOND);
}

TEST(the_machines_clock_changes_its_speed) {
  uint64_t start, now;
  tideR_clock_virtual(rt, false);
  tideR_clock_speed(rt, 1e-6);
  start = tideR_now(rt);
  uv_sleep(2);
  now = tideR_now(rt);
  CHECK(now >= start);
  CHECK(now - start < millis(1)); /* a thousand seconds */
  tideR_clock_speed(rt, 1000);
  start = tideR_now(rt);
  uv_sleep(2);
  CHECK(tideR_now(rt) - start >= millis(1900));
  tideR_clock_speed(rt, 0);
  now = tideR_now(rt);
  uv_sleep(1);
  CHECK_EQ(tideR_now(rt), now);
  tideR_clock_speed(rt, 1);
  CHECK(tideR_now(rt) >= now);
  CHECK(tideR_now(rt) < now + 1000 * SECOND);
}

TEST(a_fast_clock_ends_a_long_sleep_soon) {
  uint64_t start = uv_hrtime();
  tideR_clock_virtual(rt, false);
  tideR_clock_speed(rt, 1e6);
  spawn_sleeper(rt, "hour", 3600);
  run(rt);
  CHECK_SAID("hour");
  CHECK(uv_hrtime() - start >= millis(3.6));
}

TEST(the_timeout_is_in_real_seconds) {
  double host = 0;
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, read_clock, &host);
  spawn_sleeper(rt, "a", 10);
  step(rt);
  CHECK_EQ(tideR_loop_timeout(rt) * 1000, 10000);
  tideR_clock_speed(rt, 0.5);
  CHECK_EQ(tideR_loop_timeout(rt) * 1000, 20000);
  tideR_clock_speed(rt, 4);
  CHECK_EQ(tideR_loop_timeout(rt) * 1000, 2500);
  tideR_clock_speed(rt, 0);
  CHECK(isinf(tideR_loop_timeout(rt)));
  CHECK(tideR_loop_timeout(rt) > 0);
  CHECK(tideR_loop_alive(rt));
  tideR_clock_speed(rt, 1e-300);
  CHECK(tideR_loop_timeout(rt) > 1e9);
  tideR_clock_speed(rt, 1);
  host = 11;
  CHECK_EQ(tideR_loop_timeout(rt), 0);
  step(rt);
  step(rt);
  CHECK_SAID("a");
  CHECK(tideR_loop_timeout(rt) < 0);
}

/* ---- a clock that stands ---- */

static void on_go(uv_timer_t *timer) {
  CHECK_EQ(tideR_clock_speed(timer->data, 1e6), 0);
}

TEST(a_run_waits_while_the_clock_stands_and_does_not_spin) {
  uv_timer_t timer;
  actor *a = spawn_sleeper(rt, "slept", 3600);
  tideR_loop_main(rt, a->task); /* who would be told of a deadlock */
  tideR_clock_virtual(rt, false);
  tideR_clock_speed(rt, 0);
  uv_timer_init(tideR_runtime_uv(rt), &timer);
  timer.data = rt;
  uv_update_time(tideR_runtime_uv(rt));
  uv_timer_start(&timer, on_go, 30, 0);
  run(rt);
  CHECK_SAID("slept");
  CHECK_EQ(a->raised, false);
  CHECK(stats(rt).polls < 20);
  uv_close((uv_handle_t *)&timer, NULL);
  step(rt);
}

static double stands_for_a_while(void *ud) {
  long *looks = ud;
  return ++*looks > 12 ? 7200 : 0;
}

TEST(a_run_looks_again_at_a_clock_that_stands) {
  long looks = 0;
  actor *a = spawn_sleeper(rt, "slept", 0.001);
  tideR_loop_main(rt, a->task);
  tideR_clock_virtual(rt, false);
  tideR_clock_source(rt, stands_for_a_while, &looks);
  run(rt); /* or hangs */
  CHECK_SAID("slept");
  CHECK(!a->raised);
}

TEST(budgets_are_real_time_while_the_clock_stands) {
  uint64_t start;
  tideR_clock_virtual(rt, false);
  tideR_clock_speed(rt, 0);
  start = tideR_now(rt);
  spawn_arg(rt, spinner, &start, "")->n = 3000000;
  CHECK_EQ(tideR_loop_step(rt, 1e-4), 1);
  CHECK_SAID("");
}
