/* host.c: the C API: opening, closing and driving the runtime of a state. */
#include <math.h>
#include <string.h>

#include "hosting.h"

static const char state_key; /* its address: where the registry has the state */

tideL_state *tideL_find(lua_State *L) {
  tideL_state *S;
  lua_pushlightuserdata(L, (void *)&state_key);
  lua_rawget(L, LUA_REGISTRYINDEX);
  S = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return S;
}

void tideL_openhost(lua_State *L) {
  lua_pushlightuserdata(L, (void *)&state_key);
  lua_pushlightuserdata(L, tideL_get(L));
  lua_rawset(L, LUA_REGISTRYINDEX);
  tideL_openprotect(L);
  tideL_openwaiter(L);
  tideL_openapi(L);
}

/* ---- opening ---- */

/* Sizes grow with versions: what an older program does not know is 0. */
static int read_options(tide_options *out, const tide_options *options) {
  memset(out, 0, sizeof *out);
  if (options == NULL)
    return 0;
  if (options->size < offsetof(tide_options, userdata) ||
      !(options->budget >= 0 ||
        options->size <= offsetof(tide_options, budget)))
    return UV_EINVAL;
  memcpy(out, options,
         options->size < sizeof *out ? options->size : sizeof *out);
  return 0;
}

typedef struct opening {
  tideL_state *S;
  tide_options options;
  bool is_program; /* or a module, which takes what there is */
  int err;
} opening;

static double read_clock(void *arg) {
  const tideL_state *S = arg;
  return S->options.clock(S->options.userdata);
}

static void tell_host(tideR_runtime *rt) {
  tideL_state *S = tideR_runtime_data(rt);
  S->options.wake(S, S->options.userdata);
}

static void tell_host_of_post(void *arg) {
  tideL_state *S = arg;
  S->options.wake(S, S->options.userdata);
}

void tideL_useoptions(tideL_state *S) {
  if (S->options.clock != NULL)
    tideR_clock_source(S->rt, read_clock, S);
  if (S->options.wake != NULL)
    tideR_remote_on_post(S->rt, tell_host_of_post, S);
  tideR_loop_announce(S->rt, S->options.wake != NULL ? tell_host : NULL);
}

/* The main thread where Lua tells which that is, or else one that stays. */
static lua_State *main_of(lua_State *L, const tideL_state *S) {
  lua_State *main = L;
#if LUA_VERSION_NUM >= 502
  lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
  main = lua_tothread(L, -1);
  (void)S;
#else
  if (!lua_pushthread(L))
    main = S->thread;
#endif
  lua_pop(L, 1);
  return main;
}

static int open_core(lua_State *L) {
  lua_settop(L, 0);
  if (tideL_isforeign(L))
    return 0; /* there is no state of ours */
  lua_pushcfunction(L, luaopen_tide_core);
  lua_call(L, 0, 1);
  lua_getfield(L, LUA_REGISTRYINDEX, "_LOADED");
  lua_insert(L, -2);
  lua_setfield(L, -2, "tide.core");
  return 0;
}

/* A runtime that is made here is made with the options. */
static int open_runtime(lua_State *L, tideL_state *S, void *arg) {
  const opening *it = arg;
  bool is_there = S->rt != NULL;
  if (it->is_program)
    S->options = it->options;
  tideL_open(L);
  if (!it->is_program)
    return 0;
  if (is_there || it->options.size == 0)
    tideL_useoptions(S);
  S->program = main_of(L, S);
  S->embedded = true;
  S->blocking = !it->options.no_blocking && !tideR_loop_is_borrowed(S->rt);
  return 0;
}

/* The rest is protected by the state's own means. */
static int open_body(lua_State *L) {
  opening *it = lua_touserdata(L, 1);
  open_core(L);
  it->S = tideL_find(L);
  return 0;
}

/* Nothing is pushed outside of the protected call: on 5.1 that may raise. */
static int open_protected(lua_State *L, opening *it) {
  int status;
#if LUA_VERSION_NUM == 501
  status = lua_cpcall(L, open_body, it);
#else
  if (!lua_checkstack(L, 3))
    return UV_ENOMEM;
  lua_pushcfunction(L, open_body);
  lua_pushlightuserdata(L, it);
  status = lua_pcall(L, 1, 0, 0);
#endif
  if (status == LUA_OK)
    return it->S != NULL ? 0 : UV_EEXIST;
  lua_pop(L, 1);
  return UV_ENOMEM;
}

static int open_state(lua_State *L, opening *it) {
  tideL_state *S;
  int err = open_protected(L, it);
  if (err < 0)
    return err;
  S = it->S;
  tideL_closenow(S);
  if (S->closing || S->dropping || S->dead)
    return UV_EBUSY;
  if (it->options.loop != NULL && S->rt != NULL &&
      it->options.loop != tideR_runtime_uv(S->rt))
    return UV_EEXIST;
  if (it->is_program && S->embedded && S->rt != NULL &&
      !tideR_loop_forked(S->rt))
    return 0;
  S->loop_error = 0;
  err = tideL_protect(S, L, 0, 0, open_runtime, it);
  return err < 0 && S->loop_error < 0 ? S->loop_error : err;
}

int tide_open(tide_runtime **out, lua_State *L, const tide_options *options) {
  opening it = {.is_program = true};
  int err = read_options(&it.options, options);
  *out = NULL;
  if (err == 0)
    err = open_state(L, &it);
  if (err < 0)
    return err;
  *out = it.S;
  return 0;
}

tide_runtime *tide_runtime_of(lua_State *L) {
  opening it = {.is_program = false};
  return open_state(L, &it) == 0 ? it.S : NULL;
}

/* ---- driving ---- */

int tide_step(tide_runtime *rt, double budget) {
  int result;
  if (tideL_closenow(rt) || rt->rt == NULL)
    return UV_ECANCELED;
  result = tideL_step(rt, budget);
  tideL_switchprogram(rt);
  return result;
}

int tide_run(tide_runtime *rt) {
  int err;
  if (tideL_closenow(rt) || rt->rt == NULL)
    return UV_ECANCELED;
  if (tideL_isbusy(rt))
    return UV_EBUSY;
  err = tideL_drive(rt);
  tideL_switchprogram(rt);
  return tideL_closenow(rt) ? UV_ECANCELED : err;
}

double tide_next_timeout(tide_runtime *rt) {
  return rt->rt != NULL ? tideR_loop_timeout(rt->rt) : -1;
}

int tide_fd(tide_runtime *rt) {
  return rt->rt != NULL ? tideR_loop_fd(rt->rt) : -1;
}

uv_loop_t *tide_uv_loop(tide_runtime *rt) {
  return rt->rt != NULL ? tideR_runtime_uv(rt->rt) : NULL;
}

/* In one of a host's callbacks there is nobody to tell of an error. */
void tideL_onturn(tideR_runtime *rt) {
  tideL_state *S = tideR_runtime_data(rt);
  double budget = S->options.budget > 0 ? S->options.budget : 0.004;
  tideL_hostturn(S, budget);
}

/* ---- closing ---- */

/* Another runtime of this state begins with no options of this one; `closed`
 * may open it, so it comes last. On a host's loop the handles are to close
 * first. */
bool tideL_closenow(tideL_state *S) {
  void (*closed)(void *ud) = NULL;
  if (!S->closing || S->shutting || tideL_isbusy(S))
    return false;
  S->shutting = true;
  if (S->rt != NULL && !tideR_loop_is_borrowed(S->rt)) {
    closed = S->closed;
    S->closed = NULL;
  }
  if (tideL_shut(S) < 0)
    tideL_freeruntime(S); /* without memory as lua_close does it */
  memset(&S->options, 0, sizeof S->options);
  S->embedded = S->closing = S->shutting = false;
  S->blocking = true;
  tideL_switchprogram(S);
  if (closed != NULL)
    closed(S->closed_ud);
  return true;
}

static int look_body(lua_State *L, tideL_state *S, void *arg) {
  (void)S;
  *(bool *)arg = tideL_infinaliser(L);
  return 0;
}

/* Outside of the loop, where a finaliser may run inside of any function of ours
 * that allocates. From 5.4.4 on Lua tells; LuaJIT's hooks are the state's. */
static bool in_finaliser(tideL_state *S) {
  lua_State *L = TIDE_LUAJIT || S->program == NULL ? S->thread : S->program;
  bool is = false;
#if LUA_VERSION_NUM >= 504
  if (lua_gc(S->thread, LUA_GCISRUNNING) < 0)
    return true;
#endif
  tideL_protect(S, L, 0, 0, look_body, &is);
  return is;
}

int tide_close(tide_runtime *rt, void (*closed)(void *ud), void *ud) {
  if (rt->closing || rt->dropping)
    return UV_EALREADY;
  if (rt->rt == NULL)
    return UV_ECANCELED;
  rt->closed = closed;
  rt->closed_ud = ud;
  rt->closing = true;
  if (tideL_isbusy(rt) || in_finaliser(rt) || !tideL_closenow(rt))
    tideR_loop_leave(rt->rt);
  return 0;
}
