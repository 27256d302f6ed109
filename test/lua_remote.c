/*
 * lua_remote.c: tide_remote, tide_post and tide_work in one lua_State; and two
 * of them, and forks.
 */
#include <sys/wait.h>

#include "lua_state.h"

static tide_runtime *rt;

static lua_State *begin(void) {
  lua_State *L = new_state();
  rt = open_runtime(L);
  RUN(L, "tide.loop():set_exception_handler(function(r) "
         "reports = (reports or 0) + 1 last = r.message .. ': ' .. "
         "tostring(r.error) end)");
  return L;
}

static uint64_t wakers(void) {
  tide_stats stats = {.size = sizeof stats};
  CHECK(tide_stats_get(rt, &stats) == 0);
  return stats.wakers;
}

/* ---- posts ---- */

typedef struct list {
  int n, values[8];
  int without; /* a runtime */
} list;

static list seen;

static void note(tide_runtime *of, void *arg) {
  if (of == NULL)
    seen.without++;
  else
    CHECK(of == rt);
  if (seen.n < 8)
    seen.values[seen.n++] = (int)(intptr_t)arg;
}

static void *value(int n) {
  return (void *)(intptr_t)n;
}

static void posts_are_called_in_order(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt), *same;
  seen = (list){0};
  CHECK(wakers() == 1);
  same = tide_remote_retain(remote);
  CHECK(same == remote && wakers() == 1);
  for (int i = 0; i < 5; i++)
    CHECK(tide_post(remote, note, value(i)) == 0);
  CHECK(seen.n == 0);
  CHECK(tide_next_timeout(rt) == 0);
  CHECK(tide_step(rt, 0) == 0);
  CHECK(seen.n == 5);
  for (int i = 0; i < 5; i++)
    CHECK(seen.values[i] == i);
  tide_remote_release(remote);
  CHECK(wakers() == 1);
  tide_remote_release(same);
  CHECK(wakers() == 0);
  tide_remote_release(NULL);
  CHECK(tide_run(rt) == 0);
  lua_close(L);
}

static void what_is_queued_at_the_end_has_no_runtime(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin();
    tide_remote *remote = tide_remote_new(rt);
    seen = (list){0};
    CHECK(tide_post(remote, note, value(3)) == 0);
    CHECK(tide_post(remote, note, value(4)) == 0);
    if (i == 0)
      CHECK(tide_close(rt, NULL, NULL) == 0);
    else
      lua_close(L);
    CHECK(seen.without == 2 && seen.values[0] == 3 && seen.values[1] == 4);
    CHECK(tide_post(remote, note, NULL) == UV_ECANCELED);
    CHECK(seen.n == 2);
    if (i == 0) {
      CHECK(tide_remote_new(rt) == NULL);
      lua_close(L);
    }
    CHECK(tide_post(remote, note, NULL) == UV_ECANCELED);
    tide_remote_release(tide_remote_retain(remote));
    tide_remote_release(remote);
  }
}

static void post_raising(tide_runtime *of, void *arg) {
  (void)arg;
  luaL_error(tide_lua(of), "a post raises");
}

static void an_error_of_a_post_is_reported(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt);
  seen = (list){0};
  CHECK(tide_post(remote, post_raising, NULL) == 0);
  CHECK(tide_post(remote, note, NULL) == 0);
  CHECK(tide_step(rt, 1) == 0);
  CHECK(seen.n == 1);
  RUN(L, "assert(reports == 1 and last:find('error in a post: a post raises'), "
         "last)");
  tide_remote_release(remote);
  lua_close(L);
}

static tide_remote *shared;

static void post_working(tide_runtime *of, void *arg) {
  lua_State *L = tide_lua(of);
  tide_future *future;
  int top = lua_gettop(L);
  (void)arg;
  CHECK(tide_step(of, 0) == UV_EBUSY && tide_run(of) == UV_EBUSY);
  CHECK(lua_checkstack(L, 1));
  lua_getglobal(L, "f");
  CHECK(luaL_dostring(L, "tide.task(function() m = 1 end)") == 0);
  CHECK(tide_future_new(of, &future) == 0);
  CHECK(tide_future_push(future, L) == 0);
  lua_setglobal(L, "future");
  lua_pushinteger(L, 4);
  CHECK(tide_future_set(future, L, 1) == 0);
  tide_future_release(future);
  CHECK(luaL_loadstring(L, "n = future:await()") == 0);
  CHECK(tide_spawn(of, L, 0, NULL) == 0);
  CHECK(tide_post(shared, note, value(1)) == 0); /* it comes later */
  CHECK(seen.n == 0);
  CHECK(lua_gettop(L) == top + 1); /* what is left is popped */
  tide_remote_release(shared);
}

static void a_post_may_do_what_callbacks_may(void) {
  lua_State *L = begin();
  shared = tide_remote_new(rt);
  seen = (list){0};
  CHECK(tide_post(shared, post_working, NULL) == 0);
  CHECK(tide_run(rt) == 0);
  CHECK(seen.n == 1 && number(L, "n") == 4 && number(L, "m") == 1);
  lua_close(L);
}

static void many_in_a_turn_but_not_all(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt);
  seen = (list){0};
  for (int i = 0; i < 1000; i++)
    CHECK(tide_post(remote, note, value(i)) == 0);
  RUN(L, "tide.task(function() n = 1 tide.sleep(0) n = 2 end)");
  CHECK(tide_step(rt, 0) == 1);
  CHECK(seen.n == 8 && number(L, "n") == 1);
  CHECK(tide_step(rt, 1) == 0);
  tide_remote_release(remote);
  lua_close(L);
}

/* ---- work ---- */

typedef struct job {
  uv_sem_t go;
  uv_thread_t thread;
  int blocks, works, finishes, releases, status;
} job;

static void work(void *arg) {
  job *j = arg;
  if (j->blocks)
    uv_sem_wait(&j->go);
  j->thread = uv_thread_self();
  j->works++;
}

static int finish(lua_State *L, int status, void *arg) {
  job *j = arg;
  j->finishes++;
  j->status = status;
  lua_pushinteger(L, j->works);
  return 1;
}

static void release(void *arg) {
  ((job *)arg)->releases++;
}

static int do_work(lua_State *L) {
  static const tide_work_ops ops = {"test.work", work, finish, release};
  return tide_work(L, &ops, lua_touserdata(L, 1));
}

static int do_plainly(lua_State *L) {
  static const tide_work_ops ops = {.work = work};
  return tide_work(L, &ops, lua_touserdata(L, 1));
}

static lua_State *begin_work(job *j) {
  static const luaL_Reg functions[] = {
      {"work", do_work}, {"plainly", do_plainly}, {NULL, NULL}};
  lua_State *L = begin();
  memset(j, 0, sizeof *j);
  CHECK(uv_sem_init(&j->go, 0) == 0);
  lua_newtable(L);
  tide_setfuncs(L, functions, 0);
  lua_setglobal(L, "c");
  lua_pushlightuserdata(L, j);
  lua_setglobal(L, "j");
  return L;
}

static void work_is_done_in_a_thread(void) {
  job j;
  uv_thread_t own = uv_thread_self();
  lua_State *L = begin_work(&j);
  RUN(L, "tide.task(function() n = c.work(j) m = c.plainly(j) and 1 end)");
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "n") == 1 && number(L, "m") == 1);
  CHECK(!uv_thread_equal(&own, &j.thread));
  CHECK(j.finishes == 1 && j.releases == 1 && j.status == 0);
  RUN(L, "n = c.work(j)"); /* the main program waits */
  CHECK(number(L, "n") == 3 && j.releases == 2);
  lua_close(L);
  uv_sem_destroy(&j.go);
}

static void what_has_begun_ends_before_a_cancel_is_raised(void) {
  job j;
  lua_State *L = begin_work(&j);
  j.blocks = 1;
  RUN(L, "t = tide.task(function() ok = tide.pcall(c.work, j) and 1 "
         "again = tide.pcall(tide.sleep, 0) and 0 or 1 end)");
  CHECK(tide_step(rt, 0) == 0);
  usleep(20000); /* it has begun, most likely: or else it is cancelled */
  RUN(L, "t:cancel()");
  uv_sem_post(&j.go);
  CHECK(tide_run(rt) == 0);
  CHECK(number(L, "again") == 1);
  CHECK(number(L, "ok") == j.works && j.finishes == j.works);
  CHECK(j.releases == 1);
  lua_close(L);
  uv_sem_destroy(&j.go);
}

/* More than there are threads: the last has not begun. */
static void what_has_not_begun_is_not_done(void) {
  job j[12];
  lua_State *L = begin_work(&j[11]);
  for (int i = 0; i < 11; i++) {
    memset(&j[i], 0, sizeof j[i]);
    j[i].blocks = 1;
    CHECK(uv_sem_init(&j[i].go, 0) == 0);
    lua_pushlightuserdata(L, &j[i]);
    lua_setglobal(L, "k");
    RUN(L, "local k = k tide.task(function() c.work(k) end)");
  }
  CHECK(tide_step(rt, 0) == 0);
  RUN(L, "t = tide.task(function() ok = tide.pcall(c.work, j) and 1 or 0 "
         "ended = 1 end)");
  CHECK(tide_step(rt, 0) == 0);
  RUN(L, "t:cancel()");
  CHECK(tide_step(rt, 1) >= 0);
  CHECK(number(L, "ended") == 1 && number(L, "ok") == 0);
  CHECK(j[11].works == 0 && j[11].finishes == 0 && j[11].releases == 1);
  for (int i = 0; i < 11; i++)
    uv_sem_post(&j[i].go);
  CHECK(tide_run(rt) == 0);
  lua_close(L);
  for (int i = 0; i < 12; i++) {
    CHECK(j[i].releases == 1 && j[i].works == (i < 11));
    uv_sem_destroy(&j[i].go);
  }
}

static void let_go(void *arg) {
  usleep(10000);
  uv_sem_post(&((job *)arg)->go);
}

static void the_end_waits_for_what_has_begun(void) {
  for (int i = 0; i < 2; i++) {
    job j;
    uv_thread_t thread;
    lua_State *L = begin_work(&j);
    j.blocks = 1;
    RUN(L, "tide.task(function() c.work(j) n = 1 end)");
    CHECK(tide_step(rt, 0) == 0);
    usleep(10000);
    CHECK(uv_thread_create(&thread, let_go, &j) == 0);
    if (i == 0)
      CHECK(tide_close(rt, NULL, NULL) == 0);
    else
      lua_close(L);
    CHECK(j.finishes == 0 && j.releases == 1);
    uv_thread_join(&thread);
    if (i == 0)
      lua_close(L);
    CHECK(j.releases == 1);
    uv_sem_destroy(&j.go);
  }
}

/* ---- forks ---- */

static int in_child(lua_State *L, tide_remote *remote) {
  failures = 0;
  seen = (list){0};
  CHECK(tide_open(&rt, L, NULL) == 0); /* a loop of its own */
  CHECK(tide_post(remote, note, NULL) == UV_ECANCELED);
  tide_remote_release(remote);
  remote = tide_remote_new(rt);
  CHECK(tide_post(remote, note, value(2)) == 0);
  RUN(L, "tide.task(function() n = tide.sleep(0, 5) end)");
  CHECK(tide_step(rt, 1) == 0);
  CHECK(number(L, "n") == 5);
  CHECK(seen.values[0] == 2 || seen.values[1] == 2);
  tide_remote_release(remote);
  lua_close(L);
  return failures > 0;
}

static void the_child_of_a_fork_opens_its_own(void) {
  lua_State *L = begin();
  tide_remote *remote = tide_remote_new(rt);
  int status = 0;
  pid_t pid;
  seen = (list){0};
  RUN(L, "tide.task(function() tide.sleep(9) end)");
  CHECK(tide_step(rt, 0) == 0);
  fflush(stdout);
  pid = fork();
  if (pid == 0)
    _exit(in_child(L, remote));
  CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(tide_post(remote, note, value(1)) == 0);
  CHECK(tide_step(rt, 1) == 0);
  CHECK(seen.n == 1);
  tide_remote_release(remote);
  lua_close(L);
}

static const test tests[] = {
    TEST(posts_are_called_in_order),
    TEST(what_is_queued_at_the_end_has_no_runtime),
    TEST(an_error_of_a_post_is_reported),
    TEST(a_post_may_do_what_callbacks_may),
    TEST(many_in_a_turn_but_not_all),
    TEST(work_is_done_in_a_thread),
    TEST(what_has_begun_ends_before_a_cancel_is_raised),
    TEST(what_has_not_begun_is_not_done),
    TEST(the_end_waits_for_what_has_begun),
    TEST(the_child_of_a_fork_opens_its_own)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
