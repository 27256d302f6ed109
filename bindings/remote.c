/* remote.c: tide_remote and tide_post. The queue is runtime/remote.c's. */
#include "hosting.h"

tide_remote *tide_remote_new(tide_runtime *rt) {
  if (rt->rt == NULL)
    return NULL;
  return (tide_remote *)tideR_remote_new(rt->rt);
}

tide_remote *tide_remote_retain(tide_remote *remote) {
  return (tide_remote *)tideR_remote_retain((tideR_remote *)remote);
}

void tide_remote_release(tide_remote *remote) {
  if (remote != NULL)
    tideR_remote_release((tideR_remote *)remote);
}

int tide_post(tide_remote *remote, void (*fn)(tide_runtime *rt, void *arg),
              void *arg) {
  return tideR_remote_post((tideR_remote *)remote, fn, arg);
}

typedef struct posting {
  const tideR_post *post;
  bool called; /* or there was no memory for it */
} posting;

static int post_body(lua_State *T, tideL_state *S, void *arg) {
  posting *it = arg;
  bool inside;
  luaL_checkstack(T, LUA_MINSTACK, NULL);
  inside = tideL_entercallback(T, S);
  it->called = true;
  it->post->fn(S, it->post->arg);
  tideL_leavecallback(T, S, inside);
  return 0;
}

/* What the post itself raises is reported; what reporting raises goes on. */
bool tideL_onpost(tideR_runtime *rt, const tideR_post *post) {
  tideL_state *S = tideR_runtime_data(rt);
  lua_State *T = S->thread;
  posting it = {post, false};
  bool calling = S->calling;
  if (tideL_try(S, T, 0, 0, post_body, &it))
    return true;
  S->calling = calling;
  if (it.called) {
    tideL_pushreport(T, "error in a post", -1);
    tideL_report(T, S);
  }
  lua_pop(T, 1);
  return it.called;
}
