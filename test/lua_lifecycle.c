/*
 * lua_lifecycle.c: whatever was begun, the end of a runtime or of a state
 * leaves nothing behind. `make lifecycle` runs all of it, `make test` a part.
 */
#include "lifecycle.h"

/* ---- open and close, often ---- */

/* At the end there may be so much more than after the first tenth: what
 * is lost in each round is much more. */
static void check_flat(const char *what, long before, long after, long rounds) {
  if (after <= before + rounds / 20 + 4096)
    return;
  failures++;
  printf("# %s: %ld bytes, then %ld\n", what, before, after);
}

typedef struct levels {
  long bytes, malloced;
  int fds;
} levels;

static levels look(lua_State *L, const counted *memory) {
  levels seen = {0, malloced(), open_fds()};
  if (L != NULL) {
    lua_gc(L, LUA_GCCOLLECT, 0);
    lua_gc(L, LUA_GCCOLLECT, 0);
    seen.bytes = memory->bytes;
    seen.malloced = malloced();
  }
  return seen;
}

static void compare(levels before, levels after, long rounds) {
  check_flat("Lua", before.bytes, after.bytes, rounds);
  check_flat("malloc", before.malloced, after.malloced, rounds);
  CHECK(before.fds == after.fds);
  printf("# %ld times: Lua %+ld bytes, malloc %+ld, descriptors %+d\n", rounds,
         after.bytes - before.bytes, after.malloced - before.malloced,
         after.fds - before.fds);
}

static int close_here(lua_State *L) {
  tide_runtime *rt = tide_runtime_of(L);
  CHECK(tide_close(rt, NULL, NULL) == 0);
  return 0;
}

static void call(lua_State *L, const char *name) {
  lua_getglobal(L, name);
  if (lua_pcall(L, 0, 0, 0) == LUA_OK)
    return;
  printf("# %s\n", lua_tostring(L, -1));
  failures++;
  lua_pop(L, 1);
}

/* In C with nothing, with tasks that wait, closed in a step; and in Lua. */
static void open_and_close(lua_State *L, long round) {
  tide_runtime *rt;
  if (round % 4 == 3) {
    call(L, "in_lua");
    return;
  }
  rt = open_runtime(L);
  if (round % 4 == 1)
    call(L, "begin");
  else if (round % 4 == 2)
    call(L, "begin_closing");
  if (round % 4 == 2) {
    CHECK(tide_step(rt, 1) == UV_ECANCELED);
    return;
  }
  CHECK(tide_step(rt, 0) >= 0);
  CHECK(tide_close(rt, NULL, NULL) == 0);
}

static void a_runtime_is_opened_and_closed_often(void) {
  counted memory;
  lua_State *L = new_counted(&memory);
  long n = rounds(100000, 2000);
  levels before = {0};
  lua_register(L, "close", close_here);
  RUN(L, "function begin() tide.task(tide.sleep, 10) "
         "tide.task(tide.park, function() return print end) "
         "tide.loop():call_later(10, print) end "
         "function begin_closing() begin() tide.task(close) end "
         "function in_lua() tide.run(tide.sleep, 0) begin() "
         "tide.loop():close() end");
  for (long i = 0; i < n && failures == 0; i++) {
    if (i == n / 10)
      before = look(L, &memory);
    open_and_close(L, i);
  }
  compare(before, look(L, &memory), n);
  close_counted(L, &memory);
}

static void a_state_is_opened_and_closed_often(long n, bool all) {
  levels before = {0};
  for (long i = 0; i < n && failures == 0; i++) {
    counted memory;
    lua_State *L;
    tide_runtime *rt;
    if (i == n / 10)
      before = look(NULL, NULL);
    L = new_counted(&memory);
    rt = open_runtime(L);
    if (all)
      RUN(L, "tide.task(tide.sleep, 10)");
    CHECK(tide_step(rt, 0) >= 0);
    close_counted(L, &memory);
  }
  compare(before, look(NULL, NULL), n);
}

static void a_state_with_the_core_is_opened_and_closed_often(void) {
  a_state_is_opened_and_closed_often(rounds(100000, 500), false);
}

static void a_state_with_all_of_tide_is_opened_and_closed_often(void) {
  a_state_is_opened_and_closed_often(rounds(10000, 200), true);
}

/* ---- the end after each event ---- */

static void it_ends_by_itself(void) {
  long events;
  CHECK(!live(CLOSED, -1, &events));
  CHECK(events > 100);
}

/* How many events there were. A part takes each third, others each time. */
static long sweep(ending how, long first) {
  long k = first, pace = is_whole() ? 1 : 3;
  while (failures == 0 && live(how, k, NULL)) {
    CHECK(!has_children());
    k += pace;
  }
  if (failures > 0)
    printf("# at event %ld\n", k);
  return k;
}

/* The first sweep fills what malloc keeps for later. */
static void ends_after_each(ending how) {
  long lives = sweep(how, 1), before = malloced(), longest = 0;
  int fds = open_fds();
  CHECK(lives > 100);
  for (long i = 1; i <= rounds(30, 1) && failures == 0; i++) {
    long k = sweep(how, 1 + i % 3);
    lives += k;
    longest = k > longest ? k : longest;
  }
  CHECK(open_fds() == fds);
  check_flat("malloc", before, malloced(), lives);
  printf("# ended after each of up to %ld events: malloc %+ld bytes\n", longest,
         malloced() - before);
}

static void the_state_ends_after_each_resume(void) {
  ends_after_each(BETWEEN);
}

static void the_runtime_ends_in_each_event(void) {
  ends_after_each(CLOSED);
}

static const test tests[] = {
    TEST(a_runtime_is_opened_and_closed_often),
    TEST(a_state_with_the_core_is_opened_and_closed_often),
    TEST(a_state_with_all_of_tide_is_opened_and_closed_often),
    TEST(it_ends_by_itself),
    TEST(the_state_ends_after_each_resume),
    TEST(the_runtime_ends_in_each_event)};

/* A state that is closed tells standard error what has been left: that is so
 * here by intent. */
int main(int argc, char **argv) {
  if (freopen("/dev/null", "w", stderr) == NULL)
    return 1;
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
