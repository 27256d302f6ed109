/* test_listener.c: signals that are waited for. */
#include <sys/wait.h>

#include "handlers.h"
#include "listener.h"

static tideR_listener *listener;

static tideR_listener *listen_to(tideR_runtime *rt, int a, int b) {
  int numbers[2] = {a, b};
  tideR_listener *it = NULL;
  CHECK_EQ(tideR_listener_new(rt, numbers, 2, false, &it), 0);
  return it;
}

static tideR_listener *listen_once(tideR_runtime *rt, int a) {
  tideR_listener *it = NULL;
  CHECK_EQ(tideR_listener_new(rt, &a, 1, true, &it), 0);
  return it;
}

static void release(tideR_listener *it) {
  tideR_handle_release(tideR_listener_handle(it));
}

static int take(tideR_listener *it) {
  int number = tideR_listener_see(it);
  if (number != 0)
    tideR_listener_take(it, number);
  return number;
}

static void waits(actor *me) {
  BEGIN
  AWAIT(tideR_listener_park(me->rt, me->task, me->arg));
  say("%s%d", me->raised ? "!" : "", me->raised ? 0 : take(me->arg));
  END
}

static actor *wait_for(tideR_runtime *rt, tideR_listener *it) {
  actor *a = spawn(rt, waits);
  a->arg = it;
  step(rt);
  return a;
}

static const char *number(int n) {
  static char text[16];
  snprintf(text, sizeof text, "%d", n);
  return text;
}

TEST(what_comes_first_is_taken_first) {
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  CHECK(!tideR_listener_ready(listener));
  raise(SIGUSR2);
  raise(SIGUSR1);
  raise(SIGUSR2); /* one with the first */
  CHECK(tideR_listener_ready(listener));
  CHECK_EQ(take(listener), SIGUSR2);
  CHECK_EQ(take(listener), SIGUSR1);
  CHECK_EQ(take(listener), 0);
  CHECK_EQ(tideR_listener_at(listener, 0), SIGUSR1);
  CHECK_EQ(tideR_listener_at(listener, 2), 0);
  release(listener);
}

TEST(who_waits_is_woken_and_counts_until_then) {
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  wait_for(rt, listener);
  CHECK_EQ(stats(rt).wakers, 1);
  CHECK_EQ(stats(rt).handles, 1);
  CHECK(tideR_listener_busy(listener));
  raise(SIGUSR1);
  run(rt);
  CHECK_SAID(number(SIGUSR1));
  CHECK(!tideR_listener_busy(listener));
  CHECK_EQ(stats(rt).wakers, 0);
  release(listener);
  CHECK_EQ(stats(rt).handles, 0);
}

/* Whatever becomes of its task then, which may have no memory to go on. */
TEST(the_only_wait_gives_the_signal_back_when_it_is_cancelled) {
  actor *a;
  set_handler(SIGUSR1, on_before);
  listener = listen_once(rt, SIGUSR1);
  CHECK(!has_handler(SIGUSR1, on_before));
  a = wait_for(rt, listener);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  CHECK(has_handler(SIGUSR1, on_before));
  CHECK_EQ(stats(rt).handles, 0);
  run(rt);
  CHECK_EQ(stats(rt).wakers, 0);
  release(listener);
}

TEST(what_came_for_the_only_wait_goes_to_who_had_it_before) {
  actor *a;
  set_handler(SIGUSR1, on_before);
  listener = listen_once(rt, SIGUSR1);
  a = wait_for(rt, listener);
  raise(SIGUSR1);
  step(rt); /* it was woken, and is yet to run */
  tideR_task_give_up(rt, a->task);
  CHECK_EQ(caught, 0);
  run(rt);
  CHECK_SAID("given up");
  CHECK_EQ(caught, 1);
  CHECK(has_handler(SIGUSR1, on_before));
  release(listener);
}

TEST(a_cancelled_wait_takes_nothing) {
  actor *a;
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  a = wait_for(rt, listener);
  CHECK_EQ(tideR_task_cancel(rt, a->task), 0);
  raise(SIGUSR1);
  run(rt);
  CHECK_SAID("!0");
  CHECK_EQ(stats(rt).wakers, 0);
  CHECK(!tideR_listener_busy(listener));
  CHECK_EQ(take(listener), SIGUSR1);
  release(listener);
}

TEST(what_a_dead_waiter_was_woken_with_is_the_next_ones) {
  actor *a;
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  a = wait_for(rt, listener);
  raise(SIGUSR1);
  step(rt); /* it was woken, and is yet to run */
  CHECK(!a->done && tideR_listener_busy(listener));
  tideR_task_give_up(rt, a->task);
  run(rt);
  CHECK_SAID("given up");
  CHECK(!tideR_listener_busy(listener));
  CHECK_EQ(take(listener), SIGUSR1);
  release(listener);
}

TEST(a_close_wakes_who_waits_and_puts_the_handlers_back) {
  set_handler(SIGUSR1, on_before);
  set_handler(SIGUSR2, SIG_IGN);
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  CHECK(!has_handler(SIGUSR1, on_before) && !has_handler(SIGUSR2, SIG_IGN));
  wait_for(rt, listener);
  tideR_handle_close(tideR_listener_handle(listener));
  CHECK(has_handler(SIGUSR1, on_before) && has_handler(SIGUSR2, SIG_IGN));
  run(rt);
  CHECK_SAID("0");
  CHECK(tideR_listener_ready(listener));
  CHECK_EQ(take(listener), 0);
  release(listener);
  set_handler(SIGUSR1, SIG_DFL);
  set_handler(SIGUSR2, SIG_DFL);
}

TEST(what_nobody_has_taken_goes_to_who_had_it_before) {
  set_handler(SIGUSR1, on_before);
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  CHECK_EQ(caught, 0);
  release(listener);
  CHECK_EQ(caught, 1);
  set_handler(SIGUSR1, SIG_DFL);
}

TEST(but_not_if_another_saw_it) {
  tideR_listener *other;
  set_handler(SIGUSR1, on_before);
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  other = listen_to(rt, SIGUSR2, SIGUSR1);
  raise(SIGUSR1);
  release(listener);
  CHECK_EQ(caught, 0);
  CHECK_EQ(take(other), SIGUSR1);
  release(other);
  CHECK_EQ(caught, 0);
  CHECK(has_handler(SIGUSR1, on_before));
  set_handler(SIGUSR1, SIG_DFL);
}

TEST(all_listeners_see_it_in_all_runtimes) {
  tideR_runtime *other = runtime_new();
  tideR_listener *second = listen_to(rt, SIGUSR1, SIGUSR2),
                 *third = listen_to(other, SIGUSR1, SIGUSR2);
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  CHECK_EQ(take(listener), SIGUSR1);
  CHECK_EQ(take(second), SIGUSR1);
  CHECK_EQ(take(third), SIGUSR1);
  release(second);
  release(third);
  runtime_free(other);
  release(listener);
}

TEST(the_end_of_a_runtime_closes_it) {
  tideR_runtime *other = runtime_new();
  set_handler(SIGUSR1, on_before);
  listener = listen_to(other, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  runtime_free(other);
  CHECK_EQ(caught, 1);
  CHECK(has_handler(SIGUSR1, on_before));
  release(listener);
  set_handler(SIGUSR1, SIG_DFL);
}

TEST(an_interrupt_that_is_listened_to_is_none) {
  set_handler(SIGINT, on_before);
  CHECK_EQ(tideR_interrupt_watch(rt), 0);
  listener = listen_to(rt, SIGINT, SIGTERM);
  for (int i = 0; i < 3; i++)
    raise(SIGINT);
  step(rt);
  CHECK_EQ(caught, 0);
  CHECK(!tideR_interrupt_take(rt));
  CHECK_EQ(take(listener), SIGINT);
  release(listener);
  raise(SIGINT);
  CHECK(tideR_interrupt_take(rt));
  tideR_interrupt_unwatch(rt);
  CHECK(has_handler(SIGINT, on_before));
  set_handler(SIGINT, SIG_DFL);
}

TEST(what_cannot_be_waited_for_is_refused) {
  int kill = SIGKILL;
  CHECK(!tideR_signal_is_heard(SIGKILL) && !tideR_signal_is_heard(SIGSTOP));
  CHECK(!tideR_signal_is_heard(SIGSEGV) && !tideR_signal_is_heard(SIGCHLD));
  CHECK(tideR_signal_is_heard(SIGINT) && tideR_signal_is_heard(SIGWINCH));
  CHECK_EQ(tideR_listener_new(rt, &kill, 1, false, &listener), UV_EINVAL);
  CHECK(listener == NULL);
  CHECK_EQ(stats(rt).handles, 0);
}

static void end_in_child(tideR_runtime *rt) {
  tideR_runtime *mine = runtime_new();
  tideR_listener *anew;
  tideR_runtime_free(rt, NULL, NULL);
  release(listener);
  if (caught > 0) /* it is the parent's */
    _exit(1);
  anew = listen_to(mine, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  _exit(take(anew) == SIGUSR1 ? 0 : 2);
}

TEST(the_child_of_a_fork_has_its_own) {
  int status = -1;
  pid_t child;
  set_handler(SIGUSR1, on_before);
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  raise(SIGUSR1);
  child = fork();
  if (child == 0)
    end_in_child(rt);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK_EQ(status, 0);
  CHECK_EQ(take(listener), SIGUSR1);
  release(listener);
  set_handler(SIGUSR1, SIG_DFL);
}

static void raise_here(void *arg) {
  (void)arg;
  uv_sleep(2);
  raise(SIGUSR1);
}

TEST(one_that_comes_in_another_thread_ends_a_poll) {
  uv_thread_t thread;
  listener = listen_to(rt, SIGUSR1, SIGUSR2);
  wait_for(rt, listener);
  CHECK_EQ(uv_thread_create(&thread, raise_here, NULL), 0);
  run(rt); /* or hangs */
  uv_thread_join(&thread);
  CHECK_SAID(number(SIGUSR1));
  release(listener);
}
