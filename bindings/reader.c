/* reader.c: the methods of a Stream that read, and of a File. */
#include <stdlib.h>
#include <string.h>

#include "streams.h"

/* Of the method that runs: "Stream:read", or "File:read". */
static const char *own_name(lua_State *L) {
  return ((const tideL_awaiting *)lua_touserdata(L, UP_AWAITING))->name;
}

/* ---- beginning ---- */

/* Making the string that a reader is given may run finalisers, and one may come
 * here: what is read is to stay where it is. Or it failed, then what was held
 * is there again. */
void tideL_checkunheld(lua_State *L, const char *function,
                       const tideR_stream *stream) {
  if (tideR_stream_held(stream) && tideL_infinaliser(L))
    tideL_error(L, "'%s' cannot be called in a finaliser", function);
}

static void check_free(lua_State *L, const char *name, tideR_stream *stream) {
  tideL_checkunheld(L, name, stream);
  if (tideR_stream_busy(stream))
    tideL_error(L, "'%s': another task reads", name);
}

/* What is wanted is there, or it waits. */
static int begin(lua_State *L, tideL_state *S, const char *name,
                 tideR_stream *stream, tideR_task *task,
                 const tideR_reading *reading, tideL_finish finish) {
  if (tideR_stream_ready(stream, reading))
    return tideL_ready(L, S, task, tideR_stream_promise(stream), finish);
  tideL_checkyield(L, task, name);
  tideR_stream_park(S->rt, task, stream);
  return tideL_suspend(L, S, task, finish);
}

/* ---- ending ---- */

enum { TELLS_PART = 1, IS_LINE = 2 };

static size_t strip(const char *bytes, size_t n) {
  if (n == 0 || bytes[n - 1] != '\n')
    return n;
  n--;
  return n > 0 && bytes[n - 1] == '\r' ? n - 1 : n;
}

/* The stream, for who was woken: that it is one was checked when it began. */
static tideL_stream *delivered(lua_State *L, tideL_state *S, tideR_task *task) {
  tideL_stream *self = lua_touserdata(L, 1);
  tideL_checkdelivered(L, S, task);
  if (self->serial != S->serial || self->stream == NULL)
    tideL_checkserial(L, S, self->serial, self->stream, own_name(L));
  return self;
}

/* The bytes; or nil, message, code and those that came before. Out of memory
 * they stay there. */
static int give(lua_State *L, const tideL_stream *self, int how) {
  const char *bytes;
  const tideR_reading *got = tideR_stream_see(self->stream, &bytes);
  size_t n = got->length;
  int results = 1;
  if (got->status != 0)
    results += tideL_pushfault(L, got->status);
  if (how & IS_LINE && !self->keeps && got->status == 0)
    n = strip(bytes, n);
  if (got->status == 0 || (n > 0 && got->status != UV_EMSGSIZE) ||
      (got->status == UV_EOF && how & TELLS_PART))
    lua_pushlstring(L, n > 0 ? bytes : "", n);
  else
    results--;
  tideR_stream_take(self->stream);
  return results;
}

static int stream_read(lua_State *L);

static int gave_some(lua_State *L, tideL_state *S, tideR_task *task) {
  const tideL_stream *self = delivered(L, S, task);
  if (!tideR_stream_fetch(self->stream))
    return tideL_again(L, stream_read);
  return give(L, self, 0);
}

static int gave_exactly(lua_State *L, tideL_state *S, tideR_task *task) {
  return give(L, delivered(L, S, task), TELLS_PART);
}

static int gave_until(lua_State *L, tideL_state *S, tideR_task *task) {
  return give(L, delivered(L, S, task), TELLS_PART);
}

static int gave_line(lua_State *L, tideL_state *S, tideR_task *task) {
  return give(L, delivered(L, S, task), IS_LINE);
}

/* ---- the methods ---- */

/* Stream:read([n]): up to n bytes, of what is there, once there is something;
 * -1: all to the end */
static int stream_read(lua_State *L) {
  const char *name = own_name(L);
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_stream *stream = tideL_checkstream(L, S, name)->stream;
  tideR_reading reading = {.wanting = TIDE_READ_SOME, .size = SIZE_MAX};
  if (!lua_isnoneornil(L, 2)) {
    if (lua_isnumber(L, 2) && lua_tonumber(L, 2) == -1)
      reading.wanting = TIDE_READ_ALL;
    else
      reading.size = (size_t)tideL_checkcount(L, 2, name, 0);
  }
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, gave_some);
  check_free(L, name, stream);
  return begin(L, S, name, stream, task, &reading, gave_some);
}

/* Stream:readexactly(n) */
static int stream_readexactly(lua_State *L) {
  const char *name = own_name(L);
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideR_stream *stream = tideL_checkstream(L, S, name)->stream;
  tideR_reading reading = {.wanting = TIDE_READ_EXACTLY};
  reading.size = (size_t)tideL_checkcount(L, 2, name, 0);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, gave_exactly);
  check_free(L, name, stream);
  return begin(L, S, name, stream, task, &reading, gave_exactly);
}

static void check_separator(lua_State *L, int index, const char *name) {
  if (lua_type(L, index) != LUA_TSTRING)
    tideL_typeerror(L, 2, name, "separator, or list of them");
  if (lua_rawlen(L, index) == 0)
    tideL_argerror(L, 2, name, "an empty separator");
}

static void check_separators(lua_State *L, const char *name) {
  if (lua_type(L, 2) != LUA_TTABLE) {
    check_separator(L, 2, name);
    return;
  }
  if (lua_rawlen(L, 2) == 0)
    tideL_argerror(L, 2, name, "no separator");
  for (int i = 1; i <= (int)lua_rawlen(L, 2); i++) {
    lua_rawgeti(L, 2, i);
    check_separator(L, -1, name);
    lua_pop(L, 1);
  }
}

/* They are strings of the caller's list: copied, for it may be changed. */
static void keep_separators(lua_State *L, tideL_stream *self,
                            tideR_reading *reading) {
  bool is_list = lua_type(L, 2) == LUA_TTABLE;
  unsigned count = is_list ? (unsigned)lua_rawlen(L, 2) : 1;
  size_t size = count * sizeof(uv_buf_t);
  uv_buf_t *separators;
  char *bytes;
  for (unsigned i = 1; i <= count; i++) {
    if (is_list)
      lua_rawgeti(L, 2, (int)i);
    else
      lua_pushvalue(L, 2);
    size += lua_rawlen(L, -1);
    lua_pop(L, 1);
  }
  if (size > self->room) {
    separators = realloc(self->separators, size);
    if (separators == NULL)
      luaL_error(L, "not enough memory");
    self->separators = separators;
    self->room = (unsigned)size;
  }
  bytes = (char *)(self->separators + count);
  for (unsigned i = 0; i < count; i++) {
    size_t n;
    const char *separator;
    if (is_list)
      lua_rawgeti(L, 2, (int)i + 1);
    else
      lua_pushvalue(L, 2);
    separator = lua_tolstring(L, -1, &n);
    memcpy(bytes, separator, n);
    self->separators[i] = uv_buf_init(bytes, (unsigned)n);
    bytes += n;
    lua_pop(L, 1);
  }
  reading->separators = self->separators;
  reading->count = count;
}

/* Stream:readuntil(separator or list of them[, limit]): with the separator */
static int stream_readuntil(lua_State *L) {
  const char *name = own_name(L);
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_stream *self = tideL_checkstream(L, S, name);
  tideR_reading reading = {.wanting = TIDE_READ_UNTIL};
  check_separators(L, name);
  reading.size = self->stream->limit;
  if (!lua_isnoneornil(L, 3))
    reading.size = (size_t)tideL_checkcount(L, 3, name, 0);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, gave_until);
  check_free(L, name, self->stream);
  keep_separators(L, self, &reading);
  return begin(L, S, name, self->stream, task, &reading, gave_until);
}

/* Stream:readline([{limit=, keep=}]): without its newline, unless it is kept */
static int stream_readline(lua_State *L) {
  const char *name = own_name(L);
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  tideL_stream *self = tideL_checkstream(L, S, name);
  tideR_stream *stream = self->stream;
  tideR_reading reading = {.wanting = TIDE_READ_LINE};
  bool keeps;
  if (!lua_isnoneornil(L, 2) && lua_type(L, 2) != LUA_TTABLE)
    tideL_typeerror(L, 2, name, "table");
  reading.size = tideL_optsize(L, 2, name, "limit", stream->limit);
  keeps = tideL_optflag(L, 2, "keep", false);
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, gave_line);
  check_free(L, name, stream);
  self->keeps = keeps;
  return begin(L, S, name, stream, task, &reading, gave_line);
}

#define METHODS(class) \
  {class ":read", stream_read, gave_some, AWAIT_READ}, \
      {class ":readexactly", stream_readexactly, gave_exactly, AWAIT_RESULTS}, \
      {class ":readuntil", stream_readuntil, gave_until, AWAIT_RESULTS}, \
      {class ":readline", stream_readline, gave_line, AWAIT_RESULTS}, { \
    NULL, NULL, NULL, AWAIT_RESULTS \
  }

void tideL_addreading(lua_State *L, bool is_file) {
  static const tideL_awaiting stream[] = {METHODS("Stream")};
  static const tideL_awaiting file[] = {METHODS("File")};
  tideL_setawaiting(L, is_file ? file : stream);
}
