/*
 * writer.c: the methods of a Stream that write.
 *
 * What is to be written is never joined: many strings are one call of the
 * system's. Those of a list are taken some at a time.
 */
#include "streams.h"

#define BATCH 256 /* pieces at once */

static int push_done(lua_State *L, int err) {
  if (err < 0)
    return tideL_pushfault(L, err);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- what is to be written ---- */

static bool is_piece(lua_State *L, int index) {
  int type = lua_type(L, index);
  return type == LUA_TSTRING || type == LUA_TNUMBER;
}

/* Its numbers become strings on the stack. */
static void check_list(lua_State *L, int arg, const char *name) {
  int n = (int)lua_rawlen(L, arg);
  luaL_checkstack(L, BATCH + 4, "too many arguments");
  for (int i = 1; i <= n; i++) {
    lua_rawgeti(L, arg, i);
    if (!is_piece(L, -1))
      tideL_argerror(L, arg, name, "a list has strings and numbers");
    lua_pop(L, 1);
  }
}

/* Before anything goes out. */
static void check_pieces(lua_State *L, const char *name) {
  int top = lua_gettop(L);
  for (int arg = 2; arg <= top; arg++) {
    if (lua_type(L, arg) == LUA_TTABLE)
      check_list(L, arg, name);
    else if (!is_piece(L, arg))
      tideL_typeerror(L, arg, name, "string, number or list");
  }
}

typedef struct batch {
  tideR_stream *stream;
  uv_buf_t pieces[BATCH];
  unsigned count;
  int base; /* of the stack: above are the strings of a list */
  int part; /* that comes next */
  int err;
} batch;

static void flush(lua_State *L, batch *it) {
  if (it->err == 0)
    it->err =
        tideR_stream_write_part(it->stream, it->pieces, it->count, it->part);
  it->count = 0;
  it->part = 0;
  lua_settop(L, it->base);
}

/* A string that stays on the stack, or a number that this makes one. False: it
 * has no bytes. */
static bool add(lua_State *L, batch *it, int index) {
  size_t n;
  const char *bytes = lua_tolstring(L, index, &n);
  uv_buf_t *piece = &it->pieces[it->count];
  piece->base = (char *)bytes;
  piece->len = n;
  it->count += n > 0;
  return n > 0;
}

/* A finaliser may change the list meanwhile: its strings are not left to it. */
static void add_list(lua_State *L, batch *it, int arg) {
  int n = (int)lua_rawlen(L, arg);
  for (int i = 1; i <= n && it->err == 0; i++) {
    lua_rawgeti(L, arg, i);
    if (!add(L, it, -1))
      lua_pop(L, 1);
    if (it->count == BATCH)
      flush(L, it);
  }
}

/* Nobody comes between its parts: making strings of numbers may run finalisers,
 * and may fail. */
static int write_pieces(lua_State *L, tideR_stream *stream) {
  batch it;
  int top = lua_gettop(L);
  it.stream = stream;
  it.count = 0;
  it.part = TIDE_PART_FIRST;
  it.err = tideR_stream_failure(stream);
  it.base = top;
  for (int arg = 2; arg <= top && it.err == 0; arg++) {
    if (lua_type(L, arg) == LUA_TTABLE)
      add_list(L, &it, arg);
    else
      add(L, &it, arg);
    if (it.count == BATCH)
      flush(L, &it);
  }
  it.part |= TIDE_PART_LAST;
  flush(L, &it);
  return it.err;
}

/* Most writes are of one string, which needs no batch. */
static bool is_string(lua_State *L) {
  return lua_type(L, 2) == LUA_TSTRING && lua_gettop(L) == 2;
}

static int write_string(lua_State *L, tideR_stream *stream) {
  size_t n;
  uv_buf_t piece;
  piece.base = (char *)lua_tolstring(L, 2, &n);
  piece.len = n;
  return tideR_stream_write(stream, &piece, 1);
}

/* ---- write ---- */

static int has_written(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_stream *self;
  int err;
  tideL_checkdelivered(L, S, task);
  self = tideL_checkstream(L, S, "Stream:write");
  err = self->refused;
  self->refused = 0;
  return push_done(L, err != 0 ? err : tideR_stream_failure(self->stream));
}

/* Stream:write(...): strings, numbers, lists of these; true once no more than
 * the high-water mark is unsent */
static int stream_write(lua_State *L) {
  static const char name[] = "Stream:write";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_stream *self = tideL_checkstream(L, S, name);
  tideR_stream *stream = self->stream;
  bool is_one = is_string(L);
  int err;
  if (!is_one)
    check_pieces(L, name);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_written);
  if (tideR_stream_full(stream))
    tideL_checkyield(L, task, name);
  err = is_one ? write_string(L, stream) : write_pieces(L, stream);
  if (err == 0 && tideR_stream_full(stream) && tideL_yieldable(L, task)) {
    tideR_stream_park_full(S->rt, task, stream);
    return tideL_suspend(L, S, task, has_written);
  }
  if (err != 0 && err != tideR_stream_failure(stream))
    self->refused = err; /* this one is, and told at once */
  else if (tideL_turn(L, S, task, NULL))
    return tideL_suspend(L, S, task, has_written);
  if (err == 0)
    lua_pushboolean(L, 1);
  return err == 0 ? tideL_done(L) : tideL_finishnow(L, S, task, has_written);
}

/* ---- drain, shutdown ---- */

static int has_drained(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_checkwoken(L, S, task);
  return push_done(
      L, tideR_stream_failure(tideL_checkstream(L, S, "Stream:drain")->stream));
}

static int drain(lua_State *L, const char *name, tideR_task *task,
                 tideR_stream *stream) {
  tideL_state *S = tideL_get(L);
  if (tideR_stream_drained(stream))
    return tideL_ready(L, S, task, NULL, has_drained);
  tideL_checkyield(L, task, name);
  tideR_stream_park_drain(S->rt, task, stream);
  return tideL_suspend(L, S, task, has_drained);
}

/* Stream:drain(): true once all that was written is sent */
static int stream_drain(lua_State *L) {
  static const char name[] = "Stream:drain";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_stream *stream = tideL_checkstream(L, S, name)->stream;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_drained);
  return drain(L, name, task, stream);
}

/* Stream:shutdown(): nothing more will be written; true once all is sent */
static int stream_shutdown(lua_State *L) {
  static const char name[] = "Stream:shutdown";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_stream *stream = tideL_checkstream(L, S, name)->stream;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_drained);
  tideL_checkyield(L, task, name);
  tideR_stream_shutdown(stream);
  return drain(L, name, task, stream);
}

void tideL_addwriting(lua_State *L) {
  static const tideL_awaiting awaiting[] = {
      {"Stream:write", stream_write, has_written, AWAIT_MANY},
      {"Stream:drain", stream_drain, has_drained, AWAIT_RESULTS},
      {"Stream:shutdown", stream_shutdown, has_drained, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_setawaiting(L, awaiting);
}
