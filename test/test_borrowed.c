/* test_borrowed.c: turns inside a host's own libuv loop. */
#include <math.h>

#include "host_loop.h"

/* ---- uv_run runs the tasks, and returns by itself ---- */

TEST(driving_is_the_hosts) {
  tideR_runtime *mine = borrow();
  CHECK(tideR_loop_is_borrowed(mine));
  CHECK(!tideR_loop_is_borrowed(rt));
  CHECK(tideR_runtime_uv(mine) == &host);
  CHECK_EQ(tideR_loop_run(mine), UV_ENOTSUP);
  CHECK_EQ(tideR_loop_begin(mine), UV_ENOTSUP);
  CHECK_EQ(tideR_loop_step(mine, 0), UV_ENOTSUP);
  CHECK(!tideR_loop_step_is_poll(mine));
  give_back(mine);
}

TEST(with_nothing_to_do_uv_run_returns) {
  tideR_runtime *mine = borrow();
  CHECK(!uv_loop_alive(&host));
  CHECK(!tideR_loop_alive(mine));
  run_host();
  CHECK_EQ(stats(mine).turns, 0);
  give_back(mine);
}

TEST(what_was_spawned_before_uv_run_is_run_by_it) {
  tideR_runtime *mine = borrow();
  spawn_named(mine, talker, "a");
  spawn_named(mine, talker, "b");
  CHECK(uv_loop_alive(&host));
  run_host();
  CHECK_SAID("a1 b1 a2 b2");
  CHECK_EQ(stats(mine).tasks, 0);
  spawn_named(mine, talker, "c");
  run_host();
  CHECK_SAID("c1 c2");
  give_back(mine);
}

TEST(sleepers_wake_in_their_order_and_then_uv_run_returns) {
  tideR_runtime *mine = borrow();
  spawn_sleeper(mine, 50, "b");
  spawn_sleeper(mine, 2, "a");
  spawn_sleeper(mine, 100, "c");
  spawn_sleeper(mine, 0, "now");
  run_host();
  CHECK_SAID("now a b c");
  CHECK_EQ(stats(mine).timers, 0);
  give_back(mine);
}

TEST(many_short_sleeps_end_and_never_early) {
  tideR_runtime *mine = borrow();
  for (int i = 0; i < 200; i++)
    spawn_sleeper(mine, 1 + i % 7, "");
  run_host(); /* or hangs, or returns too soon */
  CHECK_EQ(stats(mine).tasks, 0);
  said[0] = '\0';
  give_back(mine);
}

static void say_call(tideR_runtime *rt, tideR_call *call) {
  (void)rt;
  (void)call;
  say("call");
}

TEST(calls_run_too) {
  tideR_runtime *mine = borrow();
  tideR_call *call;
  ((world *)tideR_runtime_data(mine))->on_call = say_call;
  CHECK_EQ(tideR_call_soon(mine, &call), 0);
  CHECK_EQ(tideR_call_at(mine, tideR_deadline(mine, 2e-3), &call), 0);
  run_host();
  CHECK_SAID("call call");
  give_back(mine);
}

TEST(once_waits_for_a_sleeper_and_nowait_for_nothing) {
  tideR_runtime *mine = borrow();
  actor *a = spawn_sleeper(mine, 5, "a");
  CHECK(uv_run(&host, UV_RUN_NOWAIT) != 0);
  CHECK(uv_run(&host, UV_RUN_NOWAIT) != 0);
  CHECK(!a->done);
  for (int i = 0; i < 10 && !a->done; i++) /* each may be a bit early */
    uv_run(&host, UV_RUN_ONCE);
  CHECK_SAID("a");
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(!uv_loop_alive(&host));
  give_back(mine);
}

TEST(a_sleeper_does_not_spin) {
  tideR_runtime *mine = borrow();
  spawn_sleeper(mine, 20, "a");
  run_host();
  CHECK_SAID("a");
  CHECK(stats(mine).turns <= 4);
  CHECK(stats(mine).polls <= 40);
  give_back(mine);
}

/* ---- the host's own timers and I/O ---- */

TEST(ready_tasks_do_not_starve_the_hosts_timers) {
  tideR_runtime *mine = borrow();
  alarm_clock clock;
  ring(&clock, 3);
  spawn_arg(mine, spinner, &clock.rang, "");
  run_host(); /* or hangs */
  CHECK(clock.rang);
  uv_close((uv_handle_t *)&clock.timer, NULL);
  give_back(mine);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  char byte;
  uv_os_fd_t fd;
  CHECK_EQ(status, 0);
  CHECK(events & UV_READABLE);
  uv_fileno((uv_handle_t *)poll, &fd);
  CHECK_EQ(read(fd, &byte, 1), 1);
  uv_poll_stop(poll);
  *(bool *)poll->data = true;
}

TEST(ready_tasks_do_not_starve_the_hosts_descriptors) {
  tideR_runtime *mine = borrow();
  uv_poll_t poll;
  bool came = false;
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  CHECK_EQ(uv_poll_init(&host, &poll, ends[0]), 0);
  poll.data = &came;
  uv_poll_start(&poll, UV_READABLE, on_poll);
  CHECK_EQ(write(ends[1], "x", 1), 1);
  spawn_arg(mine, spinner, &came, "");
  run_host(); /* or hangs */
  CHECK(came);
  uv_close((uv_handle_t *)&poll, NULL);
  give_back(mine);
  close(ends[0]);
  close(ends[1]);
}

TEST(a_ready_task_does_not_wait_for_the_poll) {
  tideR_runtime *mine = borrow();
  alarm_clock clock;
  actor *a;
  uint64_t start = uv_hrtime();
  ring(&clock, 60000);
  a = spawn_named(mine, talker, "a");
  for (int i = 0; i < 3 && !a->done; i++)
    uv_run(&host, UV_RUN_ONCE);
  CHECK_SAID("a1 a2");
  CHECK(uv_hrtime() - start < 30 * SECOND);
  uv_close((uv_handle_t *)&clock.timer, NULL);
  give_back(mine);
}

TEST(a_budget_makes_many_turns_of_one) {
  tideR_runtime *mine = borrow();
  bool stop = false;
  actor *a = spawn_arg(mine, spinner, &stop, "");
  ((world *)tideR_runtime_data(mine))->budget = 1e-3;
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(a->n > 2);
  stop = true;
  run_host();
  CHECK_EQ(stats(mine).tasks, 0);
  give_back(mine);
}

/* ---- what the host's callbacks do ---- */

static void wake_all(uv_timer_t *timer) {
  tideR_waitq *queue = timer->data;
  actor *a = queue->head != NULL ? queue->head->coro : NULL;
  if (a != NULL)
    tideR_waitq_wake_all(a->rt, queue);
  else /* on a slow machine it comes before the task waits */
    uv_timer_start(timer, wake_all, 2, 0);
}

TEST(a_callback_of_the_hosts_wakes_a_task) {
  tideR_runtime *mine = borrow();
  tideR_waitq queue = new_queue();
  uv_timer_t timer;
  spawn_arg(mine, waiter, &queue, "woken");
  uv_timer_init(&host, &timer);
  timer.data = &queue;
  uv_timer_start(&timer, wake_all, 2, 0);
  run_host(); /* neither the task nor the timer is left behind */
  CHECK_SAID("woken");
  uv_close((uv_handle_t *)&timer, NULL);
  give_back(mine);
}

static void start_sleeper(uv_timer_t *timer) {
  tideR_call *call;
  spawn_sleeper(timer->data, 1, "slept");
  CHECK_EQ(
      tideR_call_at(timer->data, tideR_deadline(timer->data, 50e-3), &call), 0);
}

TEST(a_callback_of_the_hosts_starts_tasks_and_sets_deadlines) {
  tideR_runtime *mine = borrow();
  uv_timer_t timer;
  ((world *)tideR_runtime_data(mine))->on_call = say_call;
  uv_timer_init(&host, &timer);
  timer.data = mine;
  uv_timer_start(&timer, start_sleeper, 1, 0);
  run_host();
  CHECK_SAID("slept call");
  uv_close((uv_handle_t *)&timer, NULL);
  give_back(mine);
}

TEST(an_earlier_deadline_set_between_iterations_is_kept) {
  tideR_runtime *mine = borrow();
  tideR_call *call;
  actor *a = spawn_sleeper(mine, 60000, "never");
  uint64_t start = uv_hrtime();
  ((world *)tideR_runtime_data(mine))->on_call = say_call;
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK_EQ(tideR_call_at(mine, tideR_deadline(mine, 2e-3), &call), 0);
  for (int i = 0; i < 10 && said[0] == '\0'; i++)
    uv_run(&host, UV_RUN_ONCE);
  CHECK_SAID("call");
  CHECK(uv_hrtime() - start < 30 * SECOND);
  CHECK(!a->done);
  give_back(mine);
}

static void runs_the_loop(actor *me) {
  BEGIN
  say("in");
  uv_run(&host, UV_RUN_NOWAIT); /* which is forbidden: but no task runs in it */
  say("out");
  TURN();
  END
}

TEST(a_step_does_not_run_inside_a_step) {
  tideR_runtime *mine = borrow();
  spawn(mine, runs_the_loop);
  spawn_named(mine, talker, "a");
  run_host(); /* on_turn checks it, too */
  CHECK_SAID("in out a1 a2");
  give_back(mine);
}

/* ---- next_tick, and waiting until all are blocked ---- */

static uv_prepare_t counter;
static long iterations;

static void on_count(uv_prepare_t *prepare) {
  (void)prepare;
  iterations++;
}

static void ticks(actor *me) {
  BEGIN
  while (me->n-- > 0) {
    me->arg = (void *)iterations;
    TICK();
    CHECK_EQ(iterations, (long)me->arg + 1);
  }
  say("ticked");
  END
}

TEST(next_tick_is_the_next_iteration) {
  tideR_runtime *mine;
  CHECK_EQ(uv_loop_init(&host), 0);
  uv_prepare_init(&host, &counter);
  uv_unref((uv_handle_t *)&counter);
  mine = runtime_on(&host);
  uv_prepare_start(&counter, on_count); /* before ours: last in, first run */
  spawn(mine, ticks)->n = 5;
  run_host();
  CHECK_SAID("ticked");
  uv_close((uv_handle_t *)&counter, NULL);
  give_back(mine);
}

static void idler(actor *me) {
  BEGIN
  AWAIT(tideR_park_idle(me->rt, me->task));
  say("idle");
  END
}

static void spins(actor *me) {
  BEGIN
  while (me->n-- > 0)
    TURN();
  say("spun");
  END
}

TEST(an_idle_waiter_is_woken_when_all_others_wait) {
  tideR_runtime *mine = borrow();
  spawn(mine, idler);
  spawn(mine, spins)->n = 20;
  spawn_sleeper(mine, 50, "slept");
  run_host();
  CHECK_SAID("spun idle slept");
  give_back(mine);
}

/* ---- promises, and what is ours ---- */

static void drop_waker(uv_timer_t *timer) {
  tideR_waker_drop(timer->data);
}

TEST(a_promise_keeps_uv_run_from_returning) {
  tideR_runtime *mine = borrow();
  uv_timer_t timer;
  tideR_waker_add(mine);
  CHECK(uv_loop_alive(&host));
  uv_timer_init(&host, &timer);
  timer.data = mine;
  uv_timer_start(&timer, drop_waker, 2, 0);
  uv_unref((uv_handle_t *)&timer);
  run_host();
  CHECK_EQ(stats(mine).wakers, 0);
  uv_close((uv_handle_t *)&timer, NULL);
  give_back(mine);
}

TEST(who_sleeps_for_ever_is_not_deadlocked) {
  tideR_runtime *mine = borrow();
  actor *a = spawn(mine, sleeps_for_ever);
  tideR_loop_main(mine, a->task);
  for (int i = 0; i < 5; i++)
    CHECK(uv_run(&host, UV_RUN_NOWAIT) != 0);
  CHECK_EQ(tideR_task_cancel(mine, a->task), 0);
  run_host();
  CHECK_SAID("cancelled");
  give_back(mine);
}

TEST(a_waiting_main_task_is_not_told_of_a_deadlock) {
  tideR_runtime *mine = borrow();
  tideR_waitq queue = new_queue();
  actor *a = spawn_arg(mine, waiter, &queue, "woken");
  tideR_loop_main(mine, a->task);
  run_host();
  CHECK(!a->done);
  tideR_waitq_wake_all(mine, &queue);
  run_host();
  CHECK_SAID("woken");
  give_back(mine);
}

TEST(only_what_is_ours_counts) {
  tideR_runtime *mine = borrow();
  alarm_clock clock;
  ring(&clock, 60000);
  CHECK(!tideR_loop_alive(mine));
  CHECK(tideR_loop_timeout(mine) < 0);
  CHECK_EQ(stats(mine).handles, 0);
  spawn_sleeper(mine, 100000, "");
  CHECK_EQ(tideR_loop_timeout(mine), 0);
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK(tideR_loop_timeout(mine) > 90);
  CHECK_EQ(stats(mine).handles, 0);
  uv_close((uv_handle_t *)&clock.timer, NULL);
  give_back(mine);
}

/* ---- input and signals ---- */

TEST(an_input_is_read_and_keeps_uv_run_from_returning) {
  tideR_runtime *mine = borrow();
  int ends[2];
  tideR_stream *input = open_pipe(mine, ends);
  spawn_arg(mine, reads, input, "");
  uv_run(&host, UV_RUN_NOWAIT);
  CHECK_EQ(stats(mine).handles, 1);
  CHECK(tideR_loop_alive(mine));
  CHECK(isinf(tideR_loop_timeout(mine)));
  CHECK_EQ(write(ends[1], "text", 4), 4);
  run_host();
  CHECK_SAID("text");
  CHECK_EQ(stats(mine).handles, 0);
  CHECK(!tideR_loop_alive(mine));
  tideR_handle_release(&input->handle);
  give_back(mine);
  close(ends[1]);
}

static void send_signal(uv_timer_t *timer) {
  (void)timer;
  raise(SIGUSR1);
}

TEST(a_signal_wakes_a_task) {
  tideR_runtime *mine = borrow();
  tideR_signal watched;
  uv_timer_t timer;
  tideR_signal_init(&watched);
  CHECK_EQ(tideR_signal_watch(mine, &watched, SIGUSR1, false, NULL), 0);
  spawn_arg(mine, awaits_signal, &watched, "");
  uv_timer_init(&host, &timer);
  uv_timer_start(&timer, send_signal, 1, 0);
  run_host();
  CHECK_SAID("signal");
  tideR_signal_unwatch(&watched);
  uv_close((uv_handle_t *)&timer, NULL);
  give_back(mine);
}

/* ---- the clock ---- */

TEST(a_clock_that_stands_wakes_nobody_until_it_goes_on) {
  tideR_runtime *mine = borrow();
  CHECK_EQ(tideR_clock_speed(mine, 0), 0);
  spawn_sleeper(mine, 0, "a");
  spawn_sleeper(mine, 5, "b");
  for (int i = 0; i < 3; i++)
    CHECK(uv_run(&host, UV_RUN_ONCE) != 0);
  CHECK_SAID("a");
  CHECK(isinf(tideR_loop_timeout(mine)));
  CHECK_EQ(tideR_clock_speed(mine, 1), 0);
  run_host();
  CHECK_SAID("b");
  give_back(mine);
}
