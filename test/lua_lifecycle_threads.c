/* lua_lifecycle_threads.c: states in several threads at once, which share
 * nothing but libuv's pool. */
#include "lifecycle.h"

/* Read by the thread sanitizer, which does not see how libuv closes: a
 * descriptor that another thread then opens is a race to it. */
TIDE_EXPORT const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) {
  return "race:epoll_create1\nrace:eventfd\nrace:pipe2\nrace:^open\n"
         "race:fopen\n";
}

#define THREADS 8

static void *live_often(void *arg) {
  static const ending endings[] = {BY_ITSELF, BETWEEN, CLOSED};
  long first = (long)(size_t)arg;
  for (long i = 0, n = rounds(300, 6); i < n; i++) {
    ending how = endings[(first + i) % 3];
    long last = how == BY_ITSELF ? -1 : 1 + (first * 31 + i * 7) % 100;
    live(how, last, NULL);
  }
  return NULL;
}

static void states_in_eight_threads(void) {
  pthread_t threads[THREADS];
  int fds;
  live(BY_ITSELF, -1, NULL); /* the pool has begun */
  fds = open_fds();
  for (size_t i = 0; i < THREADS; i++)
    CHECK(pthread_create(&threads[i], NULL, live_often, (void *)i) == 0);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  CHECK(open_fds() == fds);
  CHECK(!has_children());
}

static const test tests[] = {TEST(states_in_eight_threads)};

int main(int argc, char **argv) {
  if (freopen("/dev/null", "w", stderr) == NULL)
    return 1;
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
