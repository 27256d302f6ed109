/* input.c: standard input, read as it comes. Private: the REPL uses it. */
#include "bindings.h"

#define MAGIC 0x696e7075u

typedef struct tideL_input {
  uint32_t magic;
  uint32_t serial;    /* of the runtime */
  tideR_input *input; /* NULL: closed */
} tideL_input;

static bool is_open(lua_State *L, const tideL_input *self) {
  const tideL_state *S = tideL_get(L);
  return self->input != NULL && S->rt != NULL && self->serial == S->serial;
}

static tideL_input *check(lua_State *L, const char *function) {
  tideL_input *self = lua_touserdata(L, 1);
  if (self == NULL || lua_rawlen(L, 1) != sizeof *self || self->magic != MAGIC)
    tideL_typeerror(L, 1, function, "Input");
  if (!is_open(L, self))
    tideL_error(L, "'%s': it is closed", function);
  return self;
}

/* input(): standard input; or nil, message, code */
static int core_input(lua_State *L) {
  const tideL_state *S = tideL_open(L);
  tideL_input *self = tideL_newuserdata(L, sizeof *self);
  int err;
  *self = (tideL_input){MAGIC, S->serial, NULL};
  tideL_own(L, OWN_INPUT);
  lua_setmetatable(L, -2);
  err = tideR_input_open(S->rt, 0, &self->input);
  return err < 0 ? tideL_pushdone(L, err) : 1;
}

static int has_read(lua_State *L, tideL_state *S, tideR_task *task) {
  tideR_input *input;
  const char *bytes;
  ssize_t n;
  tideL_checkdelivered(L, S, task);
  input = check(L, "Input:read")->input;
  n = tideR_input_see(input, &bytes);
  if (n >= 0) /* out of memory it stays there */
    lua_pushlstring(L, bytes, (size_t)n);
  tideR_input_take(input);
  return n < 0 ? tideL_pushdone(L, (int)n) : 1;
}

/* Input:read(): what is there, once there is something; nil, message, code: at
 * the end "EOF" */
static int input_read(lua_State *L) {
  static const char name[] = "Input:read";
  tideL_state *S = tideL_get(L);
  tideR_task *task = tideL_enter(L, S, name);
  const tideL_input *self = check(L, name);
  int err;
  if (tideL_checkpoint(S, task))
    return tideL_cancel(L, S, task, name, has_read);
  if (tideR_input_busy(self->input))
    return tideL_error(L, "'%s': another task reads", name);
  if (tideR_input_ready(self->input))
    return tideL_ready(L, S, task, tideR_input_promise(self->input), has_read);
  tideL_checkyield(L, task, name);
  err = tideR_input_park(S->rt, task, self->input);
  if (err < 0)
    return tideL_error(L, "'%s': %s", name, uv_strerror(err));
  return tideL_suspend(L, S, task, has_read);
}

static int input_is_tty(lua_State *L) {
  lua_pushboolean(L, tideR_input_is_tty(check(L, "Input:is_tty")->input));
  return 1;
}

/* Input:raw(on): keys come one by one, unseen, but Ctrl-C, which stays a
 * signal; true, or nil, message, code */
static int input_raw(lua_State *L) {
  const tideL_input *self = check(L, "Input:raw");
  return tideL_pushdone(L, tideR_input_raw(self->input, lua_toboolean(L, 2)));
}

/* Input:columns(): how wide the terminal is; 0: unknown */
static int input_columns(lua_State *L) {
  lua_pushinteger(L, tideR_input_columns(check(L, "Input:columns")->input));
  return 1;
}

/* Input:close(): again is fine */
static int input_close(lua_State *L) {
  tideL_input *self = lua_touserdata(L, 1);
  if (is_open(L, self))
    tideR_input_close(self->input);
  self->input = NULL;
  return 0;
}

/* reserve_stdio(): opens those of stdin, stdout, stderr that are closed */
static int core_reserve_stdio(lua_State *L) {
  (void)L;
  tideR_input_reserve();
  return 0;
}

/* is_terminal(fd) */
static int core_is_terminal(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  lua_pushboolean(L, uv_guess_handle(fd) == UV_TTY);
  return 1;
}

void tideL_openinput(lua_State *L) {
  static const luaL_Reg methods[] = {{"is_tty", input_is_tty},
                                     {"raw", input_raw},
                                     {"columns", input_columns},
                                     {"close", input_close},
                                     {NULL, NULL}};
  static const luaL_Reg metamethods[] = {{"__gc", input_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"input", core_input},
                                       {"is_terminal", core_is_terminal},
                                       {"reserve_stdio", core_reserve_stdio},
                                       {NULL, NULL}};
  static const tideL_awaiting awaiting[] = {
      {"Input:read", input_read, has_read, AWAIT_RESULTS},
      {NULL, NULL, NULL, AWAIT_RESULTS}};
  tideL_newclass(L, OWN_INPUT, "tide.Input", methods, metamethods);
  tideL_setawaiting(L, awaiting);
  lua_pop(L, 1);
  tideL_setfunctions(L, functions);
}
