/* test_borrowed_end.c: the end of a runtime on a host's loop, and several. */
#include <sys/wait.h>

#include "host_loop.h"

/* ---- the end ---- */

static void free_it(uv_timer_t *timer) {
  free_on(timer->data);
  CHECK(!is_freed);
}

TEST(a_callback_of_the_hosts_frees_it) {
  tideR_runtime *mine = borrow();
  tideR_waitq queue = new_queue();
  bool never = false;
  uv_timer_t timer;
  spawn_arg(mine, spinner, &never, "");
  spawn_sleeper(mine, 100000, "never");
  spawn(mine, sleeps_for_ever);
  spawn_arg(mine, waiter, &queue, "never");
  uv_timer_init(&host, &timer);
  timer.data = mine;
  uv_timer_start(&timer, free_it, 2, 0);
  run_host();
  CHECK(is_freed);
  CHECK_SAID("");
  uv_close((uv_handle_t *)&timer, NULL);
  end_host();
}

TEST(it_ends_with_its_turn) {
  tideR_runtime *mine = borrow();
  ((world *)tideR_runtime_data(mine))->after = free_on;
  spawn_named(mine, talker, "a");
  spawn_sleeper(mine, 100000, "never");
  run_host();
  CHECK(is_freed);
  CHECK_SAID("a1");
  end_host();
}

TEST(it_ends_with_inputs_open_and_signals_watched) {
  tideR_runtime *mine = borrow();
  tideR_signal watched;
  tideR_stream *input;
  int ends[2], more[2];
  input = open_pipe(mine, ends);
  spawn_arg(mine, reads, input, "");
  tideR_signal_init(&watched);
  CHECK_EQ(tideR_signal_watch(mine, &watched, SIGUSR1, false, NULL), 0);
  spawn_arg(mine, awaits_signal, &watched, "");
  uv_run(&host, UV_RUN_NOWAIT);
  tideR_handle_release(&open_pipe(mine, more)->handle); /* is closing still */
  free_on(mine);
  CHECK(!is_freed);
  CHECK(watched.rt == NULL);
  run_host();
  CHECK(is_freed);
  CHECK_SAID("");
  end_host();
  tideR_handle_release(&input->handle);
  close(ends[1]);
  close(more[1]);
}

TEST(it_ends_before_the_loop_has_run) {
  tideR_runtime *mine = borrow();
  spawn_named(mine, talker, "never");
  free_on(mine);
  run_host();
  CHECK(is_freed);
  CHECK_SAID("");
  end_host();
}

TEST(the_hosts_handles_live_on) {
  tideR_runtime *mine = borrow();
  alarm_clock clock;
  ring(&clock, 2);
  free_on(mine);
  run_host();
  CHECK(is_freed);
  CHECK(clock.rang);
  uv_close((uv_handle_t *)&clock.timer, NULL);
  end_host();
}

/* The host has made its loop anew: that is not done again. */
TEST(the_child_of_a_fork_ends_its_copy_only) {
  tideR_runtime *mine = borrow();
  int status = -1;
  pid_t child;
  spawn_sleeper(mine, 20, "slept");
  uv_run(&host, UV_RUN_NOWAIT);
  fflush(stdout);
  child = fork();
  if (child == 0) {
    CHECK_EQ(uv_loop_fork(&host), 0);
    free_on(mine);
    end_host();
    _exit(test_failures > 0 || !is_freed);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  run_host(); /* the parent's still polls */
  CHECK_SAID("slept");
  give_back(mine);
}

/* ---- several on one loop ---- */

TEST(two_runtimes_share_a_loop) {
  tideR_runtime *mine = borrow();
  tideR_runtime *other = runtime_on(&host);
  spawn_named(mine, talker, "a");
  spawn_named(other, talker, "b");
  spawn_sleeper(mine, 50, "slow");
  spawn_sleeper(other, 1, "quick");
  run_host();
  CHECK_EQ(stats(mine).tasks + stats(other).tasks, 0);
  CHECK(strstr(said, "quick slow") != NULL);
  said[0] = '\0';
  spawn_sleeper(other, 2, "left");
  runtime_free(mine);
  run_host();
  CHECK_SAID("left");
  give_back(other);
}

static void frees_the_other(actor *me) {
  tideR_runtime *other = me->arg;
  runtime_free(other);
  say("freed");
}

TEST(a_task_ends_another_runtime_of_the_loop) {
  tideR_runtime *mine = borrow();
  tideR_runtime *other = runtime_on(&host);
  spawn_sleeper(other, 100000, "never");
  spawn_arg(mine, frees_the_other, other, "");
  spawn_sleeper(mine, 1, "slept");
  run_host();
  CHECK_SAID("freed slept");
  give_back(mine);
}
