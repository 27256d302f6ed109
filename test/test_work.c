/* test_work.c: work in the thread pool, cancelled and at a runtime's end. */
#include <sys/wait.h>

#include "test.h"

/* One thread: what is started while that works is queued. */
__attribute__((constructor)) static void one_thread(void) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
}

typedef struct job {
  tideR_work work; /* the first */
  char *name;
  uv_thread_t main;
  uv_sem_t begun, go_on; /* of work that waits */
  tideR_waitq waiters;
  bool worked, elsewhere;
  int ended; /* how often */
} job;

static void work_at_once(tideR_work *work) {
  job *me = (job *)work;
  uv_thread_t self = uv_thread_self();
  me->worked = true;
  me->elsewhere = !uv_thread_equal(&self, &me->main);
}

static void work_and_wait(tideR_work *work) {
  job *me = (job *)work;
  work_at_once(work);
  uv_sem_post(&me->begun);
  uv_sem_wait(&me->go_on);
}

/* "a", or "a!" if it was cancelled, and "a-" at the end of its runtime. */
static void after(tideR_work *work, int status) {
  job *me = (job *)work;
  uv_thread_t self = uv_thread_self();
  CHECK(uv_thread_equal(&self, &me->main));
  CHECK(status == 0 || status == UV_ECANCELED);
  CHECK_EQ(me->worked, status == 0);
  me->ended++;
  say("%s%s%s", me->name, status == 0 ? "" : "!", work->rt != NULL ? "" : "-");
  if (work->rt != NULL)
    tideR_waitq_wake_all(work->rt, &me->waiters);
}

static void start(tideR_runtime *rt, job *me, char *name,
                  void (*work)(tideR_work *work)) {
  memset(me, 0, sizeof *me);
  me->work.work = work;
  me->work.after = after;
  me->name = name;
  me->main = uv_thread_self();
  me->waiters = new_queue();
  CHECK_EQ(uv_sem_init(&me->begun, 0), 0);
  CHECK_EQ(uv_sem_init(&me->go_on, 0), 0);
  CHECK_EQ(tideR_work_start(rt, &me->work), 0);
  CHECK(me->work.rt == rt);
}

/* From here on it occupies the pool's thread. */
static void start_waiting(tideR_runtime *rt, job *me, char *name) {
  start(rt, me, name, work_and_wait);
  uv_sem_wait(&me->begun);
}

static void end(job *me) {
  CHECK_EQ(me->ended, 1);
  uv_sem_destroy(&me->begun);
  uv_sem_destroy(&me->go_on);
}

TEST(work_is_done_in_another_thread) {
  job a;
  start(rt, &a, "a", work_at_once);
  CHECK(tideR_loop_alive(rt));
  run(rt);
  CHECK_SAID("a");
  CHECK(a.elsewhere);
  CHECK(!tideR_loop_alive(rt));
  end(&a);
}

static void awaits(actor *me) {
  BEGIN
  WAIT(&((job *)me->arg)->waiters);
  say("awaited");
  END
}

TEST(who_waits_for_work_is_in_no_deadlock) {
  job a;
  actor *main = root(rt);
  start(rt, &a, "a", work_at_once);
  spawn(rt, awaits)->arg = &a;
  tideR_waitq_park(rt, main->task, &a.waiters);
  run(rt);
  CHECK_EQ(main->task->status, TIDE_WOKEN);
  run(rt);
  CHECK_SAID("a awaited");
  end(&a);
}

TEST(work_that_has_not_begun_is_cancelled) {
  job a, b, c;
  start_waiting(rt, &a, "a");
  start(rt, &b, "b", work_at_once);
  start(rt, &c, "c", work_at_once);
  CHECK(!tideR_work_cancel(&a.work)); /* it runs */
  CHECK(tideR_work_cancel(&b.work));
  step(rt);
  CHECK_SAID("b!");
  uv_sem_post(&a.go_on);
  run(rt);
  CHECK_SAID("a c");
  end(&a);
  end(&b);
  end(&c);
}

static void start_again(tideR_work *work, int status) {
  job *me = (job *)work;
  CHECK_EQ(status, 0);
  if (++me->ended < 3)
    CHECK_EQ(tideR_work_start(work->rt, work), 0);
}

TEST(what_is_over_may_be_started_again) {
  job a;
  start(rt, &a, "a", work_at_once);
  a.work.after = start_again;
  run(rt);
  CHECK_EQ(a.ended, 3);
  a.ended = 1;
  end(&a);
}

static int freed;

static void free_work(tideR_work *work, int status) {
  CHECK(status == 0 || status == UV_ECANCELED);
  freed++;
  free(work);
}

static void work_nothing(tideR_work *work) {
  (void)work;
}

/* Cancels every third, which may be too late. */
TEST(after_frees_its_memory) {
  freed = 0;
  for (int i = 0; i < 300; i++) {
    tideR_work *work = calloc(1, sizeof *work);
    work->work = work_nothing;
    work->after = free_work;
    CHECK_EQ(tideR_work_start(rt, work), 0);
    if (i % 3 == 0)
      tideR_work_cancel(work);
  }
  run(rt);
  CHECK_EQ(freed, 300);
}

/* ---- the end ---- */

static job *waits_on;

static void after_go_on(tideR_work *work, int status) {
  after(work, status);
  uv_sem_post(&waits_on->go_on);
}

TEST(an_end_cancels_what_is_queued_and_waits_for_what_runs) {
  tideR_runtime *mine = runtime_new();
  job a, b, c;
  start_waiting(mine, &a, "a");
  start(mine, &b, "b", work_at_once);
  start(mine, &c, "c", work_at_once);
  CHECK(tideR_work_cancel(&c.work));
  step(mine);
  CHECK_SAID("c!");
  b.work.after = after_go_on;
  waits_on = &a;
  runtime_free(mine);
  CHECK_SAID("b!- a-");
  end(&a);
  end(&b);
  end(&c);
}

static void end_in_child(tideR_runtime *rt) {
  alarm(TEST_SECONDS); /* it hangs, or not */
  runtime_free(rt);
  _exit(strcmp(said, "b!- a!-") == 0 ? 0 : 7);
}

/* What the child knows of work that runs is that it will not end there. */
static void after_in_child(tideR_work *work, int status) {
  job *me = (job *)work;
  me->worked = status == 0;
  after(work, status);
}

TEST(an_end_in_the_child_of_a_fork_waits_for_no_work) {
  int status = 0;
  pid_t child;
  job a, b;
  start_waiting(rt, &a, "a");
  start(rt, &b, "b", work_at_once);
  child = fork();
  if (child == 0) {
    a.work.after = after_in_child;
    end_in_child(rt);
  }
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  uv_sem_post(&a.go_on);
  run(rt);
  CHECK_SAID("a b");
  end(&a);
  end(&b);
}

TEST(none_begins_in_the_child_of_a_fork_on_the_loop_of_its_parent) {
  int status = 0;
  pid_t child;
  job a;
  memset(&a, 0, sizeof a);
  a.work.work = work_at_once;
  child = fork();
  if (child == 0)
    _exit(tideR_work_start(rt, &a.work) == UV_ECANCELED ? 0 : 7);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A thread that is not in the child may have had the lock that a cancel asks
 * for. */
TEST(none_of_the_parents_is_cancelled_in_the_child_of_a_fork) {
  int status = 0;
  pid_t child;
  job a, b;
  start_waiting(rt, &a, "a");
  start(rt, &b, "b", work_at_once);
  child = fork();
  if (child == 0)
    _exit(tideR_work_cancel(&b.work) ? 7 : 0);
  CHECK_EQ(waitpid(child, &status, 0), child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  uv_sem_post(&a.go_on);
  run(rt);
  CHECK_SAID("a b");
  end(&a);
  end(&b);
}
