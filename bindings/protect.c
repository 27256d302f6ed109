/* protect.c: how functions of the C API call what may raise. */
#include "hosting.h"

typedef struct tideL_job {
  tideL_body body;
  void *arg;
  bool begun;
} tideL_job;

/* Finalisers may run before this does, and protect calls of their own: each
 * puts back the job that it found. */
static int protector(lua_State *L) {
  tideL_state *S = tideL_get(L);
  tideL_job *job = S->job;
  job->begun = true;
  return job->body(L, S, job->arg);
}

bool tideL_try(tideL_state *S, lua_State *L, int n, int nresults,
               tideL_body body, void *arg, bool *begun) {
  tideL_job job = {body, arg, false}, *before = S->job;
  int status;
  S->job = &job;
  lua_rawgeti(L, LUA_REGISTRYINDEX, S->protector);
  lua_insert(L, -n - 1);
  status = lua_pcall(L, n, nresults, 0);
  S->job = before;
  *begun = job.begun;
  return status == LUA_OK;
}

int tideL_protect(tideL_state *S, lua_State *L, int n, int nresults,
                  tideL_body body, void *arg) {
  bool begun;
  if (tideL_try(S, L, n, nresults, body, arg, &begun))
    return 0;
  lua_pop(L, 1);
  return UV_ENOMEM;
}

void tideL_openprotect(lua_State *L) {
  tideL_pushfunction(L, protector);
  tideL_get(L)->protector = luaL_ref(L, LUA_REGISTRYINDEX);
}
