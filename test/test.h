/*
 * test.h: a small test framework, and fake tasks for a runtime without Lua.
 *
 *   TEST(a_woken_task_runs_in_the_next_turn) { ... CHECK_EQ(a, b); ... }
 *
 * Each test gets a runtime of its own, `rt`, on the virtual clock. A failed
 * check is printed and the test goes on. The checks do not depend on NDEBUG.
 *
 * A fake task is an actor: a body that reads like straight code but is a state
 * machine, so it works under every sanitizer and costs no stack:
 *
 *   static void sleeper(actor *me) {
 *     BEGIN
 *     SLEEP(1);
 *     say(me->raised ? "cancelled" : "slept");
 *     END
 *   }
 *
 * Locals are lost at each await: keep what must last in me->n and me->arg. At
 * most one await stands on a line.
 */
#ifndef TIDE_TEST_H
#define TIDE_TEST_H

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sync.h"

/* ---- checks ---- */

static unsigned test_failures; /* of the test that runs */

static inline void check_eq(long long a, long long b, const char *what,
                            const char *file, int line) {
  if (a == b)
    return;
  test_failures++;
  printf("# %s:%d: %s: %lld is not %lld\n", file, line, what, a, b);
}

static inline void check_str(const char *a, const char *b, const char *file,
                             int line) {
  if (strcmp(a, b) == 0)
    return;
  test_failures++;
  printf("# %s:%d: \"%s\" is not \"%s\"\n", file, line, a, b);
}

#define CHECK(cond) \
  check_eq(!!(cond), 1, "CHECK(" #cond ")", __FILE__, __LINE__)
#define CHECK_EQ(a, b) \
  check_eq((long long)(a), (long long)(b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_STR(a, b) check_str(a, b, __FILE__, __LINE__)

/* What was said since the last look, words separated by spaces. */
#define CHECK_SAID(words) \
  (check_str(said, words, __FILE__, __LINE__), (void)(said[0] = '\0'))

static char said[4096];

__attribute__((format(printf, 1, 2))) static inline void say(const char *format,
                                                             ...) {
  size_t used = strlen(said);
  va_list args;
  if (used > 0 && used + 1 < sizeof said)
    said[used++] = ' ';
  va_start(args, format);
  vsnprintf(said + used, sizeof said - used, format, args);
  va_end(args);
}

/* ---- the tests of a program ---- */

#define TEST_SECONDS 30 /* a test that takes as long hangs */

typedef struct test {
  const char *name;
  void (*body)(tideR_runtime *rt);
  struct test *next;
} test;

static test *tests, **tests_end = &tests;

#define TEST(name) \
  static void name(tideR_runtime *rt); \
  static test name##_test = {#name, name, NULL}; \
  __attribute__((constructor)) static void name##_add(void) { \
    *tests_end = &name##_test; \
    tests_end = &name##_test.next; \
  } \
  static void name(__attribute__((unused)) tideR_runtime *rt)

/* ---- actors ---- */

typedef struct actor actor;
struct actor {
  void (*body)(actor *me);
  tideR_runtime *rt;
  tideR_task *task; /* stale once `done` */
  const char *name;
  long n;       /* the test's own */
  void *arg;    /* the test's own */
  int line;     /* where the body goes on */
  bool refused; /* its last await was refused at its checkpoint */
  bool raised;  /* its last await raises a cancellation */
  bool done, abandoned;
  unsigned swallowed; /* how often it was reported for that */
  actor *next;        /* of all that this runtime had */
};

/* What a runtime's data is here. */
typedef struct world {
  actor *actors;
  void (*on_call)(tideR_runtime *rt, tideR_call *call);
  bool (*on_post)(tideR_runtime *rt, const tideR_post *post); /* or NULL */
  double budget; /* of a turn on a host's loop; 0: one turn */
  bool inside;   /* such a turn runs */
  void (*after)(tideR_runtime *rt); /* is called when it has ended */
} world;

#define BEGIN \
  switch (me->line) { \
  case 0:
#define END }

/* An awaiting call as the bindings make it: a checkpoint, then the wait. */
#define AWAIT(park) \
  do { \
    me->line = __LINE__; \
    me->refused = actor_refused(me); \
    if (!me->refused) \
      park; \
    return; \
  case __LINE__:; \
  } while (0)

#define TURN() AWAIT(tideR_park_turn(me->rt, me->task))
#define TICK() AWAIT(tideR_park_tick(me->rt, me->task))
#define WAIT(queue) AWAIT(tideR_waitq_park(me->rt, me->task, queue))
#define SLEEP(seconds) \
  AWAIT(tideR_park_until(me->rt, me->task, tideR_deadline(me->rt, seconds)))
#define JOIN(other, counted) AWAIT(actor_join(me, (other)->task, counted))

static inline void actor_join(actor *me, tideR_task *other, bool counted) {
  if (counted)
    CHECK_EQ(tideR_task_await(me->rt, me->task, other), 0);
  else
    tideR_join_park(me->rt, me->task, tideR_task_join(me->rt, other), false);
}

static inline bool actor_refused(actor *me) {
  bool refused =
      me->task->flags & TIDE_TROUBLE && tideR_checkpoint(me->rt, me->task);
  if (refused)
    tideR_park_raise(me->rt, me->task);
  return refused;
}

static inline void actor_end(actor *me) {
  me->done = true;
  tideR_task_finish(me->rt, me->task, TIDE_END_OK);
}

static inline void on_resume(tideR_runtime *rt, tideR_task *task) {
  actor *me = task->coro;
  (void)rt;
  CHECK(!me->done); /* else a queue held on to a finished task */
  if (me->done)
    return;
  me->raised = me->refused || task->status == TIDE_CANCELLED;
  me->body(me);
  if (!me->done && task->state == TIDE_TASK_RUNNING)
    actor_end(me);
}

static inline void on_abandon(tideR_runtime *rt, tideR_task *task) {
  actor *me = task->coro;
  (void)rt;
  me->abandoned = true;
  actor_end(me);
}

static inline void on_report(tideR_runtime *rt, tideR_task *task,
                             tideR_report what) {
  actor *me = task->coro;
  (void)rt;
  if (what == TIDE_REPORT_SWALLOWED)
    me->swallowed++;
  else
    say("given up");
}

static inline void on_call(tideR_runtime *rt, tideR_call *call) {
  world *world = tideR_runtime_data(rt);
  world->on_call(rt, call);
}

static inline bool on_post(tideR_runtime *rt, const tideR_post *post) {
  world *world = tideR_runtime_data(rt);
  if (world->on_post != NULL)
    return world->on_post(rt, post);
  post->fn((struct tide_runtime *)rt, post->arg);
  return true;
}

/* On a host's loop. */
static inline void on_turn(tideR_runtime *rt) {
  world *world = tideR_runtime_data(rt);
  tideR_task *task;
  CHECK(!world->inside);
  world->inside = true;
  CHECK_EQ(tideR_loop_begin_step(rt, world->budget), 0);
  while ((task = tideR_loop_next(rt)) != NULL)
    on_resume(rt, task);
  tideR_loop_end(rt);
  world->inside = false;
  if (world->after != NULL)
    world->after(rt);
}

static inline actor *actor_new(tideR_runtime *rt, void (*body)(actor *me)) {
  world *world = tideR_runtime_data(rt);
  actor *me = calloc(1, sizeof *me);
  me->body = body;
  me->rt = rt;
  me->name = "?";
  me->next = world->actors;
  world->actors = me;
  return me;
}

static inline actor *spawn(tideR_runtime *rt, void (*body)(actor *me)) {
  actor *me = actor_new(rt, body);
  me->task = tideR_task_new(rt);
  me->task->coro = me;
  tideR_task_start(rt, me->task);
  return me;
}

static inline actor *spawn_arg(tideR_runtime *rt, void (*body)(actor *me),
                               void *arg, const char *name) {
  actor *me = spawn(rt, body);
  me->arg = arg;
  me->name = name;
  return me;
}

static inline actor *spawn_named(tideR_runtime *rt, void (*body)(actor *me),
                                 const char *name) {
  return spawn_arg(rt, body, NULL, name);
}

/* The root is not resumed: the test itself is what it runs. */
static inline actor *root(tideR_runtime *rt) {
  actor *me = actor_new(rt, NULL);
  me->task = tideR_task_root(rt);
  me->task->coro = me;
  return me;
}

/* A queue to wait in, with nothing handed over. */
static inline tideR_waitq new_queue(void) {
  static const tideR_waitkind kind = {"test", tideR_waitq_abort, NULL};
  tideR_waitq queue;
  tideR_waitq_init(&queue, &kind);
  return queue;
}

/* Waits in the queue that it was given and says its name, with a `!` when the
 * wait was cancelled. */
static inline void waiter(actor *me) {
  BEGIN
  WAIT(me->arg);
  say("%s%s", me->name, me->raised ? "!" : "");
  END
}

/* ---- runtimes ---- */

/* `loop` is a host's; NULL: one of its own. On the machine's clock. */
static inline tideR_runtime *runtime_on(uv_loop_t *loop) {
  static const tideR_hooks hooks = {on_resume, on_abandon, on_call,
                                    on_report, on_turn,    on_post};
  world *data = calloc(1, sizeof *data);
  tideR_runtime *rt;
  if (tideR_runtime_new(&rt, &hooks, data, loop) < 0) {
    printf("Bail out! no runtime\n");
    exit(1);
  }
  return rt;
}

static inline tideR_runtime *runtime_new(void) {
  tideR_runtime *rt = runtime_on(NULL);
  tideR_clock_virtual(rt, true);
  return rt;
}

static inline void world_free(void *ud) {
  world *data = ud;
  while (data->actors != NULL) {
    actor *next = data->actors->next;
    free(data->actors);
    data->actors = next;
  }
  free(data);
}

static inline void runtime_free(tideR_runtime *rt) {
  tideR_runtime_free(rt, world_free, tideR_runtime_data(rt));
}

/* One turn and one poll. */
static inline void step(tideR_runtime *rt) {
  CHECK(tideR_loop_step(rt, 0) >= 0);
}

/* Until nothing can happen any more, or the main task has ended. */
static inline void run(tideR_runtime *rt) {
  CHECK_EQ(tideR_loop_run(rt), 0);
}

/* It is given up, and does not come for what it was woken for. */
static inline void dies(tideR_runtime *rt, const actor *it) {
  tideR_task_give_up(rt, it->task);
  run(rt);
  CHECK(it->abandoned);
  said[0] = '\0';
}

static inline tideR_stats stats(tideR_runtime *rt) {
  tideR_stats stats;
  tideR_runtime_stats(rt, &stats);
  return stats;
}

/* xorshift: the same numbers each time. */
static inline uint32_t next_number(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return *state;
}

#define SECOND UINT64_C(1000000000)

/* A hang is a failure too, of the whole program. */
static void on_hang(int signum) {
  static const char words[] = "not ok: it hangs\n";
  (void)signum;
  _exit(write(STDOUT_FILENO, words, sizeof words - 1) < 0 ? 2 : 1);
}

int main(void) {
  unsigned passed = 0, failed = 0;
  signal(SIGALRM, on_hang);
  setvbuf(stdout, NULL, _IOLBF, 256);
  for (test *test = tests; test != NULL; test = test->next) {
    tideR_runtime *rt = runtime_new();
    test_failures = 0;
    alarm(TEST_SECONDS);
    said[0] = '\0';
    test->body(rt);
    runtime_free(rt);
    printf("%s %s\n", test_failures == 0 ? "ok" : "not ok", test->name);
    test_failures == 0 ? passed++ : failed++;
  }
  printf("%u passed, %u failed\n", passed, failed);
  return failed > 0;
}

#endif
