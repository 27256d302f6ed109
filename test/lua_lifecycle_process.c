/*
 * lua_lifecycle_process.c: the end of a process, and of a child that was forked
 * from it, inside of a task or callback.
 */
#include "lifecycle.h"

/* Runs body(arg) in a child, which it has to end. */
static void in_child(void (*body)(long arg), long arg, int expected) {
  pid_t pid;
  fflush(stdout);
  pid = fork();
  CHECK(pid >= 0);
  if (pid == 0) {
    alarm(20);
    body(arg);
    _exit(99);
  }
  check_child(pid, expected);
}

/* ---- lua_close in the midst of an event ---- */

#define BY_ITSELF_STATUS 42

static void exit_at(long k) {
  bool cut = live(EXITED, k, NULL);
  _exit(cut || failures > 0 ? 1 : BY_ITSELF_STATUS);
}

static long count_events(void) {
  long events = 0;
  CHECK(!live(BY_ITSELF, -1, &events));
  return events;
}

/* The number of events is not the same each time: those of another thread may
 * come late. */
static void a_process_ends_in_each_event(void) {
  long last = count_events() - 20, k = 1;
  CHECK(last > 50);
  for (; k <= last && failures == 0; k += rounds(1, 5))
    in_child(exit_at, k, 0);
  in_child(exit_at, last * 10, BY_ITSELF_STATUS);
  if (failures > 0)
    printf("# at event %ld\n", k);
}

/* ---- os.exit ---- */

typedef struct leaving {
  const char *where; /* code that calls leave */
  const char *exit;
} leaving;

/* There are a thread's posts, work of the pool, whatever else life has. */
static const leaving leavings[] = {
    {"tide.task(leave)", "os.exit(7)"},
    {"tide.task(leave)", "os.exit(7, true)"},
    {"tide.loop():call_soon(leave)", "os.exit(7)"},
    {"tide.loop():call_soon(leave)", "os.exit(7, true)"},
    {"tide.task(function() tide.park(leave) end)", "os.exit(7, true)"},
    {"tide.task(function() tide.coroutine.wrap(leave)() end)", "os.exit(7)"},
    {"tide.task(function() tide.coroutine.wrap(leave)() end)",
     "os.exit(7, true)"},
    {"tide.task(tide.generator(function(yield) tide.sleep(0) leave() end))",
     "os.exit(7, true)"},
    {"tide.task(tide.group, function(g) g:task(leave) g:task(tide.sleep, 9) "
     "end)",
     "os.exit(7, true)"},
    {"tide.task(tide.finally, tide.sleep, leave, 0)", "os.exit(7)"},
    {"tide.task(tide.finally, tide.sleep, leave, 0)", "os.exit(7, true)"},
    {"life.spawn(leave)", "os.exit(7, true)"}};

static void leave_life(long i) {
  life me;
  pthread_t thread;
  char code[512];
  life_begin(&me, BY_ITSELF, -1);
  tide_remote_retain(me.remote);
  CHECK(pthread_create(&thread, NULL, poster, &me) == 0);
  snprintf(code, sizeof code,
           "local tide, life = require 'tide', life "
           "local function leave() %s end "
           "tide.task(life.work) tide.task(function() tide.sleep(0.001) %s "
           "end)",
           leavings[i].exit, leavings[i].where);
  run_code(me.L, code, __LINE__);
  life_drive(&me);
  printf("# did not leave: %s\n", code);
}

static void os_exit_ends_the_process_from_anywhere(void) {
  long count = sizeof leavings / sizeof *leavings;
  for (long i = 0; i < count && failures == 0; i++)
    in_child(leave_life, i, 7);
}

/* ---- fork ---- */

/* The sanitizers know no fork of a process that has threads: a thread that had
 * one of their locks then is not in the child, which hangs. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

/* The parent goes on to its end. */
static void fork_in_each_event(ending how, int pace) {
  long k = 1, events;
  do {
    CHECK(!live(how, k, &events));
    CHECK(!has_children());
    k += rounds(1, pace);
  } while (events >= k && failures == 0);
  if (failures > 0)
    printf("# at event %ld\n", k);
}

static void a_forked_child_drops_its_copy_and_has_its_own(void) {
  fork_in_each_event(FORKED, 7);
}

static void a_forked_child_leaves_by_os_exit(void) {
  fork_in_each_event(FORKED_EXIT, 20);
}

static void a_forked_child_leaves_by_os_exit_and_closes(void) {
  fork_in_each_event(FORKED_CLOSE, 20);
}

#endif

static const test tests[] = {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    TEST(a_forked_child_drops_its_copy_and_has_its_own),
    TEST(a_forked_child_leaves_by_os_exit),
    TEST(a_forked_child_leaves_by_os_exit_and_closes),
#endif
    TEST(a_process_ends_in_each_event),
    TEST(os_exit_ends_the_process_from_anywhere)};

int main(int argc, char **argv) {
  if (freopen("/dev/null", "w", stderr) == NULL)
    return 1;
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
