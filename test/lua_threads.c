/*
 * lua_threads.c: what other threads may do: posts while the runtime steps, runs
 * and closes, and wakes after it was closed.
 */
#include <pthread.h>

#include "lua_state.h"

#define THREADS 8
#define POSTS 500

typedef struct poster {
  tide_remote *remote; /* its own count */
  int posted, refused;
  int called, without; /* in the runtime's thread */
  int last;            /* of the posts that were called */
} poster;

typedef struct letter {
  poster *from;
  int number;
} letter;

static void receive(tide_runtime *rt, void *arg) {
  letter *it = arg;
  it->from->called++;
  it->from->without += rt == NULL;
  CHECK(it->number > it->from->last); /* in order */
  it->from->last = it->number;
  free(it);
}

static void *post_many(void *arg) {
  poster *it = arg;
  for (int i = 1; i <= POSTS; i++) {
    letter *letter = malloc(sizeof *letter);
    letter->from = it;
    letter->number = i;
    if (tide_post(it->remote, receive, letter) == 0) {
      it->posted++;
    } else {
      it->refused++;
      free(letter);
    }
  }
  tide_remote_release(it->remote);
  return NULL;
}

static pthread_t threads[THREADS];
static poster posters[THREADS];

static void start_posters(tide_runtime *rt) {
  tide_remote *remote = tide_remote_new(rt);
  for (int i = 0; i < THREADS; i++) {
    posters[i] = (poster){.remote = tide_remote_retain(remote)};
    CHECK(pthread_create(&threads[i], NULL, post_many, &posters[i]) == 0);
  }
  tide_remote_release(remote);
}

static void join_posters(void) {
  for (int i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
}

static void all_were_called(void) {
  for (int i = 0; i < THREADS; i++) {
    CHECK(posters[i].posted + posters[i].refused == POSTS);
    CHECK(posters[i].called == posters[i].posted);
  }
}

static int called(void) {
  int n = 0;
  for (int i = 0; i < THREADS; i++)
    n += posters[i].called;
  return n;
}

static void posts_while_it_runs(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  RUN(L, "tide.task(function() for i = 1, 50 do tide.sleep(0.0001) n = i end "
         "end)");
  start_posters(rt);
  CHECK(tide_run(rt) == 0); /* until the last remote is released */
  CHECK(called() == THREADS * POSTS && number(L, "n") == 50);
  join_posters();
  all_were_called();
  lua_close(L);
}

static void posts_while_it_steps(void) {
  lua_State *L = new_state();
  tide_runtime *rt = open_runtime(L);
  start_posters(rt);
  while (called() < THREADS * POSTS)
    CHECK(tide_step(rt, 0) >= 0);
  join_posters();
  all_were_called();
  lua_close(L);
}

static void posts_while_it_closes(void) {
  for (int i = 0; i < 20; i++) {
    lua_State *L = new_state();
    tide_runtime *rt = open_runtime(L);
    start_posters(rt);
    for (int j = 0; j < i; j++)
      CHECK(tide_step(rt, 0) >= 0);
    if (i % 2 == 0)
      CHECK(tide_close(rt, NULL, NULL) == 0);
    lua_close(L);
    join_posters();
    all_were_called();
  }
}

/* ---- a host that is woken ---- */

typedef struct sleeper {
  pthread_mutex_t lock;
  pthread_cond_t change;
  int is_awake;
} sleeper;

static void wake_up(tide_runtime *rt, void *userdata) {
  sleeper *it = userdata;
  (void)rt;
  pthread_mutex_lock(&it->lock);
  it->is_awake = 1;
  pthread_cond_signal(&it->change);
  pthread_mutex_unlock(&it->lock);
}

static void fall_asleep(sleeper *it) {
  pthread_mutex_lock(&it->lock);
  while (!it->is_awake)
    pthread_cond_wait(&it->change, &it->lock);
  it->is_awake = 0;
  pthread_mutex_unlock(&it->lock);
}

/* It sleeps whenever nothing is due, and misses no post. */
static void posts_wake_a_host(void) {
  sleeper it = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
  tide_options options = {
      .size = sizeof options, .wake = wake_up, .userdata = &it};
  lua_State *L = new_state();
  tide_runtime *rt;
  CHECK(tide_open(&rt, L, &options) == 0);
  start_posters(rt);
  while (called() < THREADS * POSTS) {
    if (tide_next_timeout(rt) != 0)
      fall_asleep(&it);
    CHECK(tide_step(rt, 0.001) >= 0);
  }
  join_posters();
  all_were_called();
  lua_close(L);
}

/* ---- awaits that threads end ---- */

typedef struct job {
  pthread_t thread;
  tide_remote *remote;
  tide_waiter *waiter;
} job;

static void post_wake(tide_runtime *rt, void *arg) {
  (void)rt;
  tide_wake(((job *)arg)->waiter, 0);
}

/* The post is refused only once the runtime is closed: then it wakes here. */
static void *end_await(void *arg) {
  job *it = arg;
  tide_remote *remote = it->remote;
  if (tide_post(remote, post_wake, it) < 0)
    tide_wake(it->waiter, 0);
  tide_remote_release(remote);
  return NULL;
}

static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static int released;

static int start(tide_waiter *waiter, void *arg) {
  job *it = arg;
  it->waiter = waiter;
  return pthread_create(&it->thread, NULL, end_await, it) == 0 ? 0 : UV_EAGAIN;
}

static void release(void *arg) {
  job *it = arg;
  pthread_detach(it->thread);
  free(it);
  pthread_mutex_lock(&counting);
  released++;
  pthread_mutex_unlock(&counting);
}

static tide_runtime *current;

static int do_await(lua_State *L) {
  static const tide_await_ops ops = {
      .name = "thread", .start = start, .release = release};
  job *it = calloc(1, sizeof *it);
  it->remote = tide_remote_new(current);
  return tide_await(L, &ops, it);
}

static int count_released(void) {
  int n;
  pthread_mutex_lock(&counting);
  n = released;
  pthread_mutex_unlock(&counting);
  return n;
}

static void wakes_after_the_end_come_from_any_thread(void) {
  for (int i = 0; i < 30; i++) {
    lua_State *L = new_state();
    current = open_runtime(L);
    released = 0;
    tide_pushfunction(L, do_await, 0);
    lua_setglobal(L, "await");
    RUN(L, "for i = 1, 8 do tide.task(function() await() end) end");
    CHECK(tide_step(current, 0) >= 0);
    if (i % 3 == 1)
      CHECK(tide_step(current, 0) >= 0);
    if (i % 2 == 0)
      CHECK(tide_close(current, NULL, NULL) == 0);
    lua_close(L);
    while (count_released() < 8)
      usleep(100);
    CHECK(count_released() == 8);
  }
}

static const test tests[] = {
    TEST(posts_while_it_runs), TEST(posts_while_it_steps),
    TEST(posts_while_it_closes), TEST(posts_wake_a_host),
    TEST(wakes_after_the_end_come_from_any_thread)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
