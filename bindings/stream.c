/*
 * stream.c: the Stream object.
 *
 * Its memory is Lua's, what it leads to is the runtime's and libuv's, and stays
 * until both have let go of it.
 */
#include <stdlib.h>
#include <string.h>

#include "../runtime/standard.h"
#include "streams.h"

#define MAGIC 0x73747265u

tideL_stream *tideL_newstreamof(lua_State *L, const tideL_state *S,
                                bool is_file) {
  tideL_stream *self = tideL_newuserdata(L, sizeof *self);
  *self = (tideL_stream){MAGIC, S->serial, .is_file = is_file};
  tideL_own(L, is_file ? OWN_FILE : OWN_STREAM);
  lua_setmetatable(L, -2);
  return self;
}

tideL_stream *tideL_newstream(lua_State *L, const tideL_state *S) {
  return tideL_newstreamof(L, S, false);
}

static void set_stream(tideL_stream *self, tideR_stream *stream,
                       const tideL_wiring *wiring) {
  self->stream = stream;
  stream->limit = wiring->limit;
  stream->high_water = wiring->high_water;
}

void tideL_wire(tideL_stream *self, tideR_wire *wire,
                const tideL_wiring *wiring) {
  set_stream(self, &wire->stream, wiring);
  if (wire->uv.handle.type != UV_TCP)
    return;
  if (wiring->nodelay)
    uv_tcp_nodelay(&wire->uv.tcp, 1);
  if (wiring->keepalive > 0)
    uv_tcp_keepalive(&wire->uv.tcp, 1, wiring->keepalive);
}

tideL_stream *tideL_streamtype(lua_State *L, const char *function) {
  tideL_stream *self = lua_touserdata(L, 1);
  bool of_file = *function == 'F';
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self ||
      self->magic != MAGIC || self->is_file != of_file)
    tideL_typeerror(L, 1, function, of_file ? "File" : "Stream");
  return self;
}

void tideL_checkserial(lua_State *L, const tideL_state *S, uint32_t serial,
                       const void *it, const char *function) {
  if (serial != S->serial)
    tideL_error(L, "'%s': the loop is closed", function);
  if (it == NULL)
    tideL_error(L, "'%s': it was collected", function);
}

tideL_stream *tideL_checkstream(lua_State *L, const tideL_state *S,
                                const char *function) {
  tideL_stream *self = tideL_streamtype(L, function);
  tideL_checkserial(L, S, self->serial, self->stream, function);
  return self;
}

int tideL_pushfault(lua_State *L, int err) {
  lua_pushnil(L);
  if (err == UV_EOF)
    lua_pushliteral(L, "end of stream");
  else if (err == UV_ECANCELED)
    lua_pushliteral(L, "it is closed");
  else if (err == UV_EMSGSIZE)
    lua_pushliteral(L, "longer than the limit");
  else
    lua_pushstring(L, uv_strerror(err));
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

/* ---- options ---- */

static bool push_option(lua_State *L, int arg, const char *field) {
  if (lua_type(L, arg) != LUA_TTABLE)
    return false;
  if (tideL_getfield(L, arg, field) != LUA_TNIL)
    return true;
  lua_pop(L, 1);
  return false;
}

size_t tideL_optsize(lua_State *L, int arg, const char *function,
                     const char *field, size_t otherwise) {
  lua_Number size = (lua_Number)otherwise;
  int isnum;
  if (push_option(L, arg, field)) {
    size = tideL_tonumber(L, -1, &isnum);
    if (!isnum || !(size >= 1) || size > (lua_Number)TIDEL_COUNT_MAX)
      tideL_error(L, "bad option '%s' to '%s' (a number from 1 up expected)",
                  field, function);
    lua_pop(L, 1);
  }
  if (size > (lua_Number)(SIZE_MAX / 4)) /* twice it is one, too */
    return SIZE_MAX / 4;
  return (size_t)size;
}

bool tideL_optflag(lua_State *L, int arg, const char *field, bool otherwise) {
  bool on = otherwise;
  if (push_option(L, arg, field)) {
    on = lua_toboolean(L, -1);
    lua_pop(L, 1);
  }
  return on;
}

/* Linux knows no longer silence; of more it would keep the hours it has. */
#define SILENCE_MAX 32767

static unsigned read_keepalive(lua_State *L, int arg, const char *function) {
  size_t seconds = 0;
  if (!push_option(L, arg, "keepalive"))
    return 0;
  if (lua_type(L, -1) == LUA_TBOOLEAN)
    seconds = lua_toboolean(L, -1) ? 60 : 0;
  else
    seconds = tideL_optsize(L, arg, function, "keepalive", 60);
  lua_pop(L, 1);
  return seconds < SILENCE_MAX ? (unsigned)seconds : SILENCE_MAX;
}

void tideL_readwiring(lua_State *L, int arg, const char *function,
                      tideL_wiring *out) {
  *out = (tideL_wiring){.nodelay = true, 0, TIDE_LIMIT, TIDE_LIMIT};
  if (lua_isnoneornil(L, arg))
    return;
  if (lua_type(L, arg) != LUA_TTABLE)
    tideL_typeerror(L, arg, function, "table");
  out->nodelay = tideL_optflag(L, arg, "nodelay", true);
  out->keepalive = read_keepalive(L, arg, function);
  out->limit = tideL_optsize(L, arg, function, "limit", TIDE_LIMIT);
  out->high_water = tideL_optsize(L, arg, function, "high_water", TIDE_LIMIT);
}

/* ---- life ---- */

/* Stream:close(): what is unsent is dropped; again is fine */
static int stream_close(lua_State *L) {
  const tideL_stream *self = tideL_streamtype(L, "Stream:close");
  if (self->stream != NULL)
    tideR_handle_close(&self->stream->handle);
  return 0;
}

/* At the end of the state a task may still wait for the separators. */
int tideL_streamgc(lua_State *L) {
  tideL_stream *self = lua_touserdata(L, 1);
  tideL_flushstdio(self);
  if (self->stream != NULL)
    tideR_handle_release(&self->stream->handle);
  self->stream = NULL;
  free(self->separators);
  self->separators = NULL;
  return 0;
}

bool tideL_streamclosed(const tideL_stream *self) {
  return self->stream == NULL || tideR_stream_closed(self->stream);
}

static int stream_is_closing(lua_State *L) {
  lua_pushboolean(L,
                  tideL_streamclosed(tideL_streamtype(L, "Stream:is_closing")));
  return 1;
}

/* ---- what it tells ---- */

/* libuv's handle; NULL: it is closed, or has none. */
static tideR_wire *wire_of(const tideL_stream *self) {
  if (tideL_streamclosed(self) || !tideR_stream_is_wire(self->stream))
    return NULL;
  return tideR_wire_of(self->stream);
}

static int push_none(lua_State *L, const tideL_stream *self) {
  return tideL_pushfault(L,
                         tideL_streamclosed(self) ? UV_ECANCELED : UV_ENOTSUP);
}

/* Unix sockets are pipes to libuv, whose own function cuts a name at a zero. */
static int push_name(lua_State *L, const tideL_stream *self, bool of_peer) {
  tideR_wire *wire = wire_of(self);
  tideL_address name = {0};
  int size = sizeof name, err;
  if (wire == NULL)
    return push_none(L, self);
  err = tideR_wire_name(wire, of_peer, &name, &size);
  return err < 0 ? tideL_pushfault(L, err) : tideL_pushaddress(L, &name, size);
}

/* Stream:sockname(), Stream:peername(): host and port, or path */
static int stream_sockname(lua_State *L) {
  return push_name(L, tideL_checkstream(L, tideL_get(L), "Stream:sockname"),
                   false);
}

static int stream_peername(lua_State *L) {
  return push_name(L, tideL_checkstream(L, tideL_get(L), "Stream:peername"),
                   true);
}

static int stream_fileno(lua_State *L) {
  const tideL_stream *self =
      tideL_checkstream(L, tideL_get(L), "Stream:fileno");
  const tideR_wire *wire = wire_of(self);
  uv_os_fd_t fd;
  int err;
  if (!tideL_streamclosed(self) && tideR_stream_is_stdio(self->stream)) {
    lua_pushinteger(L, tideR_stdio_fileno(self->stream));
    return 1;
  }
  if (wire == NULL)
    return push_none(L, self);
  err = uv_fileno(&wire->uv.handle, &fd);
  if (err < 0)
    return tideL_pushfault(L, err);
  lua_pushinteger(L, (lua_Integer)(intptr_t)fd);
  return 1;
}

/* Stream:stats(): {bytes_read=, bytes_written=, unread=, unsent=} */
static int stream_stats(lua_State *L) {
  const tideL_stream *self = tideL_checkstream(L, tideL_get(L), "Stream:stats");
  const tideR_stream *stream = self->stream;
  lua_createtable(L, 0, 4);
  tideL_setcount(L, "bytes_read", stream->bytes_read);
  tideL_setcount(L, "bytes_written", stream->bytes_written);
  tideL_setcount(L, "unread", stream->unread.length);
  tideL_setcount(L, "unsent", stream->unsent);
  return 1;
}

static int stream__tostring(lua_State *L) {
  const tideL_stream *self = tideL_streamtype(L, "Stream:__tostring");
  const char *state = "open";
  if (tideL_streamclosed(self))
    state = "closed";
  else if (tideR_stream_is_wire(self->stream) &&
           tideR_wire_opening(tideR_wire_of(self->stream)))
    state = "connecting";
  lua_pushfstring(L, "Stream<%s>", state);
  return 1;
}

/* stream_pair([options]): two streams in memory, each the other's peer */
static int core_stream_pair(lua_State *L) {
  static const char name[] = "testing.stream_pair";
  const tideL_state *S = tideL_open(L);
  tideL_stream *boxes[2];
  tideR_stream *streams[2];
  tideL_wiring wiring;
  tideL_readwiring(L, 1, name, &wiring);
  for (int i = 0; i < 2; i++)
    boxes[i] = tideL_newstream(L, S);
  if (tideR_pair_new(S->rt, streams) < 0)
    return luaL_error(L, "not enough memory");
  for (int i = 0; i < 2; i++)
    set_stream(boxes[i], streams[i], &wiring);
  return 2;
}

/* check_stream(value, function) */
static int core_check_stream(lua_State *L) {
  tideL_streamtype(L, luaL_checkstring(L, 2));
  return 0;
}

void tideL_openstream(lua_State *L) {
  static const luaL_Reg functions[] = {{"stream_pair", core_stream_pair},
                                       {"check_stream", core_check_stream},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {{"close", stream_close},
                                     {"is_closing", stream_is_closing},
                                     {"sockname", stream_sockname},
                                     {"peername", stream_peername},
                                     {"fileno", stream_fileno},
                                     {"stats", stream_stats},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", tideL_streamgc},
                                         {"__close", stream_close},
                                         {"__tostring", stream__tostring},
                                         {NULL, NULL}};
  tideL_newclass(L, OWN_STREAM, "tide.Stream", methods, metamethods);
  tideL_addreading(L, false);
  tideL_addwriting(L);
  tideL_addterminal(L);
  lua_setfield(L, -2, "Stream"); /* its methods: lua/tide adds to them */
  tideL_setfunctions(L, functions);
}
