/* api.c: the table of the C API that tide_import finds in the registry. */
#include "hosting.h"

static const tide_api api = {
    .size = sizeof api,
    .version = TIDE_VERSION_NUM,
    .runtime_of = tide_runtime_of,
    .uv_loop = tide_uv_loop,
    .time = tide_time,
    .lua = tide_lua,
    .stats_get = tide_stats_get,
    .local_set = tide_local_set,
    .local_get = tide_local_get,
    .spawn = tide_spawn,
    .task_cancel = tide_task_cancel,
    .task_on_done = tide_task_on_done,
    .task_outcome = tide_task_outcome,
    .task_push = tide_task_push,
    .task_release = tide_task_release,
    .future_new = tide_future_new,
    .future_push = tide_future_push,
    .future_set = tide_future_set,
    .future_fail = tide_future_fail,
    .future_cancel = tide_future_cancel,
    .future_on_done = tide_future_on_done,
    .future_outcome = tide_future_outcome,
    .future_release = tide_future_release,
    .setfuncs = tide_setfuncs,
    .pushfunction = tide_pushfunction,
    .await = tide_await,
    .wake = tide_wake,
    .work = tide_work,
    .remote_new = tide_remote_new,
    .remote_retain = tide_remote_retain,
    .remote_release = tide_remote_release,
    .post = tide_post,
    .keep_library = tideL_keeplibrary,
};

void tideL_openapi(lua_State *L) {
  lua_pushliteral(L, TIDE_API_KEY);
  *(const tide_api **)lua_newuserdata(L, sizeof(tide_api *)) = &api;
  lua_rawset(L, LUA_REGISTRYINDEX);
}
