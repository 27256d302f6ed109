/* test_announce.c: when a step is due, and who is told that it is earlier. */
#include <math.h>
#include <poll.h>

#include "test.h"

static bool readable(tideR_runtime *rt) {
  struct pollfd fd = {.fd = tideR_loop_fd(rt), .events = POLLIN};
  return poll(&fd, 1, 0) == 1;
}

static void says(actor *me) {
  say("%s", me->name);
}

static void sleeper(actor *me) {
  BEGIN
  SLEEP((double)me->n);
  say("slept");
  END
}

static void start(tideR_runtime *rt) {
  spawn_named(rt, says, "ran");
}

static void call_at(tideR_runtime *rt, double seconds, tideR_call **out) {
  CHECK_EQ(tideR_call_at(rt, tideR_deadline(rt, seconds), out), 0);
}

static void say_call(tideR_runtime *rt, tideR_call *call) {
  (void)rt;
  (void)call;
  say("call");
}

static tideR_runtime *with_calls(tideR_runtime *rt) {
  ((world *)tideR_runtime_data(rt))->on_call = say_call;
  return rt;
}

static int told;

static void on_told(tideR_runtime *rt) {
  (void)rt;
  told++;
}

static void announce(tideR_runtime *rt) {
  told = 0;
  tideR_loop_announce(rt, on_told);
}

/* How often since the last look. */
#define CHECK_TOLD(times) (CHECK_EQ(told, times), (void)(told = 0))

/* ---- the descriptor ---- */

TEST(the_descriptor_is_readable_from_a_start_until_the_step) {
  tideR_loop_announce(rt, NULL);
  CHECK(!readable(rt));
  start(rt);
  CHECK(readable(rt));
  step(rt);
  CHECK_SAID("ran");
  CHECK(!readable(rt));
  step(rt);
  CHECK(!readable(rt));
  start(rt);
  CHECK(readable(rt));
  CHECK_EQ(tideR_loop_step(rt, INFINITY), 0);
  CHECK(!readable(rt));
}

TEST(the_descriptor_is_quiet_after_a_run_and_a_mere_poll) {
  tideR_loop_announce(rt, NULL);
  start(rt);
  CHECK(readable(rt));
  run(rt);
  step(rt);
  CHECK(!readable(rt));
  tideR_clock_virtual(rt, false);
  spawn(rt, sleeper)->n = 1000;
  step(rt);
  CHECK(!readable(rt));
  tideR_call *call;
  call_at(rt, 100, &call);
  CHECK(readable(rt));
  CHECK(tideR_loop_step_is_poll(rt));
  CHECK(!readable(rt));
}

TEST(the_descriptor_tells_of_an_earlier_deadline_only) {
  tideR_call *call;
  tideR_loop_announce(with_calls(rt), NULL);
  spawn(rt, sleeper)->n = 10;
  step(rt);
  call_at(rt, 11, &call);
  CHECK(!readable(rt));
  call_at(rt, 9, &call);
  CHECK(readable(rt));
  step(rt);
  CHECK(!readable(rt));
}

TEST(who_asks_for_nothing_is_told_nothing) {
  tideR_call *call;
  start(rt);
  call_at(rt, 1, &call);
  CHECK(!readable(rt));
  step(rt);
  CHECK_SAID("ran");
}

static void wakes_itself(actor *me) {
  tideR_call *call;
  BEGIN
  start(me->rt);
  call_at(me->rt, 5, &call);
  TURN();
  SLEEP(1);
  END
}

TEST(nothing_is_told_inside_of_a_step) {
  tideR_loop_announce(with_calls(rt), on_told);
  spawn(rt, wakes_itself);
  told = 0;
  for (int i = 0; i < 5; i++)
    step(rt);
  CHECK_TOLD(0);
  CHECK(!readable(rt));
  tideR_clock_advance(rt, 10);
  CHECK_TOLD(1); /* the clock is a test's: it came from outside */
  step(rt);
  step(rt);
  CHECK_TOLD(0);
  CHECK_SAID("ran call");
}

TEST(a_signal_makes_the_descriptor_readable_until_the_step) {
  tideR_signal watched;
  tideR_signal_init(&watched);
  CHECK_EQ(tideR_signal_watch(rt, &watched, SIGUSR1, false, NULL), 0);
  CHECK(!readable(rt));
  raise(SIGUSR1);
  CHECK(readable(rt));
  step(rt);
  CHECK(!readable(rt));
  tideR_signal_unwatch(&watched);
}

/* ---- who is told ---- */

TEST(it_is_told_once_and_again_after_a_step) {
  announce(rt);
  start(rt);
  start(rt);
  CHECK_TOLD(1);
  step(rt);
  CHECK_TOLD(0);
  start(rt);
  CHECK_TOLD(1);
  CHECK(!readable(rt));
  step(rt);
}

TEST(what_is_woken_queued_or_set_from_outside_is_told) {
  tideR_waitq queue = new_queue();
  tideR_call *call;
  announce(with_calls(rt));
  spawn_arg(rt, waiter, &queue, "woken");
  step(rt);
  CHECK_TOLD(1);
  tideR_waitq_wake_all(rt, &queue);
  CHECK_TOLD(1);
  step(rt);
  CHECK_EQ(tideR_call_soon(rt, &call), 0);
  CHECK_TOLD(1);
  step(rt);
  call_at(rt, 1, &call);
  CHECK_TOLD(1);
  step(rt);
  CHECK_SAID("woken call");
}

TEST(a_cancel_from_outside_is_told) {
  actor *a = spawn(rt, sleeper);
  a->n = 10;
  step(rt);
  announce(rt);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  CHECK_TOLD(1);
}

TEST(a_deadline_that_moves_is_told_if_it_is_earlier) {
  tideR_task *task = root(rt)->task;
  tideR_scope *scope;
  CHECK_EQ(tideR_scope_enter(rt, task, tideR_deadline(rt, 10), false, &scope),
           0);
  step(rt);
  announce(rt);
  tideR_scope_reschedule(rt, scope, tideR_deadline(rt, 20));
  CHECK_TOLD(0);
  tideR_scope_reschedule(rt, scope, tideR_deadline(rt, 10));
  CHECK_TOLD(0); /* the host looks then, as it was told */
  tideR_scope_reschedule(rt, scope, tideR_deadline(rt, 5));
  CHECK_TOLD(1);
  tideR_scope_leave(rt, task);
}

/* A host that asks how long, and does not step, waits for what it heard. */
TEST(who_has_asked_for_the_timeout_is_told_again) {
  tideR_call *call;
  announce(with_calls(rt));
  call_at(rt, 10, &call);
  call_at(rt, 9, &call);
  CHECK_TOLD(1);
  CHECK_EQ(tideR_loop_timeout(rt), 9);
  call_at(rt, 9.5, &call);
  CHECK_TOLD(0);
  call_at(rt, 8, &call);
  CHECK_TOLD(1);
  CHECK_EQ(tideR_loop_timeout(rt), 8);
}

TEST(a_change_of_the_clock_is_told_to_who_waits_for_it) {
  tideR_clock_virtual(rt, false);
  announce(rt);
  CHECK_EQ(tideR_clock_speed(rt, 0), 0);
  CHECK_TOLD(0); /* nobody sleeps */
  spawn(rt, sleeper)->n = 10;
  step(rt);
  CHECK_TOLD(1);
  CHECK(isinf(tideR_loop_timeout(rt)));
  CHECK_EQ(tideR_clock_speed(rt, 2), 0);
  CHECK_TOLD(1);
  CHECK(tideR_loop_timeout(rt) <= 5);
}

/* ---- a host's loop ---- */

TEST(a_hosts_loop_goes_on_and_the_host_may_be_told_too) {
  uv_loop_t host;
  CHECK_EQ(uv_loop_init(&host), 0);
  tideR_runtime *mine = runtime_on(&host);
  CHECK(!uv_loop_alive(&host));
  announce(mine);
  start(mine);
  start(mine);
  CHECK_TOLD(1);
  CHECK(uv_loop_alive(&host));
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  CHECK_TOLD(0);
  CHECK_SAID("ran ran");
  start(mine);
  CHECK_TOLD(1);
  tideR_loop_announce(mine, NULL);
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  CHECK_SAID("ran");
  start(mine);
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  CHECK_SAID("ran");
  CHECK_TOLD(0);
  runtime_free(mine);
  CHECK_EQ(uv_run(&host, UV_RUN_DEFAULT), 0);
  CHECK_EQ(uv_loop_close(&host), 0);
}
