/*
 * spawning.c: spawn, and what its table says.
 *
 * All of that is read before anything is opened. What is read of strings is
 * kept by a table at KEPT: who changes the options meanwhile, a finaliser say,
 * does not take them away.
 */
#include "process.h"

#include <stdio.h>
#include <string.h>
#ifdef __APPLE__ /* where a library has none of its own */
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#elif !defined(_WIN32)
extern char **environ;
#endif

#define OPTIONS 1
#define KEPT 4

typedef struct reading {
  const char *function;
  tideR_spawning how;
  int kept; /* so many */
} reading;

/* ---- strings ---- */

/* The string or number on top, which is popped. */
static char *keep(lua_State *L, reading *it, const char *what) {
  size_t length;
  const char *text;
  if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
    tideL_error(L, "bad %s to '%s' (string expected, got %s)", what,
                it->function, tideL_typename(L, -1));
  text = lua_tolstring(L, -1, &length);
  if (strlen(text) != length)
    tideL_error(L, "bad %s to '%s' (a string with a zero in it)", what,
                it->function);
  lua_rawseti(L, KEPT, ++it->kept);
  return (char *)text;
}

/* Room for n of them, and a NULL. */
static char **keep_list(lua_State *L, reading *it, size_t n) {
  char **list = lua_newuserdata(L, (n + 1) * sizeof *list);
  list[n] = NULL;
  lua_rawseti(L, KEPT, ++it->kept);
  return list;
}

/* A list with a hole may seem to end there: {"rm", nil, "-i"} is not "rm". */
static void check_whole(lua_State *L, const reading *it, size_t n) {
  for (lua_pushnil(L); lua_next(L, OPTIONS); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) > (lua_Number)n)
      tideL_error(L,
                  "bad item %d of argument #1 to '%s' (string expected, got "
                  "nil)",
                  (int)n + 1, it->function);
}

static void read_args(lua_State *L, reading *it) {
  char what[64];
  size_t n = lua_rawlen(L, OPTIONS);
  if (n == 0)
    tideL_error(L, "bad argument #1 to '%s' (it names no command)",
                it->function);
  check_whole(L, it, n);
  it->how.args = keep_list(L, it, n);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, OPTIONS, (int)i + 1);
    snprintf(what, sizeof what, "item %lu of argument #1",
             (unsigned long)i + 1);
    it->how.args[i] = keep(L, it, what);
  }
}

/* ---- options ---- */

static int get(lua_State *L, const char *field) {
  lua_pushstring(L, field);
  return tideL_rawget(L, OPTIONS);
}

static size_t count(lua_State *L, int index) {
  size_t n = 0;
  for (lua_pushnil(L); lua_next(L, index); n++)
    lua_pop(L, 1);
  return n;
}

/* "NAME=value" of the key and value on top, which stay. */
static char *keep_variable(lua_State *L, reading *it) {
  const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
  if (*name == '\0' || strchr(name, '=') != NULL ||
      strlen(name) != lua_rawlen(L, -2))
    tideL_error(L, "bad option 'env' to '%s' (no name of a variable)",
                it->function);
  lua_pushvalue(L, -2);
  lua_pushliteral(L, "=");
  lua_pushvalue(L, -3);
  if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
    tideL_error(L, "bad option 'env' to '%s' (a string for '%s' expected)",
                it->function, name);
  lua_concat(L, 3);
  return keep(L, it, "option 'env'");
}

static void read_env(lua_State *L, reading *it) {
  int index;
  size_t n, i = 0;
  int type = get(L, "env");
  if (type == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (type != LUA_TTABLE)
    tideL_error(L, "bad option 'env' to '%s' (table expected, got %s)",
                it->function, tideL_typename(L, -1));
  index = lua_gettop(L);
  n = count(L, index);
  it->how.env = keep_list(L, it, n);
  for (lua_pushnil(L); lua_next(L, index) && i < n; i++) {
    it->how.env[i] = keep_variable(L, it);
    lua_pop(L, 1);
  }
  it->how.env[i] = NULL;
  lua_settop(L, index - 1);
}

static bool read_id(lua_State *L, reading *it, const char *field,
                    unsigned *out) {
  lua_Number id = 0;
  bool is_there = get(L, field) != LUA_TNIL;
  if (is_there) {
    id = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (!(id >= 0) || id >= 4294967295.0 || id != (lua_Number)(unsigned)id)
      tideL_error(L,
                  "bad option '%s' to '%s' (a whole number from 0 up "
                  "expected)",
                  field, it->function);
  }
  *out = (unsigned)id;
  lua_pop(L, 1);
  return is_there;
}

static void read_options(lua_State *L, reading *it, bool runs) {
  unsigned id;
  if (get(L, "cwd") != LUA_TNIL)
    it->how.cwd = keep(L, it, "option 'cwd'");
  else
    lua_pop(L, 1);
  read_env(L, it);
  it->how.has_uid = read_id(L, it, "uid", &id);
  it->how.uid = (uv_uid_t)id;
  it->how.has_gid = read_id(L, it, "gid", &id);
  it->how.gid = (uv_gid_t)id;
  it->how.detached =
      get(L, "detached") == LUA_TNIL ? runs : lua_toboolean(L, -1);
  it->how.passes_interrupt = runs;
  lua_pop(L, 1);
}

/* ---- stdin, stdout, stderr ---- */

static const char *const names[] = {"stdin", "stdout", "stderr"};

static void refuse_stdio(lua_State *L, const reading *it, int i) {
  tideL_error(L,
              "bad option '%s' to '%s' (\"pipe\", \"inherit\", \"null\", a "
              "path, a descriptor or a stream expected)",
              names[i], it->function);
}

static void set_fd(lua_State *L, const reading *it, int i, tideR_stdio *out) {
  lua_Number fd = lua_tonumber(L, -1);
  if (!(fd >= 0) || fd > 2147483647.0 || fd != (int)fd)
    refuse_stdio(L, it, i);
  out->kind = TIDE_STDIO_FD;
  out->fd = (int)fd;
}

static void set_word(lua_State *L, reading *it, int i, tideR_stdio *out) {
  const char *word = lua_tostring(L, -1);
  if (strcmp(word, "null") == 0) {
    out->kind = TIDE_STDIO_NULL;
  } else if (strcmp(word, "inherit") == 0) {
    out->kind = TIDE_STDIO_INHERIT;
  } else if (strcmp(word, "pipe") == 0) {
    out->kind = TIDE_STDIO_PIPE;
  } else if (i == 2 && strcmp(word, "stdout") == 0) {
    out->kind = TIDE_STDIO_STDOUT;
  } else {
    out->kind = TIDE_STDIO_PATH;
    lua_pushvalue(L, -1);
    out->path = keep(L, it, "path");
  }
}

/* What has a descriptor tells it by `fileno`, a stream say. Its refusal, of
 * three values, takes the place of the value on top. */
static bool set_stream(lua_State *L, const reading *it, int i,
                       tideR_stdio *out) {
  int top = lua_gettop(L);
  bool has = luaL_getmetafield(L, -1, "__index");
  lua_settop(L, top);
  if (has) {
    lua_getfield(L, -1, "fileno");
    has = lua_isfunction(L, -1);
  }
  if (!has)
    refuse_stdio(L, it, i);
  lua_pushvalue(L, top);
  lua_call(L, 1, 3);
  if (lua_isnil(L, -3)) {
    lua_remove(L, top);
    return false;
  }
  lua_settop(L, top + 1);
  if (lua_type(L, -1) != LUA_TNUMBER)
    refuse_stdio(L, it, i);
  set_fd(L, it, i, out);
  lua_settop(L, top);
  return true;
}

static bool read_stdio(lua_State *L, reading *it, int i, bool runs) {
  tideR_stdio *out = &it->how.stdio[i];
  bool there = true;
  switch (get(L, names[i])) {
  case LUA_TNIL:
    out->kind = i == 0 ? TIDE_STDIO_NULL
                : runs ? TIDE_STDIO_PIPE
                       : TIDE_STDIO_INHERIT;
    break;
  case LUA_TSTRING:
    set_word(L, it, i, out);
    break;
  case LUA_TNUMBER:
    set_fd(L, it, i, out);
    break;
  case LUA_TUSERDATA:
    there = set_stream(L, it, i, out);
    break;
  default:
    refuse_stdio(L, it, i);
  }
  if (there)
    lua_pop(L, 1);
  return there;
}

/* ---- spawning ---- */

/* What it is given at i, if that has an owner: kept in the table on top. Of a
 * pipeline the last is what somebody has, and lives on the others. */
static void keep_given(lua_State *L, const reading *it, int i) {
  if (it->how.stdio[i].kind != TIDE_STDIO_FD)
    return;
  get(L, names[i]);
  lua_rawseti(L, -2, i + 2);
}

/* For each pipe a stream, without a wire yet: in the table of the process on
 * top. */
static void make_streams(lua_State *L, const tideL_state *S, const reading *it,
                         tideL_stream *boxes[3]) {
  int process = lua_gettop(L);
  tideL_getuservalue(L, process);
  lua_pushvalue(L, process);
  lua_rawseti(L, -2, 1);
  for (int i = 0; i < 3; i++) {
    boxes[i] = NULL;
    keep_given(L, it, i);
    if (it->how.stdio[i].kind != TIDE_STDIO_PIPE)
      continue;
    boxes[i] = tideL_newstream(L, S);
    lua_pushvalue(L, -2);
    tideL_setuservalue(L, -2);
    lua_setfield(L, -2, names[i]);
  }
  lua_settop(L, process);
}

static int push_failure(lua_State *L, int err, const char *culprit) {
  if (culprit == NULL)
    return tideL_pushdone(L, err);
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", culprit, uv_strerror(err));
  lua_pushstring(L, uv_err_name(err));
  return 3;
}

/* spawn(options, function, runs): a Process; or nil, message, code. If it runs,
 * other things go without saying: its output is for pipes, it has its own
 * group, and interrupts are passed on to that. */
static int core_spawn(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  bool runs = lua_toboolean(L, 3);
  reading it = {.function = luaL_checkstring(L, 2)};
  tideL_wiring wiring;
  tideL_process *self;
  tideL_stream *boxes[3];
  tideR_wire *wires[3];
  const char *culprit;
  int err;
  if (!lua_istable(L, OPTIONS))
    tideL_typeerror(L, OPTIONS, it.function, "table");
  lua_settop(L, 3);
  lua_newtable(L);
  luaL_checkstack(L, 16, NULL);
  tideL_readwiring(L, OPTIONS, it.function, &wiring);
  read_args(L, &it);
  read_options(L, &it, runs);
  for (int i = 0; i < 3; i++)
    if (!read_stdio(L, &it, i, runs))
      return 3;
  self = tideL_newprocess(L, S);
  make_streams(L, S, &it, boxes);
  err = tideR_process_spawn(S->rt, &it.how, &self->process, wires, &culprit);
  if (err < 0)
    return push_failure(L, err, culprit);
  for (int i = 0; i < 3; i++)
    if (wires[i] != NULL)
      tideL_wire(boxes[i], wires[i], &wiring);
  return 1;
}

/* environ(): a table of the variables of this process */
static int core_environ(lua_State *L) {
  lua_newtable(L);
  for (char **it = environ; it != NULL && *it != NULL; it++) {
    const char *equals = strchr(*it, '=');
    if (equals == NULL || equals == *it)
      continue;
    lua_pushlstring(L, *it, (size_t)(equals - *it));
    lua_pushstring(L, equals + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

void tideL_openspawning(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"spawn", core_spawn}, {"environ", core_environ}, {NULL, NULL}};
  tideL_setfunctions(L, functions);
}
