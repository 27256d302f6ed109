/* lifecycle.h: test/lifecycle.lua in a state whose end is watched: what it uses
 * in C; see holdings.h for memory and descriptors. */
#ifndef TIDE_LIFECYCLE_H
#define TIDE_LIFECYCLE_H

/* libuv closes them by a system call that the thread sanitizer does not see: it
 * then takes the next use of the number, in another thread, for a race. */
#ifdef __SANITIZE_THREAD__
#define LIFE_SOCKETS 0
#else
#define LIFE_SOCKETS 1
#endif

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "holdings.h"

/* `make lifecycle` asks for the whole, `make test` for a part. */
static inline bool is_whole(void) {
  return getenv("LIFECYCLE") != NULL;
}

/* How often; the whole may take a while. */
static inline long rounds(long whole, long part) {
  if (is_whole())
    alarm(3600);
  return is_whole() ? whole : part;
}

/* ---- a life ---- */

typedef enum ending {
  BY_ITSELF,
  BETWEEN,     /* lua_close after the k-th resume */
  CLOSED,      /* tide_close inside of the k-th event, then lua_close */
  EXITED,      /* lua_close inside of the k-th event, then the process */
  FORKED,      /* a fork inside of the k-th event; the child closes */
  FORKED_EXIT, /* the child calls os.exit */
  FORKED_CLOSE /* the child calls os.exit, and has Lua closed */
} ending;

typedef struct life {
  lua_State *L;
  tide_runtime *rt;
  tide_remote *remote;
  tide_task *spawned;   /* held until after lua_close */
  tide_future *promise; /* also */
  counted memory;
  ending how;
  long events, last; /* the last one that may be */
  double now;        /* the clock */
  atomic_int held;   /* what C was given to free, and has not */
  int dones, spawns;
  bool closed;
  bool is_child; /* of a fork: there are no other threads */
  pid_t child;
  unsigned failed;
} life;

static inline life *life_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

static inline void on_life_closed(void *ud) {
  ((life *)ud)->closed = true;
}

/* Of PUC Lua everything is freed, although a task runs. */
static inline void exit_life(life *me) {
  lua_close(me->L);
  _exit(failures > 0 || (!TIDE_LUAJIT && me->memory.bytes != 0));
}

static void no_work(uv_work_t *request) {
  (void)request;
}

static void after_no_work(uv_work_t *request, int status) {
  (void)request, (void)status;
}

/* At exit libuv joins the threads of its pool, also in the child of a fork,
 * where they are not: it crashes, unless the child has begun a pool of its own.
 */
static inline void begin_pool(void) {
  uv_loop_t loop;
  uv_work_t request;
  CHECK(uv_loop_init(&loop) == 0);
  CHECK(uv_queue_work(&loop, &request, no_work, after_no_work) == 0);
  CHECK(uv_run(&loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(&loop) == 0);
}

static inline void fork_life(life *me, lua_State *L) {
  fflush(stdout);
  me->child = fork();
  CHECK(me->child >= 0);
  me->is_child = me->child == 0;
  if (!me->is_child)
    return;
  alarm(20);
  begin_pool();
  if (me->how == FORKED_EXIT)
    run_code(L, "os.exit(0)", __LINE__);
  else if (me->how == FORKED_CLOSE)
    run_code(L, "os.exit(0, true)", __LINE__);
}

static int life_event(lua_State *L) {
  life *me = life_of(L);
  if (++me->events != me->last)
    return 0;
  if (me->how == EXITED)
    exit_life(me);
  if (me->how >= FORKED)
    fork_life(me, L);
  if (me->how == CLOSED || me->is_child)
    CHECK(tide_close(me->rt, on_life_closed, me) == 0);
  return 0;
}

/* ---- awaits in C, which a post wakes ---- */

typedef struct awaiting {
  life *life;
  tide_waiter *waiter; /* NULL: it was aborted */
  int owners;          /* the await and the post; one thread has both */
} awaiting;

static inline void drop_awaiting(awaiting *it) {
  if (--it->owners > 0)
    return;
  atomic_fetch_sub(&it->life->held, 1);
  free(it);
}

/* A stubborn one has to be woken also when the runtime is no more. */
static void wake_awaiting(tide_runtime *rt, void *arg) {
  awaiting *it = arg;
  (void)rt;
  if (it->waiter != NULL)
    tide_wake(it->waiter, 0);
  drop_awaiting(it);
}

static int start_awaiting(tide_waiter *waiter, void *arg) {
  awaiting *it = arg;
  int err = tide_post(it->life->remote, wake_awaiting, it);
  it->waiter = waiter;
  if (err == 0)
    it->owners++;
  return err;
}

static int abort_awaiting(tide_waiter *waiter, void *arg) {
  awaiting *it = arg;
  (void)waiter;
  it->waiter = NULL;
  return 1;
}

static int finish_awaiting(lua_State *L, int status, void *arg) {
  lua_pushinteger(L, status);
  (void)arg;
  return 1;
}

static void release_awaiting(void *arg) {
  drop_awaiting(arg);
}

static awaiting *new_awaiting(lua_State *L) {
  awaiting *it = malloc(sizeof *it);
  *it = (awaiting){life_of(L), NULL, 1};
  atomic_fetch_add(&it->life->held, 1);
  return it;
}

static int life_await(lua_State *L) {
  static const tide_await_ops ops = {"life.await", start_awaiting,
                                     abort_awaiting, finish_awaiting,
                                     release_awaiting};
  return tide_await(L, &ops, new_awaiting(L));
}

static int life_stubborn(lua_State *L) {
  static const tide_await_ops ops = {"life.stubborn", start_awaiting, NULL,
                                     finish_awaiting, release_awaiting};
  return tide_await(L, &ops, new_awaiting(L));
}

/* ---- work in a thread ---- */

static void do_work(void *arg) {
  (void)arg;
  usleep(200);
}

static void release_work(void *arg) {
  atomic_fetch_sub(&((life *)arg)->held, 1);
}

static int life_work(lua_State *L) {
  static const tide_work_ops ops = {"life.work", do_work, finish_awaiting,
                                    release_work};
  life *me = life_of(L);
  atomic_fetch_add(&me->held, 1);
  return tide_work(L, &ops, me);
}

/* ---- tasks and futures ---- */

static void on_spawned_done(tide_task *task, tide_outcome how, lua_State *L,
                            int n, void *ud) {
  life *me = ud;
  (void)task, (void)n;
  CHECK((L == NULL) == (how == TIDE_DROPPED));
  me->dones++;
}

static int life_spawn(lua_State *L) {
  life *me = life_of(L);
  me->spawns++;
  CHECK(tide_spawn(me->rt, L, lua_gettop(L) - 1, &me->spawned) == 0);
  CHECK(tide_task_on_done(me->spawned, on_spawned_done, me) == 0);
  return 0;
}

/* Both owners are in the runtime's thread. */
static void keep_promise(tide_runtime *rt, void *arg) {
  life *me = arg;
  if (rt == NULL)
    return;
  lua_pushinteger(tide_lua(rt), 1);
  CHECK(tide_future_set(me->promise, tide_lua(rt), 1) == 0);
}

static int life_future(lua_State *L) {
  life *me = life_of(L);
  CHECK(tide_future_new(me->rt, &me->promise) == 0);
  CHECK(tide_future_push(me->promise, L) == 0);
  CHECK(tide_post(me->remote, keep_promise, me) == 0);
  return 1;
}

/* ---- posts of another thread ---- */

static void call_posted(tide_runtime *rt, void *arg) {
  life *me = arg;
  atomic_fetch_sub(&me->held, 1);
  if (rt == NULL)
    return;
  lua_getglobal(tide_lua(rt), "posted");
  lua_call(tide_lua(rt), 0, 0);
}

static void *poster(void *arg) {
  life *me = arg;
  for (int i = 0; i < 4; i++) {
    atomic_fetch_add(&me->held, 1);
    if (tide_post(me->remote, call_posted, me) != 0)
      atomic_fetch_sub(&me->held, 1);
    usleep(10);
  }
  tide_remote_release(me->remote);
  return NULL;
}

/* ---- from the beginning to the end ---- */

static double life_clock(void *userdata) {
  return ((life *)userdata)->now;
}

static void on_life_failed(tide_runtime *rt, const tide_failure *failure,
                           void *userdata) {
  life *me = userdata;
  (void)rt;
  me->failed++;
  printf("# reported: %s: %s\n", failure->message, failure->error);
}

static inline void lend(life *me) {
  static const luaL_Reg functions[] = {
      {"event", life_event}, {"await", life_await},
      {"work", life_work},   {"stubborn", life_stubborn},
      {"spawn", life_spawn}, {"future", life_future},
      {NULL, NULL}};
  lua_newtable(me->L);
  lua_pushlightuserdata(me->L, me);
  tide_setfuncs(me->L, functions, 1);
  lua_pushboolean(me->L, LIFE_SOCKETS);
  lua_setfield(me->L, -2, "sockets");
  lua_pushstring(me->L, life_file);
  lua_setfield(me->L, -2, "file");
  lua_setglobal(me->L, "life");
}

static inline void life_begin(life *me, ending how, long last) {
  tide_options options = {.size = sizeof options,
                          .no_blocking = 1,
                          .userdata = me,
                          .clock = life_clock,
                          .failed = on_life_failed};
  *me = (life){.how = how, .last = last};
  me->L = new_counted(&me->memory);
  CHECK(tide_open(&me->rt, me->L, &options) == 0);
  me->remote = tide_remote_new(me->rt);
  lend(me);
  if (luaL_loadfile(me->L, "test/lifecycle.lua") != LUA_OK ||
      lua_pcall(me->L, 0, 0, 0) != LUA_OK) {
    printf("# %s\n", lua_tostring(me->L, -1));
    failures++;
  }
}

static inline bool is_over(life *me) {
  bool over;
  lua_getglobal(me->L, "is_over");
  if (lua_pcall(me->L, 0, 1, 0) != LUA_OK) {
    printf("# %s\n", lua_tostring(me->L, -1));
    failures++;
  }
  over = lua_toboolean(me->L, -1);
  lua_pop(me->L, 1);
  return over;
}

static inline long switches(life *me) {
  tide_stats stats = {.size = sizeof stats};
  CHECK(tide_stats_get(me->rt, &stats) == 0);
  return (long)stats.switches;
}

/* A budget is looked at at every eighth switch: with some first that are not
 * counted, it ends at whichever is asked for. */
#define EVERY 8

static int nothing(lua_State *L) {
  (void)L;
  return 0;
}

static inline long fill(life *me) {
  long more = (EVERY - me->last % EVERY) % EVERY;
  for (long i = 0; i < more; i++) {
    lua_pushcfunction(me->L, nothing);
    CHECK(tide_spawn(me->rt, me->L, 0, NULL) == 0);
  }
  return more;
}

/* A runtime of its own, with threads of its own. */
static inline void end_child(life *me) {
  tide_runtime *rt = open_runtime(me->L);
  CHECK(rt == me->rt);
  RUN(me->L, "assert(tide.run(function() life.work() "
             "return tide.sleep(0.001, 'x') end) == 'x')");
  exit_life(me);
}

static inline void check_child(pid_t pid, int expected) {
  int status = 0;
  CHECK(waitpid(pid, &status, 0) == pid);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
    printf("# child: exit %d, signal %d\n", WEXITSTATUS(status), status & 127);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == expected);
}

/* False: it ended before its last event. */
static inline bool life_drive(life *me) {
  bool between = me->how == BETWEEN;
  long until = between ? me->last + fill(me) : 0;
  while (!me->closed) {
    int ready = tide_step(me->rt, between ? 1e-9 : 0);
    struct pollfd fd = {.fd = tide_fd(me->rt), .events = POLLIN};
    CHECK(ready >= 0 || (ready == UV_ECANCELED && me->closed));
    if (ready < 0 || (between && switches(me) >= until))
      return true;
    if (is_over(me))
      return false;
    if (ready == 0 && tide_next_timeout(me->rt) > 1)
      poll(&fd, 1, 100);
    me->now += 0.0002;
  }
  return true;
}

static inline void life_end(life *me) {
  close_counted(me->L, &me->memory);
  tide_task_release(me->spawned);
  tide_future_release(me->promise);
  tide_remote_release(me->remote);
  CHECK(atomic_load(&me->held) == 0);
  CHECK(me->dones == me->spawns);
  CHECK(me->failed == 0);
}

/* The posts come from another thread, which may also outlive it. False: it
 * ended by itself. */
static inline bool live(ending how, long last, long *events) {
  life me;
  pthread_t thread;
  bool cut;
  life_begin(&me, how, last);
  tide_remote_retain(me.remote);
  CHECK(pthread_create(&thread, NULL, poster, &me) == 0);
  cut = life_drive(&me);
  if (me.is_child)
    end_child(&me);
  pthread_join(thread, NULL);
  if (me.child > 0)
    check_child(me.child, 0);
  if (events != NULL)
    *events = me.events;
  life_end(&me);
  return cut;
}

#endif
