/*
 * native.c: what the soak has in C, as a module that finds tide by itself: a
 * thread that posts, awaits that its posts wake, work, and what the process
 * has.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "tide.h"

static const tide_api *tide;

/* ---- the process ---- */

/* descriptors(): how many are open; 0 where nobody tells */
static int native_descriptors(lua_State *L) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;
  if (dir != NULL) {
    while (readdir(dir) != NULL)
      n++;
    closedir(dir);
    n -= 3; /* the folder, its two dots */
  }
  lua_pushinteger(L, n);
  return 1;
}

/* malloced(): bytes that malloc has given away; 0 where nobody tells */
static int native_malloced(lua_State *L) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  struct mallinfo2 info = mallinfo2();
  lua_pushnumber(L, (lua_Number)(info.uordblks + info.hblkhd));
#else
  lua_pushinteger(L, 0);
#endif
  return 1;
}

/* ---- a thread that sends back what it is given ---- */

typedef struct letter {
  tide_waiter *waiter; /* NULL: nobody waits any more */
  int owners; /* the await and the post, both in the runtime's thread */
  struct letter *next;
} letter;

/* One for the process: the soak has one state. */
static struct {
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t came;
  letter *first, **end;
  int stops;
  tide_remote *remote;
  atomic_long letters; /* that are not freed */
} post;

static void drop(letter *it) {
  if (--it->owners > 0)
    return;
  atomic_fetch_sub(&post.letters, 1);
  free(it);
}

static void deliver(tide_runtime *rt, void *arg) {
  letter *it = arg;
  (void)rt;
  if (it->waiter != NULL)
    tide->wake(it->waiter, 0);
  drop(it);
}

static letter *take(void) {
  letter *it;
  pthread_mutex_lock(&post.mutex);
  while (post.first == NULL && !post.stops)
    pthread_cond_wait(&post.came, &post.mutex);
  it = post.first;
  if (it != NULL && (post.first = it->next) == NULL)
    post.end = &post.first;
  pthread_mutex_unlock(&post.mutex);
  return it;
}

static void *carry(void *arg) {
  letter *it;
  while ((it = take()) != NULL)
    tide->post(post.remote, deliver, it);
  return arg;
}

static int start(tide_waiter *waiter, void *arg) {
  letter *it = arg;
  it->waiter = waiter;
  it->owners++;
  pthread_mutex_lock(&post.mutex);
  *post.end = it;
  post.end = &it->next;
  pthread_cond_signal(&post.came);
  pthread_mutex_unlock(&post.mutex);
  return 0;
}

static int abort_letter(tide_waiter *waiter, void *arg) {
  (void)waiter;
  ((letter *)arg)->waiter = NULL;
  return 1;
}

static void release(void *arg) {
  drop(arg);
}

static int finish(lua_State *L, int status, void *arg) {
  (void)arg;
  lua_pushboolean(L, status == 0);
  return 1;
}

static letter *new_letter(lua_State *L) {
  letter *it = calloc(1, sizeof *it);
  if (it == NULL)
    luaL_error(L, "not enough memory");
  it->owners = 1;
  atomic_fetch_add(&post.letters, 1);
  return it;
}

/* echo(): awaits a post of the thread; true */
static int native_echo(lua_State *L) {
  static const tide_await_ops ops = {"native.echo", start, abort_letter, finish,
                                     release};
  return tide->await(L, &ops, new_letter(L));
}

/* stubborn(): the same, and cannot be cancelled */
static int native_stubborn(lua_State *L) {
  static const tide_await_ops ops = {"native.stubborn", start, NULL, finish,
                                     release};
  return tide->await(L, &ops, new_letter(L));
}

static void work(void *arg) {
  (void)arg;
  usleep(100);
}

/* work(): awaits a tenth of a millisecond of another thread; true */
static int native_work(lua_State *L) {
  static const tide_work_ops ops = {"native.work", work, finish, release};
  return tide->work(L, &ops, new_letter(L));
}

/* letters(): how many C has not freed */
static int native_letters(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)atomic_load(&post.letters));
  return 1;
}

/* open(): begins the thread */
static int native_open(lua_State *L) {
  pthread_mutex_init(&post.mutex, NULL);
  pthread_cond_init(&post.came, NULL);
  post.first = NULL;
  post.end = &post.first;
  post.stops = 0;
  post.remote = tide->remote_new(tide->runtime_of(L));
  if (post.remote == NULL ||
      pthread_create(&post.thread, NULL, carry, NULL) != 0)
    return luaL_error(L, "no thread");
  return 0;
}

/* close(): ends it, when it has sent what it was given */
static int native_close(lua_State *L) {
  (void)L;
  pthread_mutex_lock(&post.mutex);
  post.stops = 1;
  pthread_cond_signal(&post.came);
  pthread_mutex_unlock(&post.mutex);
  pthread_join(post.thread, NULL);
  tide->remote_release(post.remote);
  return 0;
}

TIDE_EXPORT int luaopen_soak_native(lua_State *L) {
  static const luaL_Reg functions[] = {{"descriptors", native_descriptors},
                                       {"malloced", native_malloced},
                                       {"open", native_open},
                                       {"close", native_close},
                                       {"letters", native_letters},
                                       {NULL, NULL}};
  static const luaL_Reg awaiting[] = {{"echo", native_echo},
                                      {"stubborn", native_stubborn},
                                      {"work", native_work},
                                      {NULL, NULL}};
  const luaL_Reg *f;
  tide = tide_import(L);
  lua_newtable(L);
  for (f = functions; f->name != NULL; f++) {
    lua_pushcfunction(L, f->func);
    lua_setfield(L, -2, f->name);
  }
  tide->setfuncs(L, awaiting, 0);
  return 1;
}
