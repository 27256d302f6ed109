/* test_remote_end.c: remotes outlive their runtime; many threads; forks. */
#include <sys/wait.h>

#include "remotes.h"

/* ---- the end ---- */

TEST(after_the_end_posts_are_refused) {
  tideR_runtime *mine = runtime_new();
  tideR_remote *remote = remote_new(mine);
  tideR_remote *two = tideR_remote_retain(remote);
  runtime_free(mine);
  CHECK_EQ(tideR_remote_post(remote, say_it, "x"), UV_ECANCELED);
  tideR_remote_release(remote);
  CHECK_EQ(tideR_remote_post(two, say_it, "x"), UV_ECANCELED);
  tideR_remote_release(two);
  CHECK_SAID("");
}

static void free_at_end(struct tide_runtime *rt, void *arg) {
  CHECK(rt == NULL);
  CHECK_EQ(tideR_remote_post(arg, say_it, "x"), UV_ECANCELED);
  say("freed");
  tideR_remote_release(arg);
}

TEST(what_is_queued_at_the_end_is_called_without_a_runtime) {
  tideR_runtime *mine = runtime_new();
  tideR_remote *remote = remote_new(mine);
  int counter = 0;
  post_counts(remote, 256, &counter);
  post(remote, "taken");
  step(mine);
  CHECK_EQ(counter, 256);
  post(remote, "posted");
  CHECK_EQ(tideR_remote_post(remote, free_at_end, remote), 0);
  runtime_free(mine);
  CHECK_SAID("taken- posted- freed");
}

/* ---- threads ---- */

#define THREADS 8
#define POSTS 10000

typedef struct poster {
  tideR_remote *remote;
  uv_thread_t thread;
  int posted; /* by its thread */
  int called; /* by the runtime's */
} poster;

typedef struct letter {
  poster *from;
  int number;
} letter;

static void read_letter(struct tide_runtime *rt, void *arg) {
  letter *letter = arg;
  (void)rt;
  CHECK_EQ(letter->number, letter->from->called); /* each one once, FIFO */
  letter->from->called++;
  free(letter);
}

/* False: it was refused. */
static bool write_letter(poster *from) {
  letter *letter = malloc(sizeof *letter);
  int err;
  letter->from = from;
  letter->number = from->posted;
  err = tideR_remote_post(from->remote, read_letter, letter);
  if (err == 0)
    from->posted++;
  else
    free(letter);
  return err == 0;
}

static void write_letters(void *arg) {
  poster *me = arg;
  while (me->posted < POSTS / THREADS && write_letter(me))
    continue;
  tideR_remote_release(me->remote);
}

static void write_until_refused(void *arg) {
  poster *me = arg;
  while (write_letter(me))
    continue;
  tideR_remote_release(me->remote);
}

/* Each with a remote of its own, or all with one. */
static void start_posters(tideR_runtime *rt, poster *posters, bool own,
                          void (*body)(void *arg)) {
  tideR_remote *shared = remote_new(rt);
  for (int i = 0; i < THREADS; i++) {
    posters[i] = (poster){0};
    posters[i].remote = own ? remote_new(rt) : tideR_remote_retain(shared);
    CHECK_EQ(uv_thread_create(&posters[i].thread, body, &posters[i]), 0);
  }
  tideR_remote_release(shared);
}

static int join_posters(poster *posters) {
  int called = 0;
  for (int i = 0; i < THREADS; i++) {
    uv_thread_join(&posters[i].thread);
    CHECK_EQ(posters[i].called, posters[i].posted);
    called += posters[i].called;
  }
  return called;
}

TEST(posts_of_many_threads_are_each_called_once) {
  poster posters[THREADS];
  for (int own = 0; own <= 1; own++) {
    start_posters(rt, posters, own, write_letters);
    run(rt); /* until the last one has released its remote */
    CHECK_EQ(join_posters(posters), POSTS);
    CHECK(!tideR_loop_alive(rt));
  }
}

TEST(posts_of_many_threads_reach_a_host_that_steps) {
  poster posters[THREADS];
  start_posters(rt, posters, true, write_letters);
  while (tideR_loop_alive(rt)) {
    struct pollfd look = {.fd = tideR_loop_fd(rt), .events = POLLIN};
    if (tideR_loop_timeout(rt) > 0)
      poll(&look, 1, -1);
    step(rt);
  }
  CHECK_EQ(join_posters(posters), POSTS);
}

TEST(an_end_races_with_posts) {
  poster posters[THREADS];
  for (int round = 0; round < 20; round++) {
    tideR_runtime *mine = runtime_new();
    start_posters(mine, posters, round % 2 == 0, write_until_refused);
    for (int i = 0; i < round; i++)
      step(mine);
    runtime_free(mine);
    join_posters(posters);
  }
}

static void release_it(void *remote) {
  tideR_remote_release(remote);
}

TEST(an_end_races_with_releases) {
  for (int round = 0; round < 50; round++) {
    tideR_runtime *mine = runtime_new();
    uv_thread_t threads[2];
    for (int i = 0; i < 2; i++)
      CHECK_EQ(uv_thread_create(&threads[i], release_it, remote_new(mine)), 0);
    if (round % 2 == 0)
      run(mine);
    runtime_free(mine);
    for (int i = 0; i < 2; i++)
      uv_thread_join(&threads[i]);
  }
}

/* ---- forks ---- */

static uv_sem_t holds, let_go;

static void hold_lock(void *ud) {
  (void)ud;
  uv_sem_post(&holds);
  uv_sem_wait(&let_go);
}

/* It hangs, or not. */
static void end_in_child(tideR_runtime *rt, tideR_remote *remote) {
  tideR_remote *other;
  bool refused;
  alarm(TEST_SECONDS);
  tideR_remote_release(remote); /* the last one */
  other = tideR_remote_new(rt);
  runtime_free(rt);
  refused = tideR_remote_post(other, say_it, "x") == UV_ECANCELED;
  tideR_remote_release(other);
  _exit(refused && said[0] == '\0' ? 0 : 7);
}

static int end_of_child(tideR_runtime *rt, tideR_remote *remote) {
  int status = 0;
  pid_t child = fork();
  if (child == 0)
    end_in_child(rt, remote);
  CHECK_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST(a_lock_that_another_thread_held_at_a_fork_holds_up_no_child) {
  tideR_remote *remote = remote_new(rt);
  uv_thread_t thread;
  int status;
  uv_sem_init(&holds, 0);
  uv_sem_init(&let_go, 0);
  tideR_remote_on_post(rt, hold_lock, NULL);
  CHECK_EQ(uv_thread_create(&thread, post_word, remote), 0);
  uv_sem_wait(&holds);
  status = end_of_child(rt, remote);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  uv_sem_post(&let_go);
  uv_thread_join(&thread);
  tideR_remote_on_post(rt, NULL, NULL);
  tideR_remote_release(remote);
  run(rt);
  CHECK_SAID("posted");
  uv_sem_destroy(&holds);
  uv_sem_destroy(&let_go);
}

TEST(an_end_in_the_child_of_a_fork_wakes_no_parent) {
  tideR_remote *remote = remote_new(rt);
  int status;
  step(rt);
  status = end_of_child(rt, remote);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(!is_readable(rt));
  post(remote, "here");
  step(rt);
  CHECK_SAID("here");
  tideR_remote_release(remote);
}
