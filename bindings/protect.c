/* protect.c: how functions of the C API call what may raise. */
#include "hosting.h"

typedef struct tideL_job {
  tideL_body body;
  void *arg;
} tideL_job;

/* Finalisers may run before this does, and protect calls of their own: each
 * puts back the job that it found. */
static int protector(lua_State *L) {
  tideL_state *S = tideL_get(L);
  const tideL_job *job = S->job;
  return job->body(L, S, job->arg);
}

static bool call(tideL_state *S, lua_State *L, int n, int nresults,
                 tideL_job *job) {
  tideL_job *before = S->job;
  int status;
  S->job = job;
  tideL_pushanchored(L, &S->protector);
  lua_insert(L, -n - 1);
  status = lua_pcall(L, n, nresults, 0);
  S->job = before;
  return status == LUA_OK;
}

#if TIDE_LUAJIT

static int nothing(lua_State *L, tideL_state *S, void *arg) {
  (void)L;
  (void)S;
  (void)arg;
  return 0;
}

/* As far as we know it. */
static lua_State *running(const tideL_state *S) {
  if (S->current != NULL)
    return S->current->coro;
  return tideL_isbusy(S) || S->program == NULL ? S->thread : S->program;
}

/* The program's function that called us may raise: see tideL_switchback, which
 * itself would raise when it is out of memory. */
static void switch_back(tideL_state *S, const lua_State *from) {
  tideL_job job = {nothing, NULL};
  lua_State *L = running(S);
  if (L != from && L != NULL && !call(S, L, 0, 0, &job))
    lua_pop(L, 1);
}

#else

static void switch_back(const tideL_state *S, const lua_State *from) {
  (void)S;
  (void)from;
}

#endif

void tideL_switchprogram(tideL_state *S) {
  switch_back(S, S->thread);
}

bool tideL_try(tideL_state *S, lua_State *L, int n, int nresults,
               tideL_body body, void *arg) {
  tideL_job job = {body, arg};
  bool ok = call(S, L, n, nresults, &job);
  switch_back(S, L);
  return ok;
}

bool tideL_tryhere(tideL_state *S, lua_State *L, int n, tideL_body body,
                   void *arg) {
  tideL_job job = {body, arg};
  return call(S, L, n, 0, &job);
}

int tideL_protect(tideL_state *S, lua_State *L, int n, int nresults,
                  tideL_body body, void *arg) {
  if (tideL_try(S, L, n, nresults, body, arg))
    return 0;
  lua_pop(L, 1);
  return UV_ENOMEM;
}

void tideL_openprotect(lua_State *L) {
  tideL_pushfunction(L, protector);
  tideL_anchor(L, &tideL_get(L)->protector);
}
