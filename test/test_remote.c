/* test_remote.c: posts from any thread, and remotes as promises. */
#include <setjmp.h>

#include "remotes.h"

/* ---- the runtime blocks: a thread may go on ---- */

static uv_sem_t blocks;

static void tell_blocking(tideR_runtime *rt, bool begins, bool blocking) {
  (void)rt;
  if (begins && blocking)
    uv_sem_post(&blocks);
}

static void tell_nothing(tideR_runtime *rt, tideR_task *task) {
  (void)rt;
  (void)task;
}

static const tideR_watcher watcher = {tell_nothing, tell_nothing,
                                      tell_blocking};

/* Runs while a thread does `body` as soon as that blocks. */
static void run_beside(tideR_runtime *rt, void (*body)(void *arg), void *arg) {
  uv_thread_t thread;
  uv_sem_init(&blocks, 0);
  tideR_watch(rt, &watcher);
  CHECK_EQ(uv_thread_create(&thread, body, arg), 0);
  run(rt);
  uv_thread_join(&thread);
  tideR_watch(rt, NULL);
  uv_sem_destroy(&blocks);
}

/* ---- order ---- */

TEST(posts_of_one_remote_are_fifo) {
  tideR_remote *remote = remote_new(rt);
  post(remote, "a");
  post(remote, "b");
  post(remote, "c");
  CHECK_SAID(""); /* not in the post */
  step(rt);
  CHECK_SAID("a b c");
  post(remote, "d");
  post(remote, "e");
  step(rt);
  CHECK_SAID("d e");
  tideR_remote_release(remote);
}

TEST(posts_of_several_remotes_are_fifo) {
  tideR_remote *one = remote_new(rt), *two = remote_new(rt);
  post(one, "a");
  post(two, "b");
  post(one, "c");
  tideR_remote_release(one);
  post(two, "d");
  tideR_remote_release(two);
  step(rt);
  CHECK_SAID("a b c d");
}

static void say_call(tideR_runtime *rt, tideR_call *call) {
  (void)rt;
  (void)call;
  say("call");
}

static void say_task(actor *me) {
  (void)me;
  say("task");
}

TEST(posts_run_among_the_calls_of_their_turn) {
  tideR_remote *remote = remote_new(rt);
  tideR_call *call;
  ((world *)tideR_runtime_data(rt))->on_call = say_call;
  spawn(rt, say_task);
  CHECK_EQ(tideR_call_soon(rt, &call), 0);
  post(remote, "post");
  step(rt);
  CHECK_SAID("call post task");
  tideR_remote_release(remote);
}

/* ---- how many in a turn ---- */

TEST(a_turn_runs_a_bounded_batch) {
  tideR_remote *remote = remote_new(rt);
  int counter = 0;
  post_counts(remote, 600, &counter);
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(counter, 256);
  post_counts(remote, 10, &counter);
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_EQ(counter, 512);
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  CHECK_EQ(counter, 610);
  CHECK_EQ(stats(rt).turns, 3);
  tideR_remote_release(remote);
}

TEST(a_whole_batch_leaves_nothing_ready) {
  tideR_remote *remote = remote_new(rt);
  int counter = 0;
  post_counts(remote, 256, &counter);
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  CHECK_EQ(counter, 256);
  tideR_remote_release(remote);
}

static void watch_counter(actor *me) {
  int *counter = me->arg;
  BEGIN
  for (; *counter < 600; me->n++) {
    say("%d", *counter);
    TURN();
  }
  END
}

TEST(tasks_run_between_the_batches) {
  tideR_remote *remote = remote_new(rt);
  int counter = 0;
  post_counts(remote, 600, &counter);
  spawn(rt, watch_counter)->arg = &counter;
  for (int i = 0; i < 4; i++)
    step(rt);
  CHECK_SAID("256 512");
  CHECK_EQ(counter, 600);
  tideR_remote_release(remote);
}

/* Posts itself, until it is told not to. */
static tideR_remote *again_by;
static bool again;
static int rounds;

static void post_again(struct tide_runtime *rt, void *arg) {
  if (rt != NULL && again) {
    rounds++;
    CHECK_EQ(tideR_remote_post(again_by, post_again, arg), 0);
  }
}

static void start_again(tideR_runtime *rt) {
  again = true;
  rounds = 0;
  again_by = remote_new(rt);
  CHECK_EQ(tideR_remote_post(again_by, post_again, NULL), 0);
}

static void stop_again(actor *me) {
  BEGIN
  for (; me->n < 100; me->n++)
    TURN();
  SLEEP(0.002);
  again = false;
  tideR_remote_release(again_by);
  END
}

TEST(posts_that_post_again_starve_neither_tasks_nor_timers) {
  actor *a = spawn(rt, stop_again);
  tideR_clock_virtual(rt, false);
  start_again(rt);
  run(rt);
  CHECK(a->done);
  CHECK(rounds > 0);
}

TEST(what_a_post_posts_comes_in_a_later_turn) {
  start_again(rt);
  step(rt);
  CHECK_EQ(rounds, 1);
  step(rt);
  CHECK_EQ(rounds, 2);
  again = false;
  tideR_remote_release(again_by);
  run(rt);
}

/* ---- who is woken ---- */

static void post_in_thread(tideR_remote *remote) {
  uv_thread_t thread;
  CHECK_EQ(uv_thread_create(&thread, post_word, remote), 0);
  uv_thread_join(&thread);
}

TEST(a_post_makes_a_step_due) {
  tideR_remote *remote = remote_new(rt);
  step(rt);
  CHECK(tideR_loop_timeout(rt) > 1e300);
  CHECK(!is_readable(rt));
  post_in_thread(remote);
  CHECK(tideR_loop_timeout(rt) <= 0);
  CHECK(is_readable(rt));
  CHECK(!tideR_loop_step_is_poll(rt));
  step(rt);
  CHECK_SAID("posted");
  CHECK(tideR_loop_timeout(rt) > 1e300);
  CHECK(!is_readable(rt));
  tideR_remote_release(remote);
  step(rt);
  CHECK(!is_readable(rt));
}

TEST(a_signal_leaves_no_step_due) {
  static tideR_signal watched;
  tideR_signal_init(&watched);
  CHECK_EQ(tideR_signal_watch(rt, &watched, SIGUSR1, false, NULL), 0);
  raise(SIGUSR1);
  CHECK(is_readable(rt));
  step(rt);
  CHECK(!is_readable(rt));
  tideR_signal_unwatch(&watched);
}

TEST(a_post_before_the_first_step_is_seen) {
  tideR_remote *remote = remote_new(rt);
  post(remote, "early");
  CHECK(tideR_loop_alive(rt));
  CHECK(tideR_loop_timeout(rt) <= 0);
  step(rt);
  CHECK_SAID("early");
  tideR_remote_release(remote);
}

TEST(virtual_time_stands_still_for_a_post) {
  tideR_remote *remote = remote_new(rt);
  tideR_call *call;
  ((world *)tideR_runtime_data(rt))->on_call = say_call;
  CHECK_EQ(tideR_call_at(rt, tideR_deadline(rt, 1), &call), 0);
  post(remote, "post");
  tideR_remote_release(remote);
  run(rt);
  CHECK_SAID("post call");
}

static void post_and_release(void *remote) {
  uv_sem_wait(&blocks);
  post(remote, "posted");
  tideR_remote_release(remote);
}

TEST(a_post_ends_a_blocking_wait) {
  run_beside(rt, post_and_release, remote_new(rt));
  CHECK_SAID("posted");
}

static void say_woken(void *ud) {
  say("%s", (char *)ud);
}

TEST(who_steps_is_told_of_the_first_post) {
  tideR_remote *remote;
  tideR_remote_on_post(rt, say_woken, "one"); /* before there is a remote */
  remote = remote_new(rt);
  post(remote, "a");
  CHECK_SAID("one");
  post(remote, "b");
  CHECK_SAID("");
  step(rt);
  CHECK_SAID("a b");
  tideR_remote_on_post(rt, say_woken, "two");
  post(remote, "c");
  CHECK_SAID("two");
  step(rt);
  tideR_remote_on_post(rt, NULL, NULL);
  post(remote, "d");
  step(rt);
  CHECK_SAID("c d");
  tideR_remote_release(remote);
}

/* ---- a remote is a promise ---- */

TEST(each_remote_is_a_waker_until_its_release) {
  tideR_remote *one = remote_new(rt), *two = remote_new(rt);
  CHECK_EQ(stats(rt).wakers, 2);
  CHECK(tideR_remote_retain(one) == one);
  tideR_remote_release(one);
  CHECK_EQ(stats(rt).wakers, 2);
  tideR_remote_release(one);
  CHECK_EQ(stats(rt).wakers, 1);
  CHECK(tideR_loop_alive(rt));
  tideR_remote_release(two);
  CHECK_EQ(stats(rt).wakers, 0);
  CHECK(!tideR_loop_alive(rt));
  tideR_remote_release(NULL);
}

static void release(void *remote) {
  uv_sem_wait(&blocks);
  tideR_remote_release(remote);
}

TEST(the_release_of_the_last_remote_ends_a_run) {
  tideR_remote *other = remote_new(rt);
  tideR_remote *last = remote_new(rt);
  tideR_remote_release(other);
  run_beside(rt, release, last);
  CHECK(!tideR_loop_alive(rt));
}

TEST(the_release_of_the_last_remote_is_a_deadlock) {
  tideR_waitq queue = new_queue();
  actor *main = root(rt);
  tideR_waitq_park(rt, main->task, &queue);
  run_beside(rt, release, remote_new(rt));
  CHECK_EQ(main->task->status, TIDE_DEADLOCKED);
}

TEST(a_queued_post_is_no_deadlock) {
  tideR_remote *remote = remote_new(rt);
  post(remote, "last");
  tideR_remote_release(remote);
  CHECK(tideR_loop_alive(rt));
  run(rt);
  CHECK_SAID("last");
  CHECK(!tideR_loop_alive(rt));
}

static tideR_remote *made;

static void make_remote(struct tide_runtime *rt, void *arg) {
  made = remote_new((tideR_runtime *)rt);
  post(made, "made");
  tideR_remote_release(arg);
}

TEST(a_post_makes_and_releases_remotes) {
  tideR_remote *remote = remote_new(rt);
  CHECK_EQ(tideR_remote_post(remote, make_remote, remote), 0);
  step(rt);
  step(rt);
  CHECK_SAID("made");
  CHECK_EQ(stats(rt).wakers, 1);
  tideR_remote_release(made);
}

/* ---- hooks that do not return well ---- */

static int refusals;

static bool refuse(tideR_runtime *rt, const tideR_post *post) {
  if (refusals-- > 0)
    return false;
  post->fn((struct tide_runtime *)rt, post->arg);
  return true;
}

TEST(what_could_not_begin_stays_the_first) {
  tideR_remote *remote = remote_new(rt);
  on_posts(rt, refuse);
  refusals = 2;
  post(remote, "a");
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  post(remote, "b");
  CHECK_EQ(tideR_loop_step(rt, 0), 1);
  CHECK_SAID("");
  CHECK_EQ(tideR_loop_step(rt, 0), 0);
  CHECK_SAID("a b");
  refusals = 3;
  post(remote, "c");
  post(remote, "d");
  tideR_remote_release(remote);
  run(rt);
  CHECK_SAID("c d");
}

static jmp_buf out;

/* A word in capitals does not return. */
static bool leave(tideR_runtime *rt, const tideR_post *post) {
  const char *word = post->arg;
  post->fn((struct tide_runtime *)rt, post->arg);
  if (*word < 'a')
    longjmp(out, 1);
  return true;
}

static void step_over(tideR_runtime *rt) {
  if (setjmp(out) == 0)
    step(rt);
  else
    CHECK(tideR_recover(rt) == NULL);
}

TEST(a_post_that_is_left_by_longjmp_has_been_run) {
  tideR_remote *remote = remote_new(rt);
  on_posts(rt, leave);
  post(remote, "a");
  post(remote, "B");
  post(remote, "c");
  post(remote, "D");
  step_over(rt);
  CHECK_SAID("a B");
  CHECK(tideR_loop_ready(rt));
  step_over(rt);
  CHECK_SAID("c D");
  CHECK(!tideR_loop_ready(rt));
  post(remote, "e");
  step_over(rt);
  CHECK_SAID("e");
  tideR_remote_release(remote);
}

TEST(a_post_that_was_left_is_not_called_again_at_the_end) {
  tideR_runtime *mine = runtime_new();
  tideR_remote *remote = remote_new(mine);
  on_posts(mine, leave);
  post(remote, "A");
  post(remote, "b");
  step_over(mine);
  runtime_free(mine);
  CHECK_SAID("A b-");
  tideR_remote_release(remote);
}
