/*
 * lua_held.c: tide_task and tide_future: tasks and futures that C holds.
 */
#include "lua_state.h"

static tide_runtime *rt;

static void steps(void) {
  for (int i = 0; i < 20; i++)
    CHECK(tide_step(rt, 0) >= 0);
}

static uint64_t wakers(void) {
  tide_stats stats = {.size = sizeof stats};
  CHECK(tide_stats_get(rt, &stats) == 0);
  return stats.wakers;
}

static int reports;

static void on_failed(tide_runtime *of, const tide_failure *failure, void *ud) {
  (void)of;
  (void)ud;
  CHECK(failure->message != NULL);
  reports++;
}

static lua_State *begin(void) {
  lua_State *L = new_state();
  tide_options options = {.size = sizeof options, .failed = on_failed};
  reports = 0;
  CHECK(tide_open(&rt, L, &options) == 0);
  RUN(L, "");
  return L;
}

static tide_task *spawn(lua_State *L, const char *code) {
  tide_task *task = NULL;
  int top = lua_gettop(L);
  CHECK(luaL_loadstring(L, code) == 0);
  CHECK(tide_spawn(rt, L, 0, &task) == 0);
  CHECK(lua_gettop(L) == top);
  return task;
}

/* ---- what callbacks were told ---- */

typedef struct told {
  int calls;
  tide_outcome how;
  int n;
  double first;
  char text[80];
  int had_state;
} told;

static void note(told *it, tide_outcome how, lua_State *L, int n) {
  it->calls++;
  it->how = how;
  it->n = n;
  it->had_state = L != NULL;
  it->text[0] = '\0';
  if (L == NULL || n == 0)
    return;
  CHECK(lua_gettop(L) >= n);
  it->first = lua_tonumber(L, -n);
  lua_getglobal(L, "tostring");
  lua_pushvalue(L, -n - 1);
  lua_call(L, 1, 1);
  snprintf(it->text, sizeof it->text, "%s", lua_tostring(L, -1));
  lua_pop(L, 1);
}

static void on_task(tide_task *task, tide_outcome how, lua_State *L, int n,
                    void *ud) {
  CHECK(tide_task_outcome(task) == how);
  note(ud, how, L, n);
}

static void on_future(tide_future *future, tide_outcome how, lua_State *L,
                      int n, void *ud) {
  CHECK(tide_future_outcome(future) == how);
  note(ud, how, L, n);
}

/* ---- tasks ---- */

static void a_task_runs_in_steps_only(void) {
  lua_State *L = begin();
  told it = {0};
  tide_task *task = spawn(L, "ran = 1 tide.sleep(0) return 7, nil, 'x'");
  CHECK(number(L, "ran") == 0);
  CHECK(tide_task_outcome(task) == TIDE_PENDING);
  CHECK(tide_task_on_done(task, on_task, &it) == 0);
  steps();
  CHECK(tide_task_outcome(task) == TIDE_RETURNED);
  CHECK(it.calls == 1 && it.how == TIDE_RETURNED && it.n == 3);
  CHECK(it.first == 7 && it.had_state);
  CHECK(tide_task_cancel(task, NULL) == UV_EALREADY);
  CHECK(tide_task_on_done(task, on_task, &it) == 0); /* a later turn's */
  CHECK(it.calls == 1);
  steps();
  CHECK(it.calls == 2 && it.n == 3);
  tide_task_release(task);
  lua_close(L);
  CHECK(it.calls == 2);
}

static void arguments_are_from_any_thread(void) {
  lua_State *L = begin(), *co = lua_newthread(L);
  int top;
  lua_setglobal(L, "co");
  lua_pushinteger(co, 99);
  top = lua_gettop(co);
  CHECK(luaL_loadstring(co, "a, b = ...") == 0);
  lua_pushinteger(co, 3);
  lua_pushinteger(co, 4);
  CHECK(tide_spawn(rt, co, 2, NULL) == 0);
  CHECK(lua_gettop(co) == top);
  steps();
  CHECK(number(L, "a") == 3);
  CHECK(number(L, "b") == 4);
  lua_close(L);
}

static void what_cannot_be_called_is_refused(void) {
  lua_State *L = begin();
  tide_task *task = (tide_task *)L;
  int top = lua_gettop(L);
  lua_pushinteger(L, 1);
  lua_pushinteger(L, 2);
  CHECK(tide_spawn(rt, L, 1, &task) == UV_EINVAL);
  CHECK(task == NULL && lua_gettop(L) == top);
  lua_pushinteger(L, 1);
  CHECK(tide_spawn(rt, L, 0, NULL) == UV_EINVAL);
  CHECK(lua_gettop(L) == top);
  CHECK(tide_step(rt, 0) == 0);
  lua_close(L);
}

static void an_error_without_a_callback_is_reported_at_once(void) {
  lua_State *L = begin();
  told it = {0};
  tide_task *task = spawn(L, "error('first', 0)");
  CHECK(luaL_loadstring(L, "error('second', 0)") == 0);
  CHECK(tide_spawn(rt, L, 0, NULL) == 0);
  steps();
  CHECK(reports == 2);
  CHECK(tide_task_outcome(task) == TIDE_RAISED);
  tide_task_release(task);
  task = spawn(L, "error('third', 0)");
  CHECK(tide_task_on_done(task, on_task, &it) == 0);
  tide_task_release(task); /* it need not be held */
  steps();
  CHECK(it.calls == 1 && it.how == TIDE_RAISED && it.n == 1);
  CHECK(strcmp(it.text, "third") == 0);
  CHECK(reports == 2);
  task = spawn(L, "error('fourth', 0)");
  CHECK(tide_task_push(task, L) == 0); /* a script sees to it */
  lua_setglobal(L, "t");
  steps();
  CHECK(reports == 2);
  RUN(L, "assert(t:exception() == 'fourth')");
  tide_task_release(task);
  lua_close(L);
  CHECK(reports == 2);
}

static void a_cancel_has_a_reason(void) {
  lua_State *L = begin();
  told it = {0};
  tide_task *task = spawn(L, "ok, e = tide.pcall(tide.sleep, 99) error(e, 0)");
  CHECK(tide_task_on_done(task, on_task, &it) == 0);
  steps();
  CHECK(tide_task_cancel(task, "enough") == 0);
  steps();
  CHECK(it.calls == 1 && it.how == TIDE_WAS_CANCELLED && it.n == 1);
  CHECK(strstr(it.text, "enough") != NULL);
  CHECK(tide_task_outcome(task) == TIDE_WAS_CANCELLED);
  tide_task_release(task);
  lua_close(L);
}

static void callbacks_are_called_in_order(void) {
  lua_State *L = begin();
  told it[3] = {{0}};
  tide_task *task = spawn(L, "return 1");
  for (int i = 0; i < 3; i++)
    CHECK(tide_task_on_done(task, on_task, &it[i]) == 0);
  CHECK(tide_step(rt, 0) == 1);
  CHECK(it[0].calls == 0); /* in the turn after its end */
  CHECK(tide_step(rt, 0) == 0);
  CHECK(it[0].calls == 1 && it[1].calls == 1 && it[2].calls == 1);
  tide_task_release(task);
  lua_close(L);
}

static void closing_drops_them(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin();
    told it = {0}, later = {0};
    tide_task *task = spawn(L, "tide.sleep(99)"), *ended = spawn(L, "return 1");
    CHECK(tide_task_on_done(task, on_task, &it) == 0);
    steps();
    if (i == 0) {
      CHECK(tide_close(rt, NULL, NULL) == 0);
      CHECK(tide_task_on_done(task, on_task, &later) == UV_ECANCELED);
      CHECK(tide_task_on_done(ended, on_task, &later) == UV_ECANCELED);
      CHECK(tide_task_cancel(task, NULL) == UV_ECANCELED);
      CHECK(luaL_loadstring(L, "return 1") == 0);
      CHECK(tide_spawn(rt, L, 0, NULL) == UV_ECANCELED);
      CHECK(tide_task_outcome(ended) == TIDE_RETURNED);
    }
    lua_close(L);
    CHECK(it.calls == 1 && it.how == TIDE_DROPPED);
    CHECK(it.n == 0 && !it.had_state && later.calls == 0);
    CHECK(tide_task_outcome(task) == TIDE_DROPPED);
    CHECK(tide_task_outcome(ended) == TIDE_DROPPED);
    CHECK(tide_task_cancel(task, NULL) == UV_ECANCELED);
    CHECK(tide_task_on_done(task, on_task, &later) == UV_ECANCELED);
    CHECK(tide_task_push(task, NULL) == UV_ECANCELED);
    tide_task_release(task);
    tide_task_release(ended);
    tide_task_release(NULL);
  }
}

/* ---- callbacks that do something ---- */

static void raising(tide_task *task, tide_outcome how, lua_State *L, int n,
                    void *ud) {
  (void)task;
  (void)how;
  (void)n;
  ++*(int *)ud;
  luaL_error(L, "a callback raises");
}

static void a_callback_that_raises_is_reported(void) {
  lua_State *L = begin();
  told it = {0};
  int calls = 0;
  tide_task *task = spawn(L, "return 1");
  CHECK(tide_task_on_done(task, raising, &calls) == 0);
  CHECK(tide_task_on_done(task, on_task, &it) == 0);
  tide_task_release(task);
  steps();
  CHECK(calls == 1 && it.calls == 1 && reports == 1);
  lua_close(L);
}

static void working(tide_task *task, tide_outcome how, lua_State *L, int n,
                    void *ud) {
  tide_task *next = NULL;
  (void)how;
  (void)n;
  CHECK(tide_lua(rt) == L);
  CHECK(tide_step(rt, 0) == UV_EBUSY && tide_run(rt) == UV_EBUSY);
  CHECK(luaL_loadstring(L, "next = 1") == 0);
  CHECK(tide_spawn(rt, L, 0, &next) == 0);
  CHECK(tide_task_on_done(next, on_task, ud) == 0);
  tide_task_release(next);
  tide_task_release(task);
}

static void a_callback_may_spawn_and_release(void) {
  lua_State *L = begin();
  told it = {0};
  tide_task *task = spawn(L, "return 1");
  CHECK(tide_task_on_done(task, working, &it) == 0);
  steps();
  CHECK(number(L, "next") == 1 && it.calls == 1);
  lua_close(L);
}

/* ---- futures ---- */

static tide_future *new_future(lua_State *L, const char *name) {
  tide_future *future = NULL;
  CHECK(tide_future_new(rt, &future) == 0);
  CHECK(tide_future_outcome(future) == TIDE_PENDING);
  CHECK(tide_future_push(future, L) == 0);
  lua_setglobal(L, name);
  return future;
}

static void a_future_is_set_by_c_and_awaited_by_tasks(void) {
  lua_State *L = begin();
  told it = {0};
  tide_future *future = new_future(L, "f");
  CHECK(wakers() == 1);
  CHECK(tide_future_on_done(future, on_future, &it) == 0);
  RUN(L, "tide.task(function() a, b, d = f:await() end)");
  steps();
  lua_pushinteger(L, 5);
  lua_pushnil(L);
  lua_pushinteger(L, 6);
  CHECK(tide_future_set(future, L, 3) == 0);
  CHECK(lua_gettop(L) == 0);
  CHECK(wakers() == 0);
  CHECK(tide_future_outcome(future) == TIDE_RETURNED);
  lua_pushinteger(L, 1);
  CHECK(tide_future_set(future, L, 1) == UV_EALREADY);
  lua_pushinteger(L, 1);
  CHECK(tide_future_fail(future, L) == UV_EALREADY);
  CHECK(tide_future_cancel(future, NULL) == UV_EALREADY);
  CHECK(lua_gettop(L) == 0);
  CHECK(it.calls == 0);
  steps();
  RUN(L, "assert(a == 5 and b == nil and d == 6)");
  CHECK(it.calls == 1 && it.n == 3 && it.first == 5);
  tide_future_release(future);
  lua_close(L);
}

static void it_fails_and_is_cancelled(void) {
  lua_State *L = begin();
  told it[2] = {{0}};
  tide_future *failing = new_future(L, "f"), *cancelled = new_future(L, "g");
  CHECK(tide_future_on_done(failing, on_future, &it[0]) == 0);
  CHECK(tide_future_on_done(cancelled, on_future, &it[1]) == 0);
  lua_pushliteral(L, "broken");
  CHECK(tide_future_fail(failing, L) == 0);
  CHECK(tide_future_cancel(cancelled, "not now") == 0);
  CHECK(wakers() == 0);
  steps();
  CHECK(it[0].how == TIDE_RAISED && strcmp(it[0].text, "broken") == 0);
  CHECK(it[1].how == TIDE_WAS_CANCELLED && strstr(it[1].text, "not now"));
  tide_future_release(failing);
  tide_future_release(cancelled);
  CHECK(reports == 0);
  lua_close(L);
}

/* Whoever completes it, the promise is over. */
static void a_script_may_complete_it(void) {
  lua_State *L = begin();
  told it[2] = {{0}};
  tide_future *set = new_future(L, "f"), *cancelled = new_future(L, "g");
  CHECK(tide_future_on_done(set, on_future, &it[0]) == 0);
  CHECK(tide_future_on_done(cancelled, on_future, &it[1]) == 0);
  RUN(L, "f:set_result(3) g:cancel()");
  CHECK(tide_future_outcome(set) == TIDE_RETURNED);
  CHECK(tide_future_set(cancelled, L, 0) == UV_EALREADY);
  steps();
  CHECK(it[0].calls == 1 && it[0].first == 3);
  CHECK(it[1].calls == 1 && it[1].how == TIDE_WAS_CANCELLED);
  CHECK(wakers() == 0);
  CHECK(tide_next_timeout(rt) < 0);
  CHECK(tide_run(rt) == 0);
  tide_future_release(set);
  tide_future_release(cancelled);
  CHECK(wakers() == 0);
  lua_close(L);
}

static void who_awaits_it_may_be_cancelled(void) {
  lua_State *L = begin();
  told it = {0};
  tide_future *future = new_future(L, "f");
  CHECK(tide_future_on_done(future, on_future, &it) == 0);
  RUN(L, "t = tide.task(function() f:await() end)");
  steps();
  RUN(L, "t:cancel()");
  steps();
  CHECK(tide_future_outcome(future) == TIDE_WAS_CANCELLED);
  CHECK(it.calls == 1 && it.how == TIDE_WAS_CANCELLED);
  CHECK(wakers() == 0);
  CHECK(tide_run(rt) == 0);
  tide_future_release(future);
  lua_close(L);
}

static void releasing_it_breaks_the_promise(void) {
  lua_State *L = begin();
  tide_future *future = new_future(L, "f");
  tide_future_release(future);
  CHECK(wakers() == 0);
  RUN(L, "ok, e = pcall(tide.run, function() f:await() end) "
         "assert(not ok and tostring(e):find('DeadlockError'), e)");
  tide_future_release(NULL);
  lua_close(L);
}

static void closing_drops_futures(void) {
  for (int i = 0; i < 2; i++) {
    lua_State *L = begin();
    told it = {0}, later = {0};
    tide_future *future = new_future(L, "f"), *out = (tide_future *)L;
    CHECK(tide_future_on_done(future, on_future, &it) == 0);
    if (i == 0) {
      CHECK(tide_close(rt, NULL, NULL) == 0);
      CHECK(it.calls == 1);
      lua_pushinteger(L, 1);
      CHECK(tide_future_set(future, L, 1) == UV_ECANCELED);
      CHECK(lua_gettop(L) == 0);
      CHECK(tide_future_new(rt, &out) == UV_ECANCELED && out == NULL);
      CHECK(tide_future_on_done(future, on_future, &later) == UV_ECANCELED);
    }
    lua_close(L);
    CHECK(it.calls == 1 && it.how == TIDE_DROPPED && !it.had_state);
    CHECK(tide_future_outcome(future) == TIDE_DROPPED);
    CHECK(tide_future_cancel(future, NULL) == UV_ECANCELED);
    CHECK(tide_future_push(future, NULL) == UV_ECANCELED);
    tide_future_release(future);
    CHECK(later.calls == 0);
  }
}

/* What is of a closed runtime stays so when the state has another. */
static void another_runtime_does_not_know_them(void) {
  lua_State *L = begin();
  tide_future *future = new_future(L, "f");
  tide_task *task = spawn(L, "tide.sleep(9)");
  CHECK(tide_close(rt, NULL, NULL) == 0);
  rt = open_runtime(L);
  CHECK(tide_future_set(future, L, 0) == UV_ECANCELED);
  CHECK(tide_task_cancel(task, NULL) == UV_ECANCELED);
  CHECK(tide_task_outcome(task) == TIDE_DROPPED);
  tide_task_release(task);
  tide_future_release(future);
  CHECK(wakers() == 0);
  CHECK(tide_step(rt, 0) == 0);
  lua_close(L);
}

/* As it is lost without memory: the list that it is in goes. */
static void a_callback_that_is_lost_is_told_at_the_end(void) {
  lua_State *L = begin();
  told it = {0};
  tide_task *task = spawn(L, "require'tide'.sleep(99)");
  CHECK(tide_task_on_done(task, on_task, &it) == 0);
  CHECK(tide_task_push(task, L) == 0);
  lua_setglobal(L, "task");
  RUN(L, "local get = debug.getuservalue or debug.getfenv "
         "assert(get(task).callbacks) get(task).callbacks = nil "
         "for _ = 1, 3 do collectgarbage() end");
  CHECK(it.calls == 0);
  CHECK(tide_close(rt, NULL, NULL) == 0);
  CHECK(it.calls == 1 && it.how == TIDE_DROPPED);
  tide_task_release(task);
  lua_close(L);
  CHECK(it.calls == 1);
}

static const test tests[] = {
    TEST(a_task_runs_in_steps_only),
    TEST(arguments_are_from_any_thread),
    TEST(what_cannot_be_called_is_refused),
    TEST(an_error_without_a_callback_is_reported_at_once),
    TEST(a_cancel_has_a_reason),
    TEST(callbacks_are_called_in_order),
    TEST(closing_drops_them),
    TEST(a_callback_that_raises_is_reported),
    TEST(a_callback_may_spawn_and_release),
    TEST(a_future_is_set_by_c_and_awaited_by_tasks),
    TEST(it_fails_and_is_cancelled),
    TEST(a_script_may_complete_it),
    TEST(who_awaits_it_may_be_cancelled),
    TEST(releasing_it_breaks_the_promise),
    TEST(closing_drops_futures),
    TEST(another_runtime_does_not_know_them),
    TEST(a_callback_that_is_lost_is_told_at_the_end)};

int main(int argc, char **argv) {
  return run_tests(tests, sizeof tests / sizeof *tests,
                   argc > 1 ? argv[1] : NULL);
}
