/* test_loop.c: driving the loop, by steps and by run. */
#include <math.h>
#include <setjmp.h>
#include <sys/wait.h>

#include "test.h"

static void talker(actor *me) {
  BEGIN
  say("%s1", me->name);
  TURN();
  say("%s2", me->name);
  END
}

/* Gives up its turn me->n times. */
static void spinner(actor *me) {
  BEGIN
  while (me->n-- > 0)
    TURN();
  say("spun");
  END
}

static void sleeper(actor *me) {
  BEGIN
  SLEEP(me->n);
  say("slept");
  END
}

static void sleeps_for_ever(actor *me) {
  BEGIN
  SLEEP(INFINITY);
  say("%s", me->raised ? "cancelled" : "slept");
  END
}

/* ---- steps ---- */

TEST(a_step_tells_whether_work_is_ready) {
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  spawn_named(rt, talker, "a");
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  spawn(rt, sleeper)->n = 1;
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  tideR_clock_advance(rt, 1);
  tideR_loop_step(rt, 0);
  CHECK_SAID("a1 a2 slept");
}

TEST(a_step_with_a_budget_makes_many_turns) {
  spawn(rt, spinner)->n = 100;
  tideR_clock_virtual(rt, false);
  CHECK_EQ(tideR_loop_step(rt, INFINITY), 0);
  CHECK_SAID("spun");
  CHECK_EQ(stats(rt).polls, 1);
}

static void leaver(actor *me) {
  tideR_loop_leave(me->rt);
}

TEST(a_step_that_is_left_looks_for_no_events) {
  spawn(rt, leaver);
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  CHECK_EQ(stats(rt).polls, 0);
}

static void numbered(actor *me) {
  say("%ld", me->n);
}

TEST(a_step_that_ends_within_a_turn_goes_on_with_it) {
  tideR_clock_virtual(rt, false);
  for (long i = 0; i < 20; i++)
    spawn(rt, numbered)->n = i;
  CHECK_EQ(tideR_loop_step(rt, 1e-9), 1);
  CHECK_EQ(stats(rt).switches, 8); /* the clock is read every 8th */
  CHECK_EQ(stats(rt).ready, 12);
  spawn(rt, numbered)->n = 20; /* behind them */
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  CHECK_SAID("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20");
}

TEST(a_budget_is_real_time_also_when_time_is_virtual) {
  spawn(rt, spinner)->n = 3000000;
  CHECK_EQ(tideR_loop_step(rt, 1e-4), 1);
  CHECK_SAID("");
}

static void drives_inside(actor *me) {
  CHECK(tideR_loop_running(me->rt));
  CHECK_EQ(tideR_loop_step(me->rt, 0), UV_EBUSY);
  CHECK_EQ(tideR_loop_run(me->rt), UV_EBUSY);
  CHECK(tideR_loop_running(me->rt));
}

TEST(driving_is_refused_inside) {
  spawn(rt, drives_inside);
  CHECK(!tideR_loop_running(rt));
  run(rt);
  spawn(rt, drives_inside);
  step(rt);
  CHECK(!tideR_loop_running(rt));
}

/* ---- when a step is due, and whether ever ---- */

static void on_uv(uv_timer_t *timer) {
  (void)timer;
}

TEST(the_timeout_is_until_the_next_step_is_due) {
  uv_timer_t timer;
  CHECK(!tideR_loop_alive(rt));
  CHECK(tideR_loop_timeout(rt) < 0);
  actor *a = spawn(rt, sleeper);
  a->n = 2;
  CHECK(tideR_loop_alive(rt));
  CHECK_EQ(tideR_loop_timeout(rt), 0);
  step(rt);
  CHECK(tideR_loop_alive(rt));
  CHECK_EQ(tideR_loop_timeout(rt) * 1000, 2000);
  tideR_clock_advance(rt, 1.5);
  CHECK_EQ(tideR_loop_timeout(rt) * 1000, 500);
  uv_timer_init(tideR_runtime_uv(rt), &timer);
  uv_timer_start(&timer, on_uv, 50, 0);
  CHECK_EQ(stats(rt).handles, 1);
  CHECK(tideR_loop_timeout(rt) <= 0.05);
  uv_close((uv_handle_t *)&timer, NULL);
  step(rt);
  CHECK_EQ(stats(rt).handles, 0);
  tideR_clock_advance(rt, 1);
  CHECK_EQ(tideR_loop_timeout(rt), 0); /* overdue */
  run(rt);
  CHECK(!tideR_loop_alive(rt));
  tideR_waker_add(rt);
  CHECK(tideR_loop_alive(rt));
  CHECK(isinf(tideR_loop_timeout(rt)));
  tideR_waker_drop(rt);
  CHECK(tideR_loop_fd(rt) >= 0);
}

/* ---- next_tick ---- */

static void ticks(actor *me) {
  BEGIN
  while (me->n-- > 0) {
    TICK();
    say("%s", me->name);
  }
  END
}

TEST(next_tick_waits_for_the_next_step) {
  spawn_named(rt, ticks, "tick")->n = 2;
  CHECK_EQ(tideR_loop_step(rt, INFINITY), 0); /* not in the same one */
  CHECK_SAID("");
  CHECK(tideR_loop_alive(rt));
  CHECK_EQ(tideR_loop_timeout(rt), 0);
  CHECK_EQ(tideR_loop_step(rt, INFINITY), 0);
  CHECK_SAID("tick");
  step(rt);
  CHECK_SAID("tick");
}

TEST(next_tick_is_the_next_turn_in_run) {
  spawn_named(rt, ticks, "a")->n = 2;
  spawn_named(rt, ticks, "b")->n = 2;
  run(rt);
  CHECK_SAID("a b a b");
}

/* ---- waiting until all others are blocked ---- */

static void idler(actor *me) {
  BEGIN
  AWAIT(tideR_park_idle(me->rt, me->task));
  say("idle%s", me->raised ? "!" : "");
  END
}

TEST(an_idle_waiter_goes_before_virtual_time) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn(rt, idler);
  spawn(rt, sleeper)->n = 1;
  spawn(rt, spinner)->n = 100;
  tideR_loop_main(rt, a->task);
  run(rt);
  CHECK_SAID("spun idle");
  CHECK_EQ(tideR_now(rt), start);
  run(rt);
  CHECK_SAID("slept");
}

TEST(an_idle_waiter_is_woken_by_steps_too) {
  spawn(rt, idler);
  spawn(rt, spinner)->n = 2;
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(tideR_loop_timeout(rt), 0);
  step(rt);
  CHECK_SAID("spun");
  step(rt);
  CHECK_SAID("idle");
}

TEST(an_idle_waiter_is_cancelled) {
  actor *a = spawn(rt, idler);
  spawn(rt, spinner)->n = 3;
  step(rt);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  run(rt);
  CHECK_SAID("idle! spun");
}

/* ---- ends of a run ---- */

TEST(a_run_with_nothing_to_do_ends) {
  run(rt);
  CHECK_EQ(stats(rt).switches, 0);
}

static void stops(actor *me) {
  BEGIN
  tideR_loop_stop(me->rt);
  TURN();
  say("more");
  END
}

TEST(a_stop_ends_the_run_after_its_turn) {
  spawn(rt, stops);
  spawn_named(rt, talker, "a");
  run(rt);
  CHECK_SAID("a1");
  run(rt);
  CHECK_SAID("more a2");
}

TEST(a_run_stops_after_its_time) {
  uint64_t start = tideR_now(rt);
  spawn(rt, sleeper)->n = 10;
  CHECK_EQ(tideR_loop_stop_after(rt, 5), 0);
  run(rt);
  CHECK_EQ(tideR_now(rt), start + 5 * SECOND);
  CHECK_EQ(tideR_loop_stop_after(rt, 1), 0);
  CHECK_EQ(tideR_loop_stop_after(rt, -1), 0); /* taken back */
  run(rt);
  CHECK_SAID("slept");
  CHECK_EQ(tideR_now(rt), start + 10 * SECOND);
}

TEST(nothing_is_waited_for_only_to_stop) {
  uint64_t start = tideR_now(rt);
  CHECK_EQ(tideR_loop_stop_after(rt, 5), 0);
  CHECK(!tideR_loop_alive(rt));
  run(rt);
  CHECK_EQ(tideR_now(rt), start);
}

TEST(who_sleeps_for_ever_is_not_deadlocked_but_stopped) {
  uint64_t start = tideR_now(rt);
  tideR_loop_main(rt, spawn(rt, sleeps_for_ever)->task);
  CHECK_EQ(tideR_loop_stop_after(rt, 5), 0);
  run(rt); /* or hangs */
  CHECK_SAID("");
  CHECK_EQ(tideR_now(rt), start + 5 * SECOND);
}

TEST(who_sleeps_for_ever_is_stopped_in_real_time) {
  tideR_clock_virtual(rt, false);
  uint64_t start = tideR_now(rt);
  tideR_loop_main(rt, spawn(rt, sleeps_for_ever)->task);
  CHECK_EQ(tideR_loop_stop_after(rt, 2e-3), 0);
  run(rt);
  CHECK(tideR_now(rt) - start >= 2000000);
}

TEST(a_drain_ends_with_the_last_young_task) {
  tideR_waitq queue = new_queue();
  actor *old = spawn_arg(rt, waiter, &queue, "old");
  tideR_young_begin(rt);
  spawn(rt, sleeper)->n = 1;
  spawn(rt, sleeper)->n = 2;
  tideR_loop_drain(rt, true);
  tideR_waker_add(rt); /* no deadlock: only the drain ends it */
  run(rt);
  tideR_waker_drop(rt);
  tideR_loop_drain(rt, false);
  CHECK_SAID("slept slept");
  CHECK_EQ(old->task->state, TIDE_TASK_PARKED);
  tideR_young_end(rt);
  CHECK_EQ(tideR_young_count(rt), 1);
}

TEST(real_deadlines_end_blocking_polls) {
  tideR_clock_virtual(rt, false); /* some are due before libuv blocks */
  for (int i = 0; i < 300; i++) {
    CHECK_EQ(tideR_loop_stop_after(rt, i % 10 * 1e-4), 0);
    tideR_waker_add(rt);
    run(rt); /* or hangs */
    tideR_waker_drop(rt);
  }
}

/* ---- libuv's own work ---- */

static void work(uv_work_t *request) {
  (void)request; /* in another thread */
}

static void on_work(uv_work_t *request, int status) {
  actor *a = request->data;
  CHECK_EQ(status, 0);
  tideR_wake(a->rt, a->task, TIDE_WOKEN);
}

static const tideR_waitkind working = {"work", NULL, NULL};
static tideR_wait in_thread = {&working};

static void works(actor *me) {
  BEGIN
  AWAIT(tideR_park(me->rt, me->task, &in_thread));
  say("worked");
  END
}

TEST(a_run_waits_for_libuv_and_no_time_jumps_meanwhile) {
  uint64_t start = tideR_now(rt);
  actor *a = spawn(rt, works);
  uv_work_t request = {.data = a};
  tideR_loop_main(rt, a->task);
  spawn(rt, sleeper)->n = 1;
  CHECK_EQ(uv_queue_work(tideR_runtime_uv(rt), &request, work, on_work), 0);
  run(rt);
  CHECK_SAID("worked");
  CHECK_EQ(tideR_now(rt), start);
}

/* ---- hooks that are left by longjmp ---- */

static jmp_buf escape;

static void jumps(actor *me) {
  (void)me;
  longjmp(escape, 1);
}

static tideR_task *recovered(tideR_runtime *rt) {
  tideR_task *task = NULL;
  if (setjmp(escape) == 0)
    tideR_loop_run(rt);
  else
    task = tideR_recover(rt);
  return task;
}

TEST(the_rest_of_the_turn_runs_after_a_longjmp) {
  spawn_named(rt, talker, "a");
  actor *thrower = spawn(rt, jumps);
  spawn_named(rt, talker, "b");
  tideR_task *task = recovered(rt);
  CHECK(task == thrower->task);
  CHECK(!tideR_loop_running(rt));
  CHECK(tideR_task_current(rt) == NULL);
  CHECK_SAID("a1");
  actor_end(thrower);
  run(rt);
  CHECK_SAID("b1 a2 b2");
  CHECK_EQ(stats(rt).tasks, 0);
}

static void call_jumps(tideR_runtime *rt, tideR_call *call) {
  (void)rt;
  if (call->slot == 1)
    longjmp(escape, 1);
  say("call");
}

TEST(the_other_calls_run_after_a_longjmp) {
  tideR_call *call;
  ((world *)tideR_runtime_data(rt))->on_call = call_jumps;
  tideR_call_soon(rt, &call);
  tideR_call_soon(rt, &call);
  spawn_named(rt, talker, "a");
  CHECK(recovered(rt) == NULL);
  run(rt);
  CHECK_SAID("call a1 a2");
}

/* ---- many runtimes ---- */

TEST(two_runtimes_side_by_side) {
  tideR_runtime *other = runtime_new();
  uint64_t start = tideR_now(rt);
  spawn_named(rt, talker, "a");
  spawn_named(other, talker, "b");
  spawn(other, sleeper)->n = 1;
  step(rt);
  step(other);
  step(rt);
  run(other);
  CHECK_SAID("a1 b1 a2 b2 slept");
  CHECK_EQ(tideR_now(rt), start); /* a clock each */
  CHECK_EQ(stats(rt).spawned, 1);
  runtime_free(other);
}

static void drives_another(actor *me) {
  run(me->arg);
  CHECK(tideR_task_current(me->rt) == me->task);
}

TEST(a_task_drives_another_runtime) {
  tideR_runtime *other = runtime_new();
  spawn_named(other, talker, "b");
  spawn_arg(rt, drives_another, other, "");
  run(rt);
  CHECK_SAID("b1 b2");
  runtime_free(other);
}

/* The lowest that is free: it rises when descriptors leak. */
static int free_descriptor(void) {
  int fd = dup(STDOUT_FILENO);
  close(fd);
  return fd;
}

TEST(a_thousand_runtimes_leave_no_descriptor) {
  int before = free_descriptor();
  for (int i = 0; i < 1000; i++) {
    tideR_runtime *other = runtime_new();
    tideR_waitq queue = new_queue();
    spawn_arg(other, waiter, &queue, ""); /* left unfinished */
    spawn(other, sleeper)->n = 1;
    spawn(other, sleeps_for_ever);
    step(other);
    spawn_named(other, talker, "never runs");
    runtime_free(other);
  }
  CHECK_SAID("");
  CHECK_EQ(free_descriptor(), before);
  tideR_runtime_free(NULL, NULL, NULL);
}

TEST(the_child_of_a_fork_frees_its_copy_only) {
  tideR_clock_virtual(rt, false);
  CHECK(!tideR_loop_forked(rt));
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    bool forked = tideR_loop_forked(rt);
    tideR_runtime_free(rt, NULL, NULL);
    _exit(forked ? 0 : 1);
  }
  int status = -1;
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(tideR_loop_stop_after(rt, 1e-3), 0);
  tideR_waker_add(rt);
  run(rt); /* the parent's still polls */
}
