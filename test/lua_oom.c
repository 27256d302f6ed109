/*
 * lua_oom.c: what happens when there is no memory left, at any point. Each file
 * of test/oom is a scenario; test/oom.lua says what is in one.
 *
 * A scenario runs in a state of its own for each allocation that fails in it,
 * until none does. Then memory is there again, and the state has to work; when
 * it is closed, everything has to be given back. A process for each scenario
 * lives through crashes.
 *
 * Usage: lua_oom [--whole] [SCENARIO...]
 *        lua_oom --at WAY:N SCENARIO
 * Without --whole some of the allocations are tried, evenly spread. --at tries
 * one, as a failure names it, in this process.
 */
#include <fcntl.h>
#include <glob.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "oom_host.h"

enum {
  SECONDS = 10,     /* a point that takes as long hangs */
  POINTS = 16,      /* of each way to fail, if not all are tried */
  FAILED_POINTS = 5 /* enough of one scenario */
};

static const char *const ways[FAILINGS] = {"retried", "once", "all", "close"};

/* Where a scenario is; a process that crashed has left it to its parent. */
typedef struct progress {
  failing how;
  long n;
  long step, allocations;
  unsigned points, failed;
} progress;

static void fail(const progress *at, const char *scenario, const char *why) {
  printf("# --at %s:%ld %s: %s\n", ways[at->how], at->n, scenario, why);
}

/* ---- the modules of tide, compiled once ---- */

typedef struct module {
  char name[40];
  char *code;
  size_t size;
} module;

static module modules[64];
static int module_count;

static int on_dump(lua_State *L, const void *p, size_t size, void *ud) {
  module *it = ud;
  (void)L;
  it->code = realloc(it->code, it->size + size);
  memcpy(it->code + it->size, p, size);
  it->size += size;
  return 0;
}

static void compile(lua_State *L, const char *path) {
  module *it = &modules[module_count++];
  const char *name = strrchr(path, '/') + 1;
  snprintf(it->name, sizeof it->name, "tide.%.*s",
           (int)(strchr(name, '.') - name), name);
  if (strcmp(it->name, "tide.init") == 0)
    it->name[4] = '\0';
  if (luaL_loadfile(L, path) != LUA_OK)
    abort();
#if LUA_VERSION_NUM >= 503
  lua_dump(L, on_dump, it, 0);
#else
  lua_dump(L, on_dump, it);
#endif
  lua_pop(L, 1);
}

static void compile_modules(void) {
  lua_State *L = luaL_newstate();
  glob_t found;
  if (glob("lua/tide/*.lua", 0, NULL, &found) != 0)
    abort();
  for (size_t i = 0; i < found.gl_pathc; i++)
    compile(L, found.gl_pathv[i]);
  globfree(&found);
  lua_close(L);
}

static int load_module(lua_State *L) {
  const module *it = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbuffer(L, it->code, it->size, it->name) != LUA_OK)
    return lua_error(L);
  lua_pushstring(L, it->name);
  lua_call(L, 1, 1);
  return 1;
}

static void preload_modules(lua_State *L) {
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "preload");
  for (int i = 0; i < module_count; i++) {
    lua_pushlightuserdata(L, &modules[i]);
    lua_pushcclosure(L, load_module, 1);
    lua_setfield(L, -2, modules[i].name);
  }
  lua_pop(L, 2);
}

/* ---- a point ---- */

/* The functions of test/oom.lua are the elements of a table at 1. */
enum { START = 1, AFTER };

static lua_State *new_scenario(const char *name, failing how) {
  lua_State *L = memory_state();
  preload_modules(L);
  open_host(L);
  if (luaL_loadfile(L, "test/oom.lua") == LUA_OK) {
    lua_pushstring(L, name);
    lua_pushstring(L, ways[how]);
    if (lua_pcall(L, 2, 1, 0) == LUA_OK)
      return L;
  }
  printf("# %s: %s\n", name, lua_tostring(L, -1));
  exit(1);
}

static bool call(lua_State *L, int which) {
  lua_settop(L, 1);
  lua_rawgeti(L, 1, which);
  return lua_pcall(L, 0, 0, 0) == LUA_OK;
}

static int open_descriptors(void) {
  int count = 0;
  for (int fd = 0; fd < 256; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* False: nothing failed any more. */
static bool run_point(const char *name, progress *at) {
  char why[500] = "";
  long blocks = memory.blocks;
  int fds = open_descriptors();
  lua_State *L = new_scenario(name, at->how);
  lua_gc(L, LUA_GCCOLLECT, 0);
  alarm(SECONDS);
  memory_fails(at->how, at->n);
  call(L, START);
  if (at->how != FAIL_CLOSE) {
    memory_works();
    lua_settop(L, 1);
    lua_gc(L, LUA_GCCOLLECT, 0);
    if (!call(L, AFTER))
      snprintf(why, sizeof why, "then %s", lua_tostring(L, -1));
  }
  memory_for_finalisers(L);
  lua_close(L);
  memory_works();
  alarm(0);
  if (ftruncate(STDERR_FILENO, 0) == 0)
    lseek(STDERR_FILENO, 0, SEEK_SET);
  if (why[0] == '\0' && (memory.blocks != blocks || memory_left() != 0))
    snprintf(why, sizeof why, "%ld blocks and %zu bytes of Lua's are lost",
             memory.blocks - blocks, memory_left());
  if (why[0] == '\0' && open_descriptors() != fds)
    snprintf(why, sizeof why, "%d descriptors are lost",
             open_descriptors() - fds);
  at->points++;
  if (why[0] != '\0') {
    fail(at, name, why);
    at->failed++;
  }
  return memory.failed > 0;
}

/* ---- a scenario ---- */

/* What a process has only once is made here: libuv's pipe for signals. */
static void warm_up(void) {
  uv_loop_t loop;
  if (uv_loop_init(&loop) < 0 || uv_loop_close(&loop) < 0)
    abort();
}

/* How many allocations it makes if none fails: so they do not all begin at the
 * first one with steps that are too long. */
static void count_allocations(const char *name, progress *at, bool whole) {
  at->how = FAIL_COLLECTED;
  at->n = LONG_MAX - 1;
  if (run_point(name, at) || at->failed > 0)
    exit(1);
  at->how = TIDE_YIELDK ? FAIL_COLLECTED : FAIL_ONCE;
  at->n = 0;
  at->points = 0;
  at->allocations = memory.asked;
  at->step = whole ? 1 : 1 + memory.asked / POINTS;
}

/* From where `at` is. Ways begin at different allocations. */
static void run_points(const char *name, progress *at) {
  for (; at->how < FAILINGS; at->how++, at->n = at->how % at->step)
    for (; run_point(name, at); at->n += at->step)
      if (at->failed >= FAILED_POINTS)
        return;
}

/* What is said when memory fails goes into a file, which is shown if the
 * process dies. */
static void run_in_child(const char *name, progress *at, bool whole) {
  warm_up();
  if (at->step == 0)
    count_allocations(name, at, whole);
  run_points(name, at);
  uv_library_shutdown();
  exit(0);
}

static void show(FILE *said) {
  char line[500];
  rewind(said);
  while (fgets(line, sizeof line, said) != NULL)
    fputs(line, stdout);
}

static bool run_scenario(const char *name, bool whole) {
  progress *at = mmap(NULL, sizeof *at, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FILE *said = tmpfile();
  int status = 0;
  do {
    pid_t pid = fork();
    if (pid == 0 && dup2(fileno(said), STDERR_FILENO) > 0)
      run_in_child(name, at, whole);
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
      fail(at, name, strsignal(WTERMSIG(status)));
    else if (status != 0)
      fail(at, name, "it ended the process");
    if (status != 0) {
      show(said);
      at->failed++;
      at->n += at->step;
    }
  } while (status != 0 && at->step > 0 && at->failed < FAILED_POINTS);
  printf("%s %s: %u points of %ld allocations\n", at->failed ? "not ok" : "ok",
         name, at->points, at->allocations);
  status = (int)at->failed;
  munmap(at, sizeof *at);
  fclose(said);
  return status == 0;
}

/* ---- all of them ---- */

static int run_one(const char *point, const char *name) {
  progress at = {.step = 1};
  for (; at.how < FAILINGS; at.how++) {
    size_t length = strlen(ways[at.how]);
    if (strncmp(point, ways[at.how], length) != 0 || point[length] != ':')
      continue;
    warm_up();
    at.n = atol(point + length + 1);
    if (!run_point(name, &at))
      printf("# it has not as many allocations\n");
    break;
  }
  printf("%u passed, %u failed\n", at.points - at.failed, at.failed);
  return at.failed > 0 || at.points == 0;
}

static bool is_chosen(const char *name, char **chosen, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(chosen[i], name) == 0)
      return true;
  return count == 0;
}

int main(int argc, char **argv) {
  unsigned passed = 0, failed = 0;
  bool whole = argc > 1 && strcmp(argv[1], "--whole") == 0;
  char **chosen = argv + 1 + whole;
  glob_t found;
  setvbuf(stdout, NULL, _IOLBF, 256);
  compile_modules();
  memory_of_uv();
  if (argc == 4 && strcmp(argv[1], "--at") == 0)
    return run_one(argv[2], argv[3]);
  if (glob("test/oom/*.lua", 0, NULL, &found) != 0)
    return 1;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    char *name = strrchr(found.gl_pathv[i], '/') + 1;
    *strrchr(name, '.') = '\0';
    if (is_chosen(name, chosen, argc - 1 - whole))
      run_scenario(name, whole) ? passed++ : failed++;
  }
  globfree(&found);
  printf("%u passed, %u failed\n", passed, failed);
  return failed > 0 || passed == 0;
}
