/*
 * tcp_uv.c: the server of the TCP rows on libuv, as good as it can be: one
 * buffer for all that is read, which is larger than a message, so that libuv
 * need not ask whether there is more; what was read is written from there, and
 * only what the system does not take at once is copied and queued. Who does not
 * take its echo is not read from.
 *
 *   tcp_uv echo|bare|once|sink|source   prints its port
 *
 *   echo    sends back what comes
 *   bare    the same; but each message becomes a Lua string, and a coroutine is
 *           resumed with it and writes it: no server in Lua can do less
 *   once    sends back what comes first, and closes
 *   sink    at the end of what comes, tells how much it was, and closes
 *   source  is told how much to send, and closes
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <uv.h>

#define ROOM 131072
#define BLOCK 65536
#define BACKLOG 511

typedef struct connection {
  uv_tcp_t tcp;
  uv_write_t request;
  char *rest;     /* of what was read, being written */
  uint64_t bytes; /* that came, or are still to be sent */
  bool last;      /* closes once that is written */
  lua_State *co;  /* who is resumed with what comes, and where it is kept */
  int ref;
} connection;

static lua_State *L;
static char room[ROOM], block[BLOCK];

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buf) {
  (void)handle;
  (void)wanted;
  buf->base = room;
  buf->len = sizeof room;
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void close_it(connection *it) {
  if (!uv_is_closing((uv_handle_t *)&it->tcp))
    uv_close((uv_handle_t *)&it->tcp, on_closed);
}

/* ---- echo, once ---- */

static void on_echo(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf);

static void on_rest(uv_write_t *request, int status) {
  connection *it = request->data;
  free(it->rest);
  if (status < 0 || it->last)
    close_it(it);
  else
    uv_read_start((uv_stream_t *)&it->tcp, on_room, on_echo);
}

static void write_rest(connection *it, const char *bytes, size_t n) {
  uv_buf_t buf;
  it->rest = malloc(n);
  if (it->rest == NULL)
    abort();
  memcpy(it->rest, bytes, n);
  buf = uv_buf_init(it->rest, (unsigned)n);
  it->request.data = it;
  uv_read_stop((uv_stream_t *)&it->tcp);
  uv_write(&it->request, (uv_stream_t *)&it->tcp, &buf, 1, on_rest);
}

static void answer(connection *it, const char *bytes, size_t n) {
  uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)n);
  int sent = uv_try_write((uv_stream_t *)&it->tcp, &buf, 1);
  if (sent == UV_EAGAIN)
    sent = 0;
  if (sent < 0 || ((size_t)sent == n && it->last))
    close_it(it);
  else if ((size_t)sent < n)
    write_rest(it, bytes + sent, n - (size_t)sent);
}

static void on_echo(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  if (n < 0)
    close_it(tcp->data);
  else if (n > 0)
    answer(tcp->data, buf->base, (size_t)n);
}

static void on_once(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  connection *it = tcp->data;
  it->last = true;
  on_echo(tcp, n, buf);
}

/* ---- bare ---- */

static int resume(lua_State *co, int n) {
#if LUA_VERSION_NUM >= 504
  int results;
  return lua_resume(co, L, n, &results);
#elif LUA_VERSION_NUM >= 502
  return lua_resume(co, L, n);
#else
  return lua_resume(co, n);
#endif
}

static int write_string(lua_State *co) {
  size_t n;
  const char *bytes = luaL_checklstring(co, 1, &n);
  answer(lua_touserdata(co, lua_upvalueindex(1)), bytes, n);
  return 0;
}

static void begin_coroutine(connection *it) {
  it->co = lua_newthread(L);
  it->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  if (luaL_loadstring(it->co, "local write, yield = ...\n"
                              "while true do write(yield()) end") != 0)
    abort();
  lua_pushlightuserdata(it->co, it);
  lua_pushcclosure(it->co, write_string, 1);
  lua_getglobal(it->co, "coroutine");
  lua_getfield(it->co, -1, "yield");
  lua_remove(it->co, -2);
  if (resume(it->co, 2) != LUA_YIELD)
    abort();
}

static void on_bare(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  connection *it = tcp->data;
  if (n < 0) {
    luaL_unref(L, LUA_REGISTRYINDEX, it->ref);
    close_it(it);
  } else if (n > 0) {
    if (it->co == NULL)
      begin_coroutine(it);
    lua_pushlstring(it->co, buf->base, (size_t)n);
    if (resume(it->co, 1) != LUA_YIELD)
      abort();
  }
}

/* ---- sink, source ---- */

static void on_sink(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  connection *it = tcp->data;
  char text[32];
  (void)buf;
  if (n >= 0) {
    it->bytes += (uint64_t)n;
    return;
  }
  it->last = true;
  n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)it->bytes);
  answer(it, text, (size_t)n);
}

static void on_block(uv_write_t *request, int status);

static void send_blocks(connection *it) {
  uv_buf_t buf = uv_buf_init(block, sizeof block);
  for (int sent = 0; it->bytes > 0; it->bytes -= (uint64_t)sent) {
    buf.len = it->bytes < sizeof block ? it->bytes : sizeof block;
    sent = uv_try_write((uv_stream_t *)&it->tcp, &buf, 1);
    if (sent == (int)buf.len)
      continue;
    if (sent < 0 && sent != UV_EAGAIN)
      break;
    if (sent > 0) /* the next block begins where this one is cut */
      buf = uv_buf_init(block + sent, (unsigned)(buf.len - (size_t)sent));
    it->bytes -= (sent > 0 ? (uint64_t)sent : 0) + buf.len;
    it->request.data = it;
    uv_write(&it->request, (uv_stream_t *)&it->tcp, &buf, 1, on_block);
    return;
  }
  close_it(it);
}

static void on_block(uv_write_t *request, int status) {
  connection *it = request->data;
  if (status < 0)
    close_it(it);
  else
    send_blocks(it);
}

static void on_source(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf) {
  connection *it = tcp->data;
  if (n == 0)
    return;
  uv_read_stop(tcp);
  if (n > 0) {
    buf->base[n - 1] = 0; /* a newline */
    it->bytes = strtoull(buf->base, NULL, 10);
  }
  send_blocks(it);
}

/* ---- all ---- */

static uv_read_cb on_read;

static void on_connection(uv_stream_t *server, int status) {
  connection *it;
  if (status < 0)
    return;
  it = calloc(1, sizeof *it);
  if (it == NULL || uv_tcp_init(server->loop, &it->tcp) < 0)
    abort();
  it->tcp.data = it;
  if (uv_accept(server, (uv_stream_t *)&it->tcp) < 0) {
    close_it(it);
    return;
  }
  uv_tcp_nodelay(&it->tcp, 1);
  uv_read_start((uv_stream_t *)&it->tcp, on_room, on_read);
}

static uv_read_cb reader_of(const char *mode) {
  if (strcmp(mode, "echo") == 0)
    return on_echo;
  if (strcmp(mode, "bare") == 0)
    return on_bare;
  if (strcmp(mode, "once") == 0)
    return on_once;
  if (strcmp(mode, "sink") == 0)
    return on_sink;
  return on_source;
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t server;
  struct sockaddr_in at;
  int size = sizeof at;
  if (argc < 2)
    return 2;
  /* libuv up to 1.44 would sleep after each connection that it accepts. */
  uv_os_setenv("UV_TCP_SINGLE_ACCEPT", "0");
  L = luaL_newstate();
  luaL_openlibs(L);
  on_read = reader_of(argv[1]);
  for (int i = 0; i < BLOCK; i++)
    block[i] = (char)('a' + i % 16);
  uv_ip4_addr("127.0.0.1", 0, &at);
  if (uv_tcp_init(loop, &server) < 0 ||
      uv_tcp_bind(&server, (const struct sockaddr *)&at, 0) < 0 ||
      uv_listen((uv_stream_t *)&server, BACKLOG, on_connection) < 0 ||
      uv_tcp_getsockname(&server, (struct sockaddr *)&at, &size) < 0)
    return 1;
  printf("%d\n", ntohs(at.sin_port));
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
