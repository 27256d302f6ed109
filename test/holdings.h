/* holdings.h: what a process and a state have, to be compared at an end:
 * descriptors, children, a file for all lives, memory. */
#ifndef TIDE_TEST_HOLDINGS_H
#define TIDE_TEST_HOLDINGS_H

#include <dirent.h>
#include <sys/wait.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "lua_state.h"

/* ---- what a process has ---- */

static inline int open_fds(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;
  if (dir == NULL)
    return -1; /* not Linux: then nothing is compared */
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

/* Children, ended or not. */
static inline bool has_children(void) {
  siginfo_t info;
  return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* A file for all lives, which goes with the process that has made it. */
static char life_file[] = "/tmp/tide-life-XXXXXX";
static pid_t life_file_owner;

static void remove_life_file(void) {
  if (getpid() == life_file_owner)
    unlink(life_file);
}

__attribute__((constructor)) static void make_life_file(void) {
  life_file_owner = getpid();
  CHECK(close(mkstemp(life_file)) == 0);
  atexit(remove_life_file);
}

/* malloc keeps some blocks of each size for the thread, and counts them as
 * given away: it is to keep the same each time. */
static inline void fill_malloc(void) {
  enum { most = 1040, each = 16 };
  void *volatile blocks[most / 16 * each];
  int n = 0;
  for (size_t size = 8; size < most; size += 16)
    for (int i = 0; i < each; i++)
      blocks[n++] = malloc(size);
  while (n > 0)
    free(blocks[--n]);
}

/* What malloc has given away. Under a sanitizer, which has another malloc, and
 * where nobody tells, it is 0. */
static inline long malloced(void) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
  struct mallinfo2 info;
  fill_malloc();
  info = mallinfo2();
  return (long)(info.uordblks + info.hblkhd);
#else
  return 0;
#endif
}

/* ---- what a state has ---- */

/* Counted from the outside of its allocator. */
typedef struct counted {
  long bytes;
  lua_Alloc own;
  void *own_ud;
} counted;

static inline void *allocate(void *ud, void *ptr, size_t osize, size_t nsize) {
  counted *it = ud;
  void *block = it->own(it->own_ud, ptr, osize, nsize);
  if (block != NULL || nsize == 0)
    it->bytes += (long)nsize - (ptr != NULL ? (long)osize : 0);
  return block;
}

static inline lua_State *new_counted(counted *it) {
  lua_State *L = new_state();
  it->own = lua_getallocf(L, &it->own_ud);
  it->bytes = lua_gc(L, LUA_GCCOUNT, 0) * 1024L + lua_gc(L, LUA_GCCOUNTB, 0);
  lua_setallocf(L, allocate, it);
  return L;
}

/* LuaJIT's own allocator has to be back, and then frees all at once. */
static inline void close_counted(lua_State *L, counted *it) {
  if (TIDE_LUAJIT)
    lua_setallocf(L, it->own, it->own_ud);
  lua_close(L);
  if (!TIDE_LUAJIT)
    CHECK(it->bytes == 0);
}

#endif
